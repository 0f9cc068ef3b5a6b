"""What a chart shows of runs: their curves along an axis, and which losses it has room for.

Does not know how it is drawn.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from nanogpt_cli.errors import DataError
from nanogpt_cli.logs.curves import Curve, Points, smooth_points

Axis = Literal["step", "tokens", "time"]
Place = tuple[float, float]
"""A point of a chart: how far along its axis, and the loss."""
Places = list[Place]

EARLY = 0.05
"""The part of a run, from its start, whose losses need not be in the range."""
ENOUGH = 3
"""Evaluations that show how a run went, without its training loss."""
_UNITS: dict[Axis, Sequence[tuple[float, str]]] = {
    "step": [(1, "step")],
    "tokens": [(1, "tokens"), (1e6, "million tokens"), (1e9, "billion tokens")],
    "time": [(1, "seconds of training"), (60, "minutes of training"), (3600, "hours of training")],
}


@dataclass(frozen=True)
class View:
    """How a user wants to see curves."""

    x: Axis = "step"
    """What they are drawn along."""
    log: bool = False
    """Whether losses have a logarithmic scale."""
    full: bool = False
    """Whether the range has all losses, those of the first steps too."""
    smooth: int | None = None
    """How many neighbours a training loss is averaged over; None is a part of the run."""
    panels: tuple[str, ...] = ()
    """What is drawn below the losses, of ``logs.curves.PANELS``."""
    title: str | None = None
    size: tuple[float, float] | None = None
    """Width and height of a picture in inches."""


PLAIN = View()

PANEL_TITLES = {"lr": "learning rate", "grad_norm": "gradient norm", "speed": "tokens/s"}


@dataclass(frozen=True)
class Trace:
    """What is drawn of a run."""

    curve: Curve
    raw: Places
    train: Places
    """Smoothed."""
    val: Places
    untrained: Places
    """The validation loss before training, apart: a line from it contradicts the training loss."""
    best: Places
    """The lowest validation loss, or nothing."""
    overfits_after: float | None

    @property
    def lines(self) -> Places:
        """All that has to be seen."""
        return self.train + self.untrained + self.val


@dataclass(frozen=True)
class Panel:
    """What is drawn below the losses, along the same axis."""

    title: str
    raw: list[Places]
    """One for each run, some of them empty."""
    lines: list[Places]
    """The same without noise; peaks count as the highest value of the others."""
    range: tuple[float, float]


@dataclass(frozen=True)
class Scene:
    """What is drawn of all runs."""

    traces: list[Trace]
    label: str
    """What the axis along which they run counts."""
    along: tuple[float, float]
    losses: tuple[float, float]
    """The range that is shown, or with ``log`` the logarithms of its ends."""
    log: bool
    above: float | None
    """The highest loss, where it is outside the range."""
    panels: list[Panel]


def arrange(curves: Sequence[Curve], view: View, pad: float, sparse: bool = False) -> Scene:
    """Choose what is drawn, with a part ``pad`` of the losses' range as room on both sides.

    A ``sparse`` one of several runs leaves out the training loss of those with enough evaluations.
    Raises DataError where a run's log has no tokens or times, a logarithm no losses above zero, or
    no log what a panel shows.
    """
    unit, label = _unit(curves, view.x)
    traces = [_trace(curve, view, unit) for curve in curves]
    if sparse and len(traces) > 1:
        traces = [_without_training(t) if len(t.val) >= ENOUGH else t for t in traces]
    scale = math.log10 if view.log else float
    low, high, top = _range(traces, scale, view.full)
    span = scale(high) - scale(low)
    room = pad * span if span else (0.1 if view.log else max(abs(high) * 0.1, 0.5))
    x = [x for trace in traces for x, _ in trace.lines]
    return Scene(
        traces,
        label,
        (min(x), max(x) if max(x) > min(x) else min(x) + 1),
        (scale(low) - room, scale(high) + room),
        view.log,
        above=top if scale(top) > scale(high) + room else None,
        panels=[_panel(name, curves, view, unit) for name in view.panels],
    )


def visible(points: Places, low: float, high: float) -> list[Places]:
    """Cut a line where it leaves the range of losses; each piece is inside."""
    pieces: list[Places] = [[]]
    for before, here in itertools.pairwise([*points[:1], *points]):
        edges = [
            (before[0] + (here[0] - before[0]) * part, edge)
            for edge in (low, high)
            if (before[1] - edge) * (here[1] - edge) < 0
            for part in [(edge - before[1]) / (here[1] - before[1])]
        ]
        pieces[-1] += sorted(edges)
        if low <= here[1] <= high:
            pieces[-1].append(here)
        elif pieces[-1]:
            pieces.append([])
    return [piece for piece in pieces if piece]


def _unit(curves: Sequence[Curve], x: Axis) -> tuple[float, str]:
    """Return the unit in which the axis has numbers that are easily read, and its name."""
    last = max(max(curve.positions.get(x, {}).values(), default=0) for curve in curves)
    return [unit for unit in _UNITS[x] if unit[0] == 1 or last >= 2 * unit[0]][-1]


def _trace(curve: Curve, view: View, unit: float) -> Trace:
    def place(points: Points) -> Places:
        found = _places(curve, points, view, unit)
        return [point for point in found if point[1] > 0 or not view.log]

    train = curve.smooth_train if view.smooth is None else smooth_points(curve.train, view.smooth)
    first = int(falls_unseen(curve))
    after = place([(curve.overfits_after, 1)]) if curve.overfits_after is not None else []
    trace = Trace(
        curve,
        raw=place(curve.train),
        train=place(train),
        val=place(curve.val[first:]),
        untrained=place(curve.val[:first]),
        best=place([curve.best] if curve.best else []),
        overfits_after=after[0][0] if after else None,
    )
    if trace.lines:
        return trace
    if view.x != "step" and not curve.positions.get(view.x):
        raise DataError(f"the log of {curve.name} has no {view.x}", "draw it with --x step")
    raise DataError(f"{curve.name} has no losses above zero", "draw it without --log")


def _places(curve: Curve, points: Points, view: View, unit: float) -> Places:
    """Return where points of a run are along the axis; those that the log does not place are not.

    ``unit`` is that of the axis.
    """
    if view.x == "step":
        return [(float(step), value) for step, value in points]
    positions = curve.positions.get(view.x, {})
    return [(positions[step] / unit, value) for step, value in points if step in positions]


def _panel(name: str, curves: Sequence[Curve], view: View, unit: float) -> Panel:
    """Arrange a panel, whose range leaves out the highest fiftieth where that is far above."""
    raw = [curve.panels.get(name, []) for curve in curves]
    values = sorted(value for points in raw for _, value in points)
    if not values:
        logs = (
            f"the log of {curves[0].name} has no" if len(curves) == 1 else "none of the logs has a"
        )
        raise DataError(f"{logs} {PANEL_TITLES[name]}", f"leave {name} out of --panels")
    high = values[math.ceil(len(values) * 0.98) - 1]
    even = [[(step, min(value, high)) for step, value in points] for points in raw]
    lines = raw if name == "lr" else [smooth_points(points, view.smooth) for points in even]
    top = values[-1] if values[-1] <= 2 * high else 1.3 * high
    return Panel(
        PANEL_TITLES[name],
        [_places(curve, points, view, unit) for curve, points in zip(curves, raw, strict=True)],
        [_places(curve, points, view, unit) for curve, points in zip(curves, lines, strict=True)],
        (min(0.0, values[0]), 1.08 * top or 1.0),
    )


def _without_training(trace: Trace) -> Trace:
    """Leave the training loss out, so that nothing contradicts a line from the first evaluation."""
    return replace(trace, train=[], val=trace.untrained + trace.val, untrained=[])


def falls_unseen(curve: Curve) -> bool:
    """Whether the training loss is known between the validation loss at step 0 and the next."""
    steps = [step for step, _ in curve.val[:2]]
    return steps[:1] == [0] and any(0 < step < steps[-1] for step, _ in curve.train)


def _range(
    traces: Iterable[Trace], scale: Callable[[float], float], full: bool
) -> tuple[float, float, float]:
    """Return the lowest and the highest loss of the range, and the highest of all.

    The first steps, which fall from the loss of an untrained model, are left out where they would
    take more than half of the height, and so are the highest fiftieth of the training losses.
    """
    losses, later, count = [], [], 0
    for trace in traces:
        losses += [loss for _, loss in trace.lines]
        x = [x for x, _ in trace.lines]
        start = (1 - EARLY) * min(x) + EARLY * max(x)
        train, val = ([loss for x, loss in part if x > start] for part in (trace.train, trace.val))
        later += val + sorted(train)[: math.ceil(len(train) * 0.98)][-1:]
        count += len(train) + len(val)
    low, top = min(losses), max(losses)
    high = max(later, default=top)
    pays = scale(top) - scale(low) > 2 * (scale(high) - scale(low))
    return low, high if pays and count >= 5 and not full else top, top
