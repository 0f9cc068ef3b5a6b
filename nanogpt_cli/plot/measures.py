"""What was measured of models, as a picture: values with their intervals, and losses by position.

Does not know how anything was measured.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nanogpt_cli.plot import scale
from nanogpt_cli.plot.canvas import Kind, render
from nanogpt_cli.plot.labels import dash_of, hue_of, label_ends, short
from nanogpt_cli.plot.scale import FAINT
from nanogpt_cli.plot.view import Places

WIDTH = 8.4
"""Inches of a picture."""
FONT = 9.0
IN_A_ROW = 3
"""Measures beside each other."""


@dataclass(frozen=True)
class Estimate:
    """A number with its interval, where that is known."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Measure:
    """One number of several models."""

    title: str
    estimates: Sequence[Estimate | None]
    """One for each name; None where it does not apply."""


@dataclass(frozen=True)
class Line:
    """A loss along the positions of a text."""

    index: int
    """The number of its model."""
    points: Places
    """Positions from 1 and nats per token."""
    beyond: bool = False
    """Whether it is of windows longer than those of training, and dashed."""


@dataclass(frozen=True)
class Measures:
    """What a picture shows."""

    names: Sequence[str]
    measures: Sequence[Measure] = ()
    lines: Sequence[Line] = ()
    blocks: Sequence[int] = ()
    """Where the windows of training end."""
    title: str | None = None
    models: int | None = None
    """How many of the names are models, the first ones; the others are grey."""


def draw_measures(found: Measures, kind: Kind) -> bytes:
    """Return the picture. There must be something in it."""
    rows = -(-len(found.measures) // IN_A_ROW)
    heights = [0.8 + 0.3 * len(found.names)] * rows + [3.4] * bool(found.lines)
    size = (WIDTH, sum(heights) + (0.4 if found.title else 0.1))
    return render(lambda figure: _draw(figure, found, heights), kind, size, FONT)


def _draw(figure: Any, found: Measures, heights: Sequence[float]) -> None:
    if found.title:
        figure.suptitle(found.title, x=0.02, ha="left", weight="bold", size=1.2 * FONT)
    columns = min(IN_A_ROW, max(len(found.measures), 1))
    grid = figure.add_gridspec(len(heights), columns, height_ratios=heights)
    for number, measure in enumerate(found.measures):
        row, column = divmod(number, columns)
        _draw_measure(figure.add_subplot(grid[row, column]), measure, found, named=column == 0)
    if found.lines:
        _draw_lines(figure.add_subplot(grid[-1, :]), found)


def _draw_measure(axes: Any, measure: Measure, found: Measures, named: bool) -> None:
    """Draw a dot and its interval in a row for each model, the first at the top."""
    axes.set_title(measure.title, loc="left", size=FONT)
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x")
    rows = range(len(found.names))
    axes.set_ylim(len(rows) - 0.4, -0.75)
    names = [short(name, 24) for name in found.names] if named else [""] * len(rows)
    axes.set_yticks(rows, names)
    for row, (label, estimate) in enumerate(
        zip(axes.get_yticklabels(), measure.estimates, strict=True)
    ):
        hue = _hue(row, found)
        label.set_color(hue)
        if estimate is None:
            axes.annotate("–", (0.5, row), xycoords=("axes fraction", "data"), color=FAINT)
            continue
        if estimate.low is not None and estimate.high is not None:
            axes.plot((estimate.low, estimate.high), (row, row), color=hue, linewidth=2, alpha=0.55)
        axes.plot(estimate.value, row, "o", color=hue, markersize=5.5)
        axes.annotate(
            f"{estimate.value:.4g}", (estimate.value, row), (0, 5), textcoords="offset points",
            ha="center", size=0.8 * FONT, color=hue,
        )  # fmt: skip
    axes.margins(x=0.18)
    axes.locator_params(axis="x", nbins=4)


def _draw_lines(axes: Any, found: Measures) -> None:
    """Draw losses along positions that double, with a mark where training's windows end."""
    axes.set_xscale("log", base=2)
    axes.minorticks_off()
    axes.set_xlabel("position in the window, in tokens")
    axes.set_ylabel("loss")
    last = max(x for line in found.lines for x, _ in line.points)
    ticks = [2**n for n in range(0, int(last).bit_length() + 1, 2)]
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    for line in found.lines:
        style = "--" if line.beyond else dash_of(line.index)
        hue = _hue(line.index, found)
        axes.plot(*scale.columns(line.points), style, color=hue, linewidth=1.6, marker="o", ms=3)
    for block in sorted(set(found.blocks)):
        axes.axvline(block, color=FAINT, linewidth=1, linestyle=":")
    caption = "loss by position; dotted: the block of training"
    if any(line.beyond for line in found.lines):
        caption += "; dashed: longer windows"
    axes.set_title(caption, loc="left", color=FAINT, size=FONT)
    ends = {line.index: line.points[-1][1] for line in found.lines}
    labels = [(short(found.names[i], 24), loss, _hue(i, found)) for i, loss in ends.items()]
    label_ends(axes, labels, FONT)


def _hue(index: int, found: Measures) -> str:
    is_model = found.models is None or index < found.models
    return hue_of(index) if is_model else FAINT
