"""Loss curves as pictures, drawn by matplotlib: the same curves give the same bytes, offline."""

from collections.abc import Sequence
from typing import Any

from nanogpt_cli.logs.curves import Curve
from nanogpt_cli.plot import scale
from nanogpt_cli.plot.canvas import Kind, render
from nanogpt_cli.plot.labels import End, dash_of, hue_of, label_ends, short
from nanogpt_cli.plot.scale import FAINT
from nanogpt_cli.plot.view import PLAIN, Panel, Scene, Trace, View, arrange

SIZE = (8.4, 4.8)
"""Inches of a picture without panels."""
PANEL = 1.5
"""Inches that each panel adds to the height."""
NARROW, SMALL = 5.5, 7.0
"""Inches of width below which letters have so many points, as in a column of a paper."""


def png(curves: Sequence[Curve], view: View = PLAIN) -> bytes:
    """Draw a .png."""
    return _picture(curves, view, "png")


def svg(curves: Sequence[Curve], view: View = PLAIN) -> bytes:
    """Draw an .svg."""
    return _picture(curves, view, "svg")


def pdf(curves: Sequence[Curve], view: View = PLAIN) -> bytes:
    """Draw a .pdf."""
    return _picture(curves, view, "pdf")


def _picture(curves: Sequence[Curve], view: View, kind: Kind) -> bytes:
    scene = arrange(curves, view, 0.06)
    size = view.size or (SIZE[0], SIZE[1] + PANEL * len(scene.panels))
    font = SMALL if size[0] < NARROW else 10.0
    return render(lambda figure: _draw(figure, scene, view.title, font), kind, size, font)


