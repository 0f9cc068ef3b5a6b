"""Which of how many processes this is, as torchrun and schedulers say in the environment."""

import os
from dataclasses import dataclass

from nanogpt_cli.errors import UsageError
from nanogpt_cli.text import shortened, whole_number


@dataclass(frozen=True)
class Launch:
    """What the launcher says."""

    rank: int = 0
    size: int = 1
    local_rank: int | None = None
    """Which of the processes on this machine, and so which GPU; None where nothing says so."""
    local_size: int = 1
    """How many processes share this machine's memory."""
    restarts: int = 0
    """How often torchrun has started these processes again."""
    job: str | None = None
    """torchrun's name of the job, the same after a restart."""
    restartable: bool = False
    """Whether torchrun starts these processes again where one fails."""


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
    restarts = _variable("TORCHELASTIC_RESTART_COUNT", default="0")
    restartable = _variable("TORCHELASTIC_MAX_RESTARTS", default="0") > 0
    job = os.environ.get("TORCHELASTIC_RUN_ID")
    return Launch(rank, size, local_rank, local_size, restarts, job, restartable)


def _variable(name: str, *, least: int = 0, most: int = 2**20, default: str | None = None) -> int:
    text = _text(name, default)
    value = whole_number(text, most)
    if value is None or value < least:
        raise UsageError(f"{name}={shortened(text)} is not a number from {least} to {most}", START)
    return value


def _text(name: str, default: str | None = None) -> str:
    text = os.environ.get(name, default)
    if not text:
        raise UsageError(f"RANK={shortened(os.environ['RANK'])} is set, and {name} is not", START)
    return text


START = (
    "start with `nanogpt train --devices N`, or with `torchrun --standalone --no-python "
    "--nproc-per-node N nanogpt train ...`, or unset RANK to train in one process"
)
