"""One process or many: what torchrun says, and the few words the processes exchange."""

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist

from nanogpt_cli.errors import UsageError


@dataclass(frozen=True)
class World:
    """Which of the run's processes this one is."""

    rank: int = 0
    local_rank: int = 0
    size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this process evaluates, writes and talks."""
        return self.rank == 0

    def agree(self, code: int, device: torch.device) -> int:
        """Give the largest ``code`` that any process has, so that all stop at the same step."""
        if self.size == 1:
            return code
        tensor = torch.tensor(code, device=device)
        dist.all_reduce(tensor, op=dist.ReduceOp.MAX)
        return int(tensor)

    def from_main(self, value: float, device: torch.device) -> float:
        """Give the main process's ``value`` to all, where clocks would differ."""
        if self.size == 1:
            return value
        tensor = torch.tensor(value, dtype=torch.float32, device=device)
        dist.broadcast(tensor, 0)
        return float(tensor)

    def micro_steps(self, accumulation: int) -> list[int]:
        """Give this process's share of the micro-batches of a step.

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


@contextmanager
def join_world(backend: str, device: torch.device) -> Iterator[World]:
    """Join the processes that torchrun started; alone where there are none."""
    if "RANK" not in os.environ:
        yield World()
        return
    # An optimizer loads this; loaded after the group is made, it would hold on to the group, whose
    # threads would then outlive the interpreter and abort it.
    importlib.import_module("torch._dynamo")
    world = World(*(int(os.environ[k]) for k in ("RANK", "LOCAL_RANK", "WORLD_SIZE")))
    if backend == "auto":
        backend = "nccl" if device.type == "cuda" else "gloo"
    if device.type == "cuda":
        torch.cuda.set_device(world.local_rank)
    dist.init_process_group(backend)
    try:
        yield world
    finally:
        dist.destroy_process_group()
