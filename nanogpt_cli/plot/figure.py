"""Loss curves as pictures, drawn by matplotlib: the same curves give the same bytes, offline."""

import io
from collections.abc import Iterable, Sequence
from typing import Any

from nanogpt_cli.logs.curves import Curve
from nanogpt_cli.plot import scale
from nanogpt_cli.plot.scale import FAINT, INK, PALETTE

MAKER = "nanogpt plot-log"
"""What a picture says of its origin, by which it is known again."""

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


def png(curves: Sequence[Curve]) -> bytes:
    """Draw a .png."""
    return _render(curves, "png", {"Software": MAKER})


def svg(curves: Sequence[Curve]) -> bytes:
    """Draw an .svg."""
    return _render(curves, "svg", {"Date": None, "Creator": MAKER})


def _render(curves: Sequence[Curve], kind: str, metadata: dict[str, Any]) -> bytes:
    """Draw with matplotlib, unaffected by the user's settings of it, and without its messages."""
    import logging
    import warnings

    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    from matplotlib import style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with style.context(["default", _STYLE]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # characters that DejaVu lacks are drawn as boxes
        figure = Figure(figsize=(8.4, 4.8), layout="constrained")
        FigureCanvasAgg(figure)
        _draw(figure.add_subplot(), curves)
        file = io.BytesIO()
        figure.savefig(file, format=kind, dpi=160, metadata=metadata)
    return file.getvalue()


def _draw(axes: Any, curves: Sequence[Curve]) -> None:
    """Draw the axes, the curves and a label at the end of each."""
    low, high = scale.loss_range(curves, 0.06)
    _draw_axes(axes, curves, (low, high))
    ends: list[tuple[str, float, str]] = []
    for index, curve in enumerate(curves):
        _draw_curve(axes, curve, index, high)
        ends += _ends(curve, PALETTE[index % len(PALETTE)], alone=len(curves) == 1)
    _label_ends(axes, ends, high, gap=(high - low) * min(0.1, 1 / len(ends)))


def _draw_axes(axes: Any, curves: Sequence[Curve], losses: tuple[float, float]) -> None:
    axes.set_ylim(*losses)
    first, last = scale.step_range(curves)
    axes.set_xlim(first - 0.015 * (last - first), last + 0.015 * (last - first))
    axes.set_xlabel("step")
    axes.set_ylabel("loss")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.xaxis.get_major_locator().set_params(integer=True)
    if len(curves) == 1:
        axes.set_title(_short(curves[0].name, 60), loc="left", weight="bold")
    else:
        caption = "validation loss (dots) and training loss (thin)"
        axes.set_title(caption, loc="left", color=FAINT, size=10)


def _draw_curve(axes: Any, curve: Curve, index: int, high: float) -> None:
    """Draw one run: its training loss raw and smoothed, its validation loss, its best step."""
    hue = PALETTE[index % len(PALETTE)]
    dash = ("-", "--", ":")[index // len(PALETTE) % 3]
    train, val = scale.thin(curve.smooth_train, 4000), curve.val
    raw = scale.columns(scale.thin(curve.train, 4000))
    axes.plot(*raw, color=hue, alpha=0.18, linewidth=0.7)
    axes.plot(
        *scale.columns(train), dash, color=hue, alpha=0.55, linewidth=1.2,
        marker="o" if len(train) == 1 else "", markersize=3,
    )  # fmt: skip
    axes.plot(
        *scale.columns(val), dash, color=hue, linewidth=2,
        marker="o", markersize=4, markevery=len(val) // 40 + 1,
    )  # fmt: skip
    if curve.best:
        axes.plot(*curve.best, "o", color="white", mec=hue, mew=2, markersize=7.5, zorder=4)
    if curve.overfits_after is not None:
        axes.axvline(curve.overfits_after, color=hue, alpha=0.7, linewidth=1, linestyle=":")
        axes.annotate(
            "overfits from here", (curve.overfits_after, high), (6, -12 * (index + 1)),
            textcoords="offset points", color=hue, size=9,
        )  # fmt: skip


def _ends(curve: Curve, hue: str, *, alone: bool) -> list[tuple[str, float, str]]:
    """Return the labels of a run as (text, loss beside which it stands, colour)."""
    best = "\nbest {1:.4f} at {0:,}".format(*curve.best) if curve.best else ""
    if not alone:
        last = (curve.val or curve.smooth_train)[-1][1]
        return [(_short(curve.name, 28) + best, last, hue)]
    ends = [("validation" + best, curve.val[-1][1], hue)] if curve.val else []
    return ends + ([("training", curve.smooth_train[-1][1], hue)] if curve.train else [])


def _label_ends(axes: Any, ends: Iterable[tuple[str, float, str]], high: float, gap: float) -> None:
    """Write each curve's label where it ends, moved apart where two would touch."""
    ends = sorted(ends, key=lambda end: end[1])
    places = scale.spread((loss for _, loss, _ in ends), gap, high)
    for (label, _, hue), place in zip(ends, places, strict=True):
        axes.annotate(
            label, (1, place), (8, 0), xycoords=("axes fraction", "data"), color=hue,
            textcoords="offset points", va="center", annotation_clip=False, size=9,
            linespacing=1.3,
        )  # fmt: skip


def _short(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
