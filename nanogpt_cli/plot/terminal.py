"""Loss curves drawn with characters."""

import math
from collections.abc import Sequence
from typing import Any

from nanogpt_cli.logs.curves import Curve
from nanogpt_cli.plot import scale
from nanogpt_cli.plot.view import PLAIN, Places, Scene, View, arrange, visible

_ASCII = str.maketrans("│┤├─┬┴┼└┘┌┐▲", "|++-+++++++^")


def chart(
    curves: Sequence[Curve],
    width: int,
    height: int,
    *,
    color: bool,
    unicode: bool,
    view: View = PLAIN,
) -> str:
    """Draw curves in ``width`` by ``height`` characters, with one line of legend each below.

    The training loss is faint and smoothed; of several runs it is left out where there are enough
    evaluations. The validation loss has the run's colour, or its letter where several runs cannot
    be told apart by colour, and a mark at its best step.
    """
    scene = arrange(curves, view, 0.04, sparse=True)
    fine = unicode and (color or len(curves) == 1)
    faint = "braille" if unicode and color else "·" if unicode else "."
    best = "●" if unicode else "*"
    symbols = ["braille" if fine else chr(ord("A") + i % 26) for i in range(len(curves))]
    palette = scale.TERMINAL_PALETTE
    hues = [palette[i % len(palette)] for i in range(len(curves))]
    layers: list[tuple[Places, str, Any]] = []
    for trace, hue in zip(scene.traces, hues, strict=True):
        layers.append((trace.train, faint, (hue, None, "dim")))
    for trace, symbol, hue in zip(scene.traces, symbols, hues, strict=True):
        layers += [(trace.untrained, symbol, hue), (trace.val, symbol, hue)]
    for trace, hue in zip(scene.traces, hues, strict=True):
        layers.append((trace.best, best, hue))

    body = _body(scene, width, height - len(curves) - 1, layers, color=color)
    rows = [_heading(scene, "faint" if color else "dotted", width), *body.splitlines()]
    for symbol, hue, text in zip(symbols, hues, _legend(curves, best, width - 3), strict=True):
        swatch = "━━" if fine else symbol
        rows.append(f"\x1b[38;5;{hue}m{swatch}\x1b[0m {text}" if color else f"{swatch} {text}")
    drawn = "".join(f"{row.rstrip()}\n" for row in rows)
    return drawn if unicode else drawn.translate(_ASCII).encode("ascii", "replace").decode()


def _heading(scene: Scene, faint: str, width: int) -> str:
    """Return what the curves are, and how high they reach above the chart."""
    evaluated = any(trace.val or trace.untrained for trace in scene.traces)
    parts = ["validation loss"] if evaluated else []
    if any(trace.train for trace in scene.traces):
        parts.append(f"training loss {faint}" if evaluated else "training loss")
    heading = ", ".join(parts)
    if scene.above is not None:
        heading += f"  ▲ up to {scene.above:,.4g}: --full"
    return heading[:width]


def _body(
    scene: Scene,
    width: int,
    height: int,
    layers: Sequence[tuple[Places, str, Any]],
    *,
    color: bool,
) -> str:
    """Draw the axes and the layers (points, symbol, colour), the later ones on top."""
    import plotext

    plotext.terminal.limit(False, False)  # the caller knows the size, also where there is no screen
    figure = plotext.figure
    figure.clear()
    figure.theme("simple").canvas("default")
    figure.plot_size(width, max(height, 8))
    figure.axes(False, axis="x", side="upper").axes(False, axis="y", side="right")
    figure.label(scene.label, axis="x")
    least = 1 if scene.label in ("step", "tokens") else 0
    figure.ruler("x").lim(*scene.along).ticks(*scale.ticks(*scene.along, width // 14, least=least))
    if scene.log:
        ticks = scale.log_ticks(*scene.losses, height // 2)
    else:
        ticks = scale.ticks(*scene.losses, height // 4)
    figure.ruler("y").lim(*scene.losses).ticks(*ticks)
    for points, symbol, pixel in layers:
        marker = plotext.marker(symbol, pixel)
        placed = [(x, math.log10(loss)) for x, loss in points] if scene.log else points
        for piece in visible(placed, *scene.losses):
            signal = figure.signal(*scale.columns(scale.thin(piece, 4 * width)), marker=marker)
            figure.draw(signal.lines(True).density("full"))
    return str(figure.build().string(colorless=not color))


def _legend(curves: Sequence[Curve], best: str, width: int) -> list[str]:
    """Return a line for each run: its name, its best loss and whether it overfits."""
    from rich.cells import cell_len, set_cell_size

    column = min(max(cell_len(curve.name) for curve in curves), width // 3)
    lines = []
    for curve in curves:
        if curve.best:
            step, loss = curve.best
            text = f"{best} best val loss {loss:.4f} at step {step:,}"
        else:
            step, loss = curve.smooth_train[-1]
            text = f"train loss {loss:.4f} at step {step:,}, never evaluated"
        text += ", then overfits" if curve.overfits_after is not None else ""
        lines.append(set_cell_size(f"{set_cell_size(curve.name, column)}  {text}", width).rstrip())
    return lines
