"""A process that trains alone, and the interface of one that does not."""

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from nanogpt_cli.config import TrainConfig
from nanogpt_cli.model.gpt import GPT
from nanogpt_cli.training.optim import Muon, Optimizers

if TYPE_CHECKING:
    from nanogpt_cli.training.state import TrainState


class Parallel:
    """A process that trains alone."""

    rank = 0
    size = 1
    sharded = False
    """Whether each process holds but a part of every parameter."""
    muon: type[Muon] = Muon
    """What Muon is here."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    @property
    def loading_device(self) -> torch.device:
        """Where the parameters of a checkpoint are loaded to, before ``place``."""
        return self.device

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and talks."""
        return self.rank == 0

    def prepare(self, config: TrainConfig, dtype: torch.dtype) -> None:
        """Decide what depends on the settings. Raises UsageError for what does not fit."""

    def place(self, model: GPT) -> GPT:
        """Bring a new model's parameters to where they are trained, before its optimizers."""
        return model.to(self.device)

    def wrap(self, model: nn.Module, optimizers: Optimizers) -> nn.Module:
        """Return the model as it is called in training."""
        return model

    def no_sync(self, forward: nn.Module) -> AbstractContextManager[object]:
        """Return the context of a backward pass whose gradients are not exchanged yet."""
        return nullcontext()

    def exchange(self, state: "TrainState", sums: Tensor) -> tuple[Tensor, list[Tensor], Tensor]:
        """Complete the gradients of a step, and add up ``sums`` (N,) over all processes.

        Returns the sums, the gradients that this process holds, and the norm () of the whole
        gradient.
        """
        grads = [p.grad for p in state.model.parameters() if p.grad is not None]
        return sums, grads, nn.utils.get_total_norm(grads)

    def zeros(self, count: int) -> Tensor:
        """Return room for ``count`` sums, in float64 where the device has it."""
        dtype = torch.float32 if self.device.type == "mps" else torch.float64
        return torch.zeros(count, dtype=dtype, device=self.device)

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum of each value (N,) over all processes, the same in all."""
        return values

    def least(self, value: int) -> int:
        """Return the smallest ``value`` that a process has."""
        return value

    def agreed(self, value: Any) -> Any:
        """Return what the main process has as ``value``: plain types."""
        return value

    def share(self, total: int) -> range:
        """Return which of ``total`` numbered things are this process's; adjacent ones."""
        return range(self.rank * total // self.size, (self.rank + 1) * total // self.size)

    def wait_for_all(self) -> None:
        """Wait until every process is here, while one of them writes or measures."""

    def held(self, tensors: list[Tensor]) -> list[Tensor]:
        """Return what this process holds of each tensor, leaving out nothing at all."""
        return tensors

    def adopt(self, optimizers: Optimizers) -> None:
        """Keep this process's part of moments that were loaded whole."""

    def settle(self, model: nn.Module) -> None:
        """Give back the memory of what an evaluation has gathered."""

    def full_weights(self, model: GPT) -> dict[str, Tensor]:
        """Return the state dict with whole tensors, in the main process; all must call it."""
        return model.state_dict()
