"""One process or many: what the launcher says, and what the processes exchange.

Every process runs the same lines. ``Parallel`` is a single process; ``DataParallel`` one of many,
each with a whole model, that average their gradients (torch's DistributedDataParallel).
"""

import importlib
import os
import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from nanogpt_cli.config import Backend
from nanogpt_cli.errors import MachineError, UsageError
from nanogpt_cli.text import shortened, whole_number


@dataclass(frozen=True)
class Launch:
    """Which of how many processes this is, as torchrun and schedulers say in the environment."""

    rank: int = 0
    size: int = 1
    local_rank: int | None = None
    """Which of the processes on this machine, and so which GPU; None where nothing says so."""
    local_size: int = 1
    """How many processes share this machine's memory."""


def launched() -> Launch:
    """Return what the environment says; without RANK this process is alone.

    Raises UsageError naming the variable that is missing or cannot be.
    """
    if not os.environ.get("RANK"):
        return Launch()
    size = _variable("WORLD_SIZE", least=1)
    rank = _variable("RANK", most=size - 1)
    local_size = _variable("LOCAL_WORLD_SIZE", least=1, most=size, default="1")
    local_rank = _variable("LOCAL_RANK", most=size - 1)
    if size > 1:
        _variable("MASTER_PORT", least=1, most=65535)
        _text("MASTER_ADDR")
    return Launch(rank, size, local_rank, local_size)


def _variable(name: str, *, least: int = 0, most: int = 2**20, default: str | None = None) -> int:
    text = _text(name, default)
    value = whole_number(text, most)
    if value is None or value < least:
        raise UsageError(f"{name}={shortened(text)} is not a number from {least} to {most}", _START)
    return value


def _text(name: str, default: str | None = None) -> str:
    text = os.environ.get(name, default)
    if not text:
        raise UsageError(f"RANK={shortened(os.environ['RANK'])} is set, and {name} is not", _START)
    return text


_START = (
    "start with `torchrun --standalone --no-python --nproc-per-node N nanogpt train ...`, or unset "
    "RANK to train in one process"
)


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
def join(backend: Backend, device: torch.device) -> Iterator[Parallel]:
    """Join the processes that were launched together; alone where there are none.

    ``device`` without an index is this process's own of that type. Raises UsageError for an
    environment or a backend that cannot be, and MachineError where the others cannot be reached.
    """
    launch = launched()
    if device.type == "cuda" and launch.local_rank is not None:
        device = _own_gpu(launch.local_rank)
    if launch.size == 1:
        yield Parallel(device)
        return
    # An optimizer loads this; loaded after the group is made, it would hold on to the group, whose
    # threads would then outlive the interpreter and abort it.
    importlib.import_module("torch._dynamo")
    if backend == "nccl" and device.type != "cuda":
        raise UsageError(f"--backend nccl needs cuda, not {device.type}", "use --backend gloo")
    _make_group(backend if backend != "auto" else "nccl" if device.type == "cuda" else "gloo")
    try:
        yield DataParallel(device, launch.rank, launch.size)
    finally:
        dist.destroy_process_group()


def _own_gpu(local_rank: int) -> torch.device:
    """Take the GPU of this process. Raises UsageError where there are fewer."""
    count = torch.cuda.device_count()
    if local_rank >= count:
        raise UsageError(
            f"LOCAL_RANK={local_rank}: this machine has {count} GPUs, counted from 0",
            f"start at most {count} processes here (--nproc-per-node {count})",
        )
    device = torch.device("cuda", local_rank)
    torch.cuda.set_device(device)
    return device


def _make_group(backend: str) -> None:
    """Meet the other processes at MASTER_ADDR and MASTER_PORT. Raises UsageError, MachineError."""
    host, port = os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"]
    try:
        socket.getaddrinfo(host, port)
    except (OSError, UnicodeError) as error:
        raise UsageError(f"MASTER_ADDR={shortened(host)} is not a known host", _START) from error
    try:
        dist.init_process_group(backend)
    except (RuntimeError, ValueError) as error:
        reason = shortened((str(error).strip() or type(error).__name__).splitlines()[0], 200)
        raise MachineError(
            f"the processes cannot meet at {host}:{port}: {reason}",
            "see that all of them were started, and that the port is free",
        ) from error
