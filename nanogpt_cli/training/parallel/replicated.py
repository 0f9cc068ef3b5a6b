"""Processes that each hold a whole model: torch's DistributedDataParallel, and a Muon for it."""

from contextlib import AbstractContextManager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from nanogpt_cli.config import TrainConfig
from nanogpt_cli.training.optim import Muon, Optimizers
from nanogpt_cli.training.parallel.muon import ChunkedMuon
from nanogpt_cli.training.parallel.single import Parallel

if TYPE_CHECKING:
    from nanogpt_cli.training.state import TrainState


PATIENCE = timedelta(minutes=30)
"""How long processes wait while one of them writes a checkpoint or measures."""


class Many(Parallel):
    """One of several processes: what they exchange, however the model is spread."""

    def __init__(self, device: torch.device, rank: int, size: int) -> None:
        super().__init__(device)
        self.rank, self.size = rank, size
        self.patient: dist.ProcessGroup | None = None
        """A group for what may take long, and for saving beside training."""

    def sum(self, values: Tensor) -> Tensor:
        """Add up in one collective."""
        dist.all_reduce(values)
        return values

    def least(self, value: int) -> int:
        """Compare in one collective."""
        tensor = torch.tensor(value, device=self.device)
        dist.all_reduce(tensor, op=dist.ReduceOp.MIN)
        return int(tensor)

    def agreed(self, value: Any) -> Any:
        """Send the main process's to the others."""
        box = [value]
        dist.broadcast_object_list(box, group=self.patient)
        return box[0]

    def wait_for_all(self) -> None:
        """Meet in the group that has more patience than a step."""
        dist.all_reduce(torch.zeros(1), group=self.patient)

    def _complete(
        self, sums: Tensor, grads: list[Tensor], own: list[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Add up the sums and the squares of the gradient, in one collective; return its norm.

        ``grads`` are the same in all processes, ``own`` are parts that no other has.
        """
        counted = own + (grads if self.is_main else [])
        squares = self.zeros(1)
        if counted:
            norms = torch.stack(torch._foreach_norm(counted))
            squares = norms.to(squares.dtype).square().sum()[None]
        total = self.sum(torch.cat([sums, squares]))
        return total[:-1], total[-1].sqrt()


class DataParallel(Many):
    """One of several processes, each with a whole model and a share of every batch."""

    muon: type[Muon] = ChunkedMuon

    def prepare(self, config: TrainConfig, dtype: torch.dtype) -> None:
        """Keep whole gradients everywhere in fp16, whose scaler must see them."""
        self.muon = Muon if dtype == torch.float16 else ChunkedMuon

    def wrap(self, model: nn.Module, optimizers: Optimizers) -> nn.Module:
        """Let the backward pass average the gradients, but those that Muon shares out itself."""
        theirs = _chunked(optimizers)
        if theirs:
            # torch has no public name for it
            ignore: Any = DistributedDataParallel._set_params_and_buffers_to_ignore_for_model
            ignore(model, [name for name, p in model.named_parameters() if p in theirs])
        ids = [self.device.index] if self.device.type == "cuda" else None
        return DistributedDataParallel(model, device_ids=ids)

    def no_sync(self, forward: nn.Module) -> AbstractContextManager[object]:
        """Keep the gradients of a micro-batch that is not the last."""
        assert isinstance(forward, DistributedDataParallel)
        context: AbstractContextManager[object] = forward.no_sync()
        return context

    def exchange(self, state: "TrainState", sums: Tensor) -> tuple[Tensor, list[Tensor], Tensor]:
        """Share out what is Muon's; all else the backward pass has averaged."""
        theirs = _chunked(state.optimizers)
        grads = [p.grad for p in state.model.parameters() if p.grad is not None and p not in theirs]
        parts = [part for part in state.optimizers.parts if isinstance(part, ChunkedMuon)]
        own = [chunk for part in parts for chunk in part.reduce()]
        sums, norm = self._complete(sums, grads, own)
        return sums, grads + own, norm


def _chunked(optimizers: Optimizers) -> set[Tensor]:
    """Return the parameters whose gradients Muon averages itself."""
    parts = [part for part in optimizers.parts if isinstance(part, ChunkedMuon)]
    return {p for part in parts for group in part.param_groups for p in group["params"]}
