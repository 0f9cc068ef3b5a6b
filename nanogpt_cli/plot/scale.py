"""What all charts share: colours, the ranges of the axes, round ticks, and thinning."""

import itertools
import math
from collections.abc import Iterable, Sequence

from nanogpt_cli.logs.curves import Curve, Points

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's colours, distinguishable with colour blindness too (jfly.uni-koeln.de/color)."""
TERMINAL_PALETTE = (33, 208, 36, 175, 220, 117)
"""The same in the 256 colours of a terminal, light enough for a dark background."""
INK, FAINT = "#2b2f36", "#7b828c"


def columns(points: Points) -> tuple[list[int], list[float]]:
    """Return the steps and the losses of points."""
    return [step for step, _ in points], [loss for _, loss in points]


def thin(points: Points, limit: int) -> Points:
    """Leave out points evenly where there are more than ``limit``; the last one stays."""
    every = len(points) // limit + 1
    return [*points[:-1:every], *points[-1:]]


def step_range(curves: Sequence[Curve]) -> tuple[int, int]:
    """Return the first and the last step; they differ even for one single point."""
    steps = [step for curve in curves for step, _ in curve.train + curve.val]
    return min(steps), max(max(steps), min(steps) + 1)


def loss_range(curves: Sequence[Curve], pad: float) -> tuple[float, float]:
    """Return the range of the loss axis, with a part ``pad`` of it as room on both sides.

    It covers what is smoothed and what was evaluated; single outlying batches may lie outside.
    """
    losses = [loss for curve in curves for _, loss in curve.smooth_train + curve.val]
    low, high = min(losses), max(losses)
    room = pad * (high - low) or max(abs(high) * 0.1, 0.5)
    return low - room, high + room


def ticks(low: float, high: float, count: int, least: float = 0) -> tuple[list[float], list[str]]:
    """Return about ``count`` round numbers between ``low`` and ``high``, and their labels.

    ``least`` is the smallest gap between two of them.
    """
    raw = max((high - low) / max(count, 2), least)
    power = 10.0 ** math.floor(math.log10(raw))
    gap = next(m * power for m in (1, 2, 5, 10) if m * power >= raw * 0.999)
    decimals = max(0, -math.floor(math.log10(gap * 1.001)))
    places = [n * gap for n in range(math.ceil(low / gap), math.floor(high / gap) + 1)]
    return places, [f"{place:,.{decimals}f}" for place in places]


def spread(places: Iterable[float], gap: float, high: float) -> list[float]:
    """Move rising ``places`` apart until they are ``gap`` from each other, none above ``high``."""
    moved = list(itertools.accumulate(places, lambda a, b: max(b, a + gap)))
    down = max(0.0, moved[-1] - high) if moved else 0.0
    return [place - down for place in moved]
