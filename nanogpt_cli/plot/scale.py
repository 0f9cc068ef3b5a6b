"""What all charts share: colours, round ticks, thinning, and labels kept apart."""

import math
from collections.abc import Sequence

from nanogpt_cli.plot.view import Places

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's colours, distinguishable with colour blindness too (jfly.uni-koeln.de/color)."""
DARK_PALETTE = ("#4aa8e0", "#f0803c", "#2fc798", "#e29bc4", "#f2bd42", "#a9d8f5")
"""The same for a page with a dark ground."""
TERMINAL_PALETTE = (33, 166, 29, 169, 136, 244)
"""Like them in the 256 colours of a terminal: a contrast of 3 or more to black and to white."""
INK, FAINT = "#2b2f36", "#7b828c"


Ticks = tuple[list[float], list[str]]
"""Places along an axis, and their labels."""


def columns(points: Places) -> tuple[list[float], list[float]]:
    """Return where points are along the axis, and their losses."""
    return [x for x, _ in points], [loss for _, loss in points]


def thin(points: Places, limit: int) -> Places:
    """Leave out points evenly where there are more than ``limit``; the last one stays."""
    every = len(points) // limit + 1
    return [*points[:-1:every], *points[-1:]]


def ticks(low: float, high: float, count: int, least: float = 0) -> Ticks:
    """Return about ``count`` round numbers between ``low`` and ``high``, and their labels.

    ``least`` is the smallest gap between two of them.
    """
    raw = max((high - low) / max(count, 2), least)
    power = 10.0 ** math.floor(math.log10(raw))
    gap = next(m * power for m in (1, 2, 5, 10) if m * power >= raw * 0.999)
    decimals = max(0, -math.floor(math.log10(gap * 1.001)))
    places = [n * gap for n in range(math.ceil(low / gap), math.floor(high / gap) + 1)]
    return places, [f"{place:,.{decimals}f}" if place else "0" for place in places]


def log_ticks(low: float, high: float, count: int) -> Ticks:
    """Return about ``count`` round numbers on a logarithmic axis, and their labels.

    The axis reaches from ``low`` to ``high``, and a tick's place is the logarithm of its number.
    """
    if high - low < 1:
        numbers, labels = ticks(10**low, 10**high, count)
    else:
        every = math.ceil((high - low) / max(count, 2))
        powers = range(math.floor(low), math.ceil(high) + 1, every)
        mantissas = (1, 2, 5) if 3 * (high - low) <= 1.5 * count else (1,)
        numbers = [m * 10.0**power for power in powers for m in mantissas]
        labels = [f"{number:g}" for number in numbers]
    found = [
        (math.log10(number), label)
        for number, label in zip(numbers, labels, strict=True)
        if number > 0 and low <= math.log10(number) <= high
    ]
    return [place for place, _ in found], [label for _, label in found]


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move rising ``places`` apart until they are ``gap`` from each other.

    Those that would touch are centred around where they were, between ``low`` and ``high`` as far
    as there is room.
    """
    groups: list[list[float]] = []
    for place in places:
        groups.append([place])
        while len(groups) > 1 and _first(groups[-1], gap, low, high) < gap * len(
            groups[-2]
        ) + _first(groups[-2], gap, low, high):
            groups[-2:] = [groups[-2] + groups[-1]]
    return [_first(group, gap, low, high) + gap * i for group in groups for i in range(len(group))]


def _first(group: Sequence[float], gap: float, low: float, high: float) -> float:
    """Return where the lowest of a group belongs."""
    width = gap * (len(group) - 1)
    return max(low, min(sum(group) / len(group) - width / 2, high - width))