def _draw(figure: Any, scene: Scene, title: str | None, font: float) -> None:
    """Draw the axes, the curves, a label at the end of each, and the panels below them."""
    heights = [SIZE[1], *(PANEL for _ in scene.panels)]
    axes, *below = figure.subplots(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    _draw_axes(axes, scene, named=title is None, font=font)
    if title is not None:
        figure.suptitle(title, x=0.02, ha="left", weight="bold", size=1.2 * font)
    ends: list[End] = []
    alone = len(scene.traces) == 1
    limit = max(400 // len(scene.traces), 100)
    brief = len(scene.traces) > 8 or (font == SMALL and not alone)
    for index, trace in enumerate(scene.traces):
        _draw_trace(axes, trace, index, limit, font)
        ends += _ends(trace, hue_of(index), alone, brief)
    _mark_onsets(axes, scene, font)
    label_ends(axes, ends, font)
    for under, panel in zip(below, scene.panels, strict=True):
        _draw_panel(under, panel, scene, limit, font)
    for above in [axes, *below][:-1]:
        above.tick_params(labelbottom=False)
    ([axes, *below][-1]).set_xlabel(scene.label)


def _draw_panel(axes: Any, panel: Panel, scene: Scene, limit: int, font: float) -> None:
    """Draw a line for each run."""
    _draw_along(axes, scene)
    axes.set_title(panel.title, loc="left", color=FAINT, size=font)
    axes.set_ylim(*panel.range)
    places, labels = scale.ticks(*panel.range, 3)
    axes.set_yticks(places, labels)
    for index, (raw, line) in enumerate(zip(panel.raw, panel.lines, strict=True)):
        hue = hue_of(index)
        if line != raw:
            axes.plot(*scale.columns(scale.thin(raw, limit)), color=hue, alpha=0.18, linewidth=0.7)
        axes.plot(*scale.columns(scale.thin(line, limit)), dash_of(index), color=hue, linewidth=1.2)


def _draw_along(axes: Any, scene: Scene) -> None:
    first, last = scene.along
    axes.set_xlim(first - 0.015 * (last - first), last + 0.015 * (last - first))
    axes.xaxis.set_major_formatter("{x:,.10g}")
    axes.xaxis.get_major_locator().set_params(integer=scene.label in ("step", "tokens"))


def _draw_axes(axes: Any, scene: Scene, named: bool, font: float) -> None:
    """Draw the axes of the losses; ``named`` ones say the name of a single run."""
    _draw_along(axes, scene)
    axes.set_ylabel("loss")
    if scene.log:
        places, labels = scale.log_ticks(*scene.losses, 8)
        axes.set_yscale("log")
        axes.minorticks_off()
        axes.set_yticks([10**place for place in places], labels)
    axes.set_ylim(*(10**loss if scene.log else loss for loss in scene.losses))
    if len(scene.traces) > 1:
        caption = "validation loss (dots) and training loss (thin)"
        axes.set_title(caption, loc="left", color=FAINT, size=font)
    elif named:
        name = short(scene.traces[0].curve.name, 60 if font > SMALL else 28)
        axes.set_title(name, loc="left", weight="bold", size=1.2 * font)
    if scene.above is not None and font > SMALL:
        above = f"▲ up to {scene.above:,.4g}, outside this range"
        axes.set_title(above, loc="right", color=FAINT, size=0.9 * font)
    elif scene.above is not None:
        axes.annotate(
            f"▲ up to {scene.above:,.4g}", (1, 1), (0, -1.3 * font), xycoords="axes fraction",
            textcoords="offset points", color=FAINT, size=0.9 * font, ha="right",
        )  # fmt: skip


def _draw_trace(axes: Any, trace: Trace, index: int, limit: int, font: float) -> None:
    """Draw one run: its training loss raw and smoothed, its validation loss, its best step.

    ``limit`` is how many points of the training loss are drawn.
    """
    hue, dash = hue_of(index), dash_of(index)
    raw, train = (scale.columns(scale.thin(part, limit)) for part in (trace.raw, trace.train))
    axes.plot(*raw, color=hue, alpha=0.18, linewidth=0.7)
    axes.plot(
        *train, dash, color=hue, alpha=0.55, linewidth=1.2,
        marker="o" if len(trace.train) == 1 else "", markersize=0.3 * font,
    )  # fmt: skip
    axes.plot(*scale.columns(trace.untrained), "o", color=hue, markersize=0.4 * font)
    axes.plot(
        *scale.columns(trace.val), dash, color=hue, linewidth=0.2 * font,
        marker="o", markersize=0.4 * font, markevery=len(trace.val) // 30 + 1,
    )  # fmt: skip
    axes.plot(
        *scale.columns(trace.best), "o", color="white", mec=hue, mew=0.2 * font,
        markersize=0.75 * font, zorder=4,
    )  # fmt: skip


def _mark_onsets(axes: Any, scene: Scene, font: float) -> None:
    """Draw a line where a run begins to overfit, each with its words in a row of their own."""
    row = 1 + (font == SMALL and scene.above is not None)
    words = "overfits" if font == SMALL else "overfits from here"
    for index, trace in enumerate(scene.traces):
        if trace.overfits_after is None:
            continue
        hue = hue_of(index)
        axes.axvline(trace.overfits_after, color=hue, alpha=0.7, linewidth=1, linestyle=":")
        late = trace.overfits_after > sum(scene.along) / 2
        axes.annotate(
            words, (trace.overfits_after, 1), (-6 if late else 6, -1.3 * font * row),
            xycoords=("data", "axes fraction"), textcoords="offset points", color=hue,
            size=0.9 * font, ha="right" if late else "left",
        )  # fmt: skip
        row += 1


def _ends(trace: Trace, hue: str, alone: bool, brief: bool) -> list[End]:
    """Return the labels of a run; where it is ``brief``, without its best loss."""
    curve = trace.curve
    best = "\nbest {1:.4f} at step {0:,}".format(*curve.best) if curve.best and not brief else ""
    if not alone:
        last = (trace.val or trace.untrained or trace.train)[-1][1]
        return [(short(curve.name, 28) + best, last, hue)]
    val = (trace.val or trace.untrained)[-1:]
    ends = [("validation" + best, loss, hue) for _, loss in val]
    return ends + [("training", loss, hue) for _, loss in trace.train[-1:]]
