"""Processes that share the parameters out, for a model that does not fit one: torch's FSDP2.

Each block is gathered when it is computed, and freed afterwards (Zhao et al. 2023).
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from nanogpt_cli.config import TrainConfig
from nanogpt_cli.device import compiles
from nanogpt_cli.errors import UsageError
from nanogpt_cli.model.gpt import GPT
from nanogpt_cli.training.optim import Muon, Optimizers
from nanogpt_cli.training.parallel.muon import OwnedMuon
from nanogpt_cli.training.parallel.replicated import Many

if TYPE_CHECKING:
    from nanogpt_cli.training.state import TrainState


class ShardedParallel(Many):
    """One of several processes, each with its rows of every parameter."""

    sharded = True
    muon: type[Muon] = OwnedMuon

    def prepare(self, config: TrainConfig, dtype: torch.dtype) -> None:
        """Take over the precision. Raises UsageError for fp16, whose scaler is not sharded."""
        if dtype == torch.float16:
            raise UsageError("--strategy fsdp cannot train in float16", "use --dtype bfloat16")
        self.compiles = compiles(config.compile, self.device)
        self.policy = MixedPrecisionPolicy()
        if dtype != torch.float32:
            # gathered in this type; rows, moments and sums of gradients stay in float32
            self.policy = MixedPrecisionPolicy(param_dtype=dtype, reduce_dtype=torch.float32)

    @property
    def loading_device(self) -> torch.device:
        """The CPU, whose memory has room for a whole model."""
        return torch.device("cpu")

    def place(self, model: GPT) -> GPT:
        """Shard a model on the CPU, block by block, onto the devices."""
        mesh = init_device_mesh(self.device.type, (self.size,))
        for block in model.transformer.h:
            if self.compiles:
                block.compile()
            fully_shard(block, mesh=mesh, mp_policy=self.policy)
        fully_shard(model, mesh=mesh, mp_policy=self.policy)
        return model

    def no_sync(self, forward: nn.Module) -> AbstractContextManager[object]:
        """Keep the gradients of a micro-batch that is not the last."""
        return _unsynchronized(cast(FSDPModule, forward))

    def exchange(self, state: "TrainState", sums: Tensor) -> tuple[Tensor, list[Tensor], Tensor]:
        """Add up the squares of all rows; the backward pass has averaged and scattered them."""
        own = self.held([p.grad for p in state.model.parameters() if p.grad is not None])
        sums, norm = self._complete(sums, [], own)
        return sums, own, norm

    def held(self, tensors: list[Tensor]) -> list[Tensor]:
        """Return this process's rows of each tensor that it has some of."""
        rows = [cast(DTensor, tensor).to_local() for tensor in tensors]
        return [tensor for tensor in rows if tensor.numel()]

    def adopt(self, optimizers: Optimizers) -> None:
        """Keep this process's rows of each moment."""
        for part in optimizers.parts:
            for p, entries in part.state.items():
                like = cast(DTensor, p)
                for name, tensor in entries.items():
                    if tensor.shape == p.shape and not isinstance(tensor, DTensor):
                        mesh, placements = like.device_mesh, like.placements
                        entries[name] = distribute_tensor(tensor, mesh, placements)

    def settle(self, model: nn.Module) -> None:
        """Free what is gathered of the parameters outside the blocks."""
        cast(FSDPModule, model).reshard()

    def full_weights(self, model: GPT) -> dict[str, Tensor]:
        """Gather the parameters one by one in the memory of the main process's CPU."""
        options = StateDictOptions(full_state_dict=True, cpu_offload=True)
        return cast(dict[str, Tensor], get_model_state_dict(model, options=options))


@contextmanager
def _unsynchronized(model: FSDPModule) -> Iterator[None]:
    model.set_requires_gradient_sync(False)
    try:
        yield
    finally:
        model.set_requires_gradient_sync(True)
