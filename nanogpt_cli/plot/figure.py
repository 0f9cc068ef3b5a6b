"""Loss curves as pictures, drawn by matplotlib: the same curves give the same bytes, offline."""

import io
import re
from collections.abc import Sequence
from typing import Any

from nanogpt_cli.logs.curves import Curve
from nanogpt_cli.plot import scale
from nanogpt_cli.plot.scale import FAINT, INK, PALETTE
from nanogpt_cli.plot.view import PLAIN, Scene, Trace, View, arrange

MAKER = "nanogpt plot-log"
"""What a picture says of its origin, by which it is known again."""

_EXCESS = re.compile(rb"""(?<=\.\d\d)\d+(?=(?: -?\d+\.\d+)? \n|")""")
"""Digits of an .svg's coordinates that no screen shows, a tenth of the file."""
_STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 10.0,
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": "#e3e6ea",
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "ytick.major.size": 0.0,
    "svg.hashsalt": "nanogpt",
}


def png(curves: Sequence[Curve], view: View = PLAIN) -> bytes:
    """Draw a .png."""
    return _render(curves, view, "png", {"Software": MAKER})


def svg(curves: Sequence[Curve], view: View = PLAIN) -> bytes:
    """Draw an .svg."""
    drawn = _render(curves, view, "svg", {"Date": None, "Creator": MAKER})
    return _EXCESS.sub(b"", drawn)


def pdf(curves: Sequence[Curve], view: View = PLAIN) -> bytes:
    """Draw a .pdf."""
    return _render(curves, view, "pdf", {"CreationDate": None, "Creator": MAKER})


def _render(
    curves: Sequence[Curve], view: View, kind: str, metadata: dict[str, str | None]
) -> bytes:
    """Draw with matplotlib, unaffected by the user's settings of it, and without its messages."""
    import logging
    import warnings

    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    from matplotlib import style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    scene = arrange(curves, view, 0.06)
    with style.context(["default", _STYLE]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # characters that DejaVu lacks are drawn as boxes
        figure = Figure(figsize=(8.4, 4.8), layout=ConstrainedLayoutEngine(w_pad=0.18, h_pad=0.15))
        FigureCanvasAgg(figure)
        _draw(figure.add_subplot(), scene)
        file = io.BytesIO()
        figure.savefig(file, format=kind, dpi=160, metadata=metadata)
    return file.getvalue()


def _draw(axes: Any, scene: Scene) -> None:
    """Draw the axes, the curves and a label at the end of each."""
    _draw_axes(axes, scene)
    ends: list[End] = []
    alone = len(scene.traces) == 1
    for index, trace in enumerate(scene.traces):
        _draw_trace(axes, trace, index, limit=max(400 // len(scene.traces), 100))
        ends += _ends(trace, _hue(index), alone, brief=len(scene.traces) > 8)
    _label_ends(axes, ends, scene)


def _draw_axes(axes: Any, scene: Scene) -> None:
    first, last = scene.along
    axes.set_xlim(first - 0.015 * (last - first), last + 0.015 * (last - first))
    axes.set_xlabel(scene.label)
    axes.set_ylabel("loss")
    axes.xaxis.set_major_formatter("{x:,.10g}")
    axes.xaxis.get_major_locator().set_params(integer=scene.label in ("step", "tokens"))
    if scene.log:
        places, labels = scale.log_ticks(*scene.losses, 8)
        axes.set_yscale("log")
        axes.minorticks_off()
        axes.set_yticks([10**place for place in places], labels)
    axes.set_ylim(*(10**loss if scene.log else loss for loss in scene.losses))
    if len(scene.traces) == 1:
        axes.set_title(_short(scene.traces[0].curve.name, 60), loc="left", weight="bold")
    else:
        caption = "validation loss (dots) and training loss (thin)"
        axes.set_title(caption, loc="left", color=FAINT, size=10)
    if scene.above is not None:
        above = f"▲ up to {scene.above:,.4g}, outside this range"
        axes.set_title(above, loc="right", color=FAINT, size=9)


def _draw_trace(axes: Any, trace: Trace, index: int, limit: int) -> None:
    """Draw one run: its training loss raw and smoothed, its validation loss, its best step.

    ``limit`` is how many points of the training loss are drawn.
    """
    hue = _hue(index)
    dash = ("-", "--", ":")[index // len(PALETTE) % 3]
    raw, train = (scale.columns(scale.thin(part, limit)) for part in (trace.raw, trace.train))
    axes.plot(*raw, color=hue, alpha=0.18, linewidth=0.7)
    axes.plot(
        *train, dash, color=hue, alpha=0.55, linewidth=1.2,
        marker="o" if len(trace.train) == 1 else "", markersize=3,
    )  # fmt: skip
    axes.plot(*scale.columns(trace.untrained), "o", color=hue, markersize=4)
    axes.plot(
        *scale.columns(trace.val), dash, color=hue, linewidth=2,
        marker="o", markersize=4, markevery=len(trace.val) // 30 + 1,
    )  # fmt: skip
    axes.plot(
        *scale.columns(trace.best), "o", color="white", mec=hue, mew=2, markersize=7.5, zorder=4
    )
    if trace.overfits_after is not None:
        axes.axvline(trace.overfits_after, color=hue, alpha=0.7, linewidth=1, linestyle=":")
        axes.annotate(
            "overfits from here", (trace.overfits_after, 1), (6, -12 * (index + 1)),
            xycoords=("data", "axes fraction"), textcoords="offset points", color=hue, size=9,
        )  # fmt: skip


End = tuple[str, float, str]
"""A label, the loss beside which it stands, and its colour."""


def _ends(trace: Trace, hue: str, alone: bool, brief: bool) -> list[End]:
    """Return the labels of a run; where it is ``brief``, without its best loss."""
    curve = trace.curve
    best = "\nbest {1:.4f} at step {0:,}".format(*curve.best) if curve.best and not brief else ""
    if not alone:
        last = (trace.val or trace.untrained or trace.train)[-1][1]
        return [(_short(curve.name, 28) + best, last, hue)]
    val = (trace.val or trace.untrained)[-1:]
    ends = [("validation" + best, loss, hue) for _, loss in val]
    return ends + [("training", loss, hue) for _, loss in trace.train[-1:]]


def _label_ends(axes: Any, ends: Sequence[End], scene: Scene) -> None:
    """Write each curve's label where it ends, moved apart where two would touch."""
    low, high = axes.transData.transform([(0, axes.get_ylim()[0]), (0, axes.get_ylim()[1])])[:, 1]
    heights = [(axes.transData.transform((0, loss))[1] - low) / (high - low) for _, loss, _ in ends]
    order = sorted(range(len(ends)), key=heights.__getitem__)
    rows = max(label.count("\n") for label, _, _ in ends) + 1
    gap = min(0.055 * rows, 1 / len(ends))
    places = scale.spread([heights[i] for i in order], gap, gap / 2, 1 - gap / 2)
    for i, place in zip(order, places, strict=True):
        label, _, hue = ends[i]
        lines = label.split("\n")
        for row, line in enumerate(lines):
            axes.annotate(
                line, (1, place), (8, 6 * (len(lines) - 1) - 12 * row), xycoords="axes fraction",
                textcoords="offset points", va="center_baseline", annotation_clip=False, color=hue,
                size=9 if gap > 0.03 else 6,
            )  # fmt: skip


def _hue(index: int) -> str:
    return PALETTE[index % len(PALETTE)]


def _short(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
