"""One process or many: what torchrun says, and what the processes exchange.

Every process runs the same lines. ``Parallel`` is a single process; ``DataParallel`` one of many,
each with a whole model, that average their gradients (torch's DistributedDataParallel).
"""

import importlib
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from nanogpt_cli.errors import UsageError


class Parallel:
    """A process that trains alone."""

    rank = 0
    size = 1

    def __init__(self, device: torch.device) -> None:
        self.device = device

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and talks."""
        return self.rank == 0

    def wrap(self, model: nn.Module) -> nn.Module:
        """Return the model as it is called in training."""
        return model

    def no_sync(self, forward: nn.Module) -> AbstractContextManager[object]:
        """Return the context of a backward pass whose gradients are not exchanged yet."""
        return nullcontext()

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

    def micro_steps(self, accumulation: int) -> list[int]:
        """Return this process's share of the micro-batches of a step.

        Raises UsageError where they cannot be shared out evenly.
        """
        if accumulation % self.size:
            near = max(1, round(accumulation / self.size)) * self.size
            raise UsageError(
                f"--gradient-accumulation-steps {accumulation} cannot be shared by "
                f"{self.size} processes",
                f"try --gradient-accumulation-steps {near}",
            )
        return list(range(self.rank, accumulation, self.size))


class DataParallel(Parallel):
    """One of several processes, each with a whole model and a share of every batch."""

    def __init__(self, device: torch.device, rank: int, size: int) -> None:
        super().__init__(device)
        self.rank, self.size = rank, size

    def wrap(self, model: nn.Module) -> nn.Module:
        """Let the backward pass average the gradients over all processes."""
        ids = [self.device.index] if self.device.type == "cuda" else None
        return DistributedDataParallel(model, device_ids=ids)

    def no_sync(self, forward: nn.Module) -> AbstractContextManager[object]:
        """Keep the gradients of a micro-batch that is not the last."""
        assert isinstance(forward, DistributedDataParallel)
        context: AbstractContextManager[object] = forward.no_sync()
        return context

    def sum(self, values: Tensor) -> Tensor:
        """Add up in one collective."""
        dist.all_reduce(values)
        return values

    def least(self, value: int) -> int:
        """Compare in one collective."""
        tensor = torch.tensor(value, device=self.device)
        dist.all_reduce(tensor, op=dist.ReduceOp.MIN)
        return int(tensor)


@contextmanager
def join(backend: str, device: torch.device) -> Iterator[Parallel]:
    """Join the processes that torchrun started; alone where there are none.

    ``device`` without an index is this process's own of that type.
    """
    if "RANK" not in os.environ:
        yield Parallel(device)
        return
    # An optimizer loads this; loaded after the group is made, it would hold on to the group, whose
    # threads would then outlive the interpreter and abort it.
    importlib.import_module("torch._dynamo")
    rank, local_rank, size = (int(os.environ[k]) for k in ("RANK", "LOCAL_RANK", "WORLD_SIZE"))
    if backend == "auto":
        backend = "nccl" if device.type == "cuda" else "gloo"
    if device.type == "cuda":
        device = torch.device("cuda", local_rank)
        torch.cuda.set_device(device)
    dist.init_process_group(backend)
    try:
        yield DataParallel(device, rank, size) if size > 1 else Parallel(device)
    finally:
        dist.destroy_process_group()
