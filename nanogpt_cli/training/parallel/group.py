"""Where the processes meet, and what is said when one of them is lost."""

import importlib
import itertools
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

import torch
import torch.distributed as dist
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from nanogpt_cli.config import Backend, Strategy
from nanogpt_cli.errors import (
    DivergedError,
    LostContactError,
    MachineError,
    NanoGPTError,
    UsageError,
)
from nanogpt_cli.text import duration, shortened
from nanogpt_cli.training.parallel.launch import START, Launch, launched
from nanogpt_cli.training.parallel.single import Parallel

MEETING = timedelta(minutes=5)
"""How long the processes wait for each other to start."""
STEP = timedelta(minutes=10)
"""How long they wait within a step, before the network is taken to be down."""


_JOINED = itertools.count()
"""How often this process has met the others before; the same number in all of them."""


@contextmanager
def join(backend: Backend, device: torch.device, strategy: Strategy = "ddp") -> Iterator[Parallel]:
    """Join the processes that were launched together; alone where there are none.

    ``device`` without an index is this process's own of that type. Raises UsageError for an
    environment or a backend that cannot be, MachineError where the others cannot be reached, and
    LostContactError where one of them is gone later on.
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
        yield _member(launch, device, strategy)
    except NanoGPTError as error:
        if launch.rank and not isinstance(error, LostContactError):
            error.message = f"process {launch.rank} of {launch.size}: {error.message}"
            error.shown &= not isinstance(error, UsageError | DivergedError)  # which all raise
        raise
    except RuntimeError as error:
        if not _is_lost_contact(error):
            raise
        raise _lost_contact(launch, error) from error
    finally:
        with suppress(RuntimeError):  # where the others are gone already
            dist.destroy_process_group()


def _member(launch: Launch, device: torch.device, strategy: Strategy) -> Parallel:
    from nanogpt_cli.training.parallel.replicated import PATIENCE, DataParallel
    from nanogpt_cli.training.parallel.sharded import ShardedParallel

    kind = ShardedParallel if strategy == "fsdp" else DataParallel
    parallel = kind(device, launch.rank, launch.size)
    parallel.patient = dist.new_group(backend="gloo", timeout=PATIENCE)
    return parallel


def _own_gpu(local_rank: int) -> torch.device:
    """Take the GPU of this process. Raises UsageError where there are fewer."""
    count = torch.cuda.device_count()
    if local_rank >= count:
        raise UsageError(
            f"LOCAL_RANK={local_rank}: this machine has {count} GPUs, counted from 0",
            f"start at most {count} processes here (--devices or --nproc-per-node {count})",
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
        raise UsageError(f"MASTER_ADDR={shortened(host)} is not a known host", START) from error
    try:
        store, rank, size = next(rendezvous("env://", timeout=MEETING))
        store.set_timeout(MEETING)
        # the launcher keeps its store, with the addresses of processes that have ended
        store = PrefixStore(f"{launched().restarts}.{next(_JOINED)}", store)
        dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=STEP)
    except (RuntimeError, ValueError) as error:
        reason = shortened((str(error).strip() or type(error).__name__).splitlines()[0], 200)
        raise MachineError(
            f"the processes cannot meet at {host}:{port}: {reason}",
            "see that all of them were started, that the port is free, and that every node "
            f"reaches that address (nc -vz {shortened(host)} {port})",
        ) from error


def _is_lost_contact(error: BaseException) -> bool:
    """Whether this is how a collective fails when another process or the network is gone."""
    text = str(error)
    return isinstance(error, dist.DistError) or any(
        said in text for said in ("gloo/transport", "Connection closed by peer", "Timed out wait")
    )


def _lost_contact(launch: Launch, error: BaseException) -> LostContactError:
    who = f"process {launch.rank} of {launch.size}"
    if "imed out" in str(error) or "imeout" in str(error):
        return LostContactError(
            f"{who} has waited {duration(STEP.total_seconds())} for the others in vain",
            "see that every node is up and reachable (GLOO_SOCKET_IFNAME or NCCL_SOCKET_IFNAME "
            "names the network between them); then continue: --init-from resume",
            shown=launch.rank == 0,
        )
    return LostContactError(
        f"{who} has lost the connection to another one",
        "what that one said stands above, or in the report of its launcher; continue with "
        "--init-from resume, or have that done by --max-restarts",
        shown=launch.rank == 0,
    )
