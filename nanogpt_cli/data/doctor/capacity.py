"""What model a text can carry, and how long its training takes on this machine. No torch.

A matrix product is timed, and training taken to reach a part of its rate: the time is a rough
guess, which ``train --dry-run`` replaces by a measurement.
"""

import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from nanogpt_cli.config import ModelConfig
from nanogpt_cli.sizes import TOKENS_PER_PARAMETER, fitting_sizes, step_flops

_REACHED = 0.35
"""The part of the rate of a matrix product that training reaches on a CPU."""
_SIDE, _TIMES = 384, 5


@dataclass(frozen=True)
class Capacity:
    """The largest model that a text can carry, of those that ``train --time`` chooses from."""

    n_layer: int
    n_embd: int
    parameters: int
    """In the matrices of its blocks."""
    tokens: int
    """What it must see of the text, in all epochs, to be better than a smaller one."""
    seconds: float | None
    """About how long that takes on this CPU; None where there is a GPU, which is not timed."""

    def to_dict(self) -> dict[str, Any]:
        """Return the entry in JSON."""
        return asdict(self)


def capacity(train_tokens: int, vocab_size: int) -> Capacity:
    """Return what so many tokens can carry, and time this machine."""
    size = fitting_sizes(train_tokens)[-1]
    shape = ModelConfig(
        n_layer=size.n_layer, n_head=size.n_head, n_embd=size.n_embd, vocab_size=vocab_size
    )
    tokens = TOKENS_PER_PARAMETER * size.parameters
    seconds = None if _has_gpu() else tokens * step_flops(shape) / (_REACHED * _rate())
    return Capacity(size.n_layer, size.n_embd, size.parameters, tokens, seconds)


def as_budget(seconds: float) -> str:
    """Return a time, rounded up, as it is typed after ``--time``."""
    if seconds < 3600:
        return f"{max(1, math.ceil(seconds / 60))}m"
    return f"{math.ceil(seconds / 3600)}h"


def _rate() -> float:
    """Return the floating-point operations per second of a matrix product on all cores."""
    import numpy as np

    a = np.full((_SIDE, _SIDE), 0.5, np.float32)
    a @ a  # the first one starts threads
    times = []
    for _ in range(_TIMES):
        begin = time.perf_counter()
        a @ a
        times.append(time.perf_counter() - begin)
    return float(2 * _SIDE**3 / max(median(times), 1e-9))


def _has_gpu() -> bool:
    """Whether there is one that training would take; torch, which knows, loads too slowly."""
    import platform

    apple = platform.system() == "Darwin" and platform.machine() == "arm64"
    return apple or Path("/proc/driver/nvidia/version").exists()
