"""Loss curves drawn with characters."""

import math
from collections.abc import Sequence
from typing import Any

from nanogpt_cli.logs.curves import Curve
from nanogpt_cli.plot import scale
from nanogpt_cli.plot.view import PLAIN, Panel, Places, Scene, View, arrange, visible

PANEL_ROWS = 8
"""Rows of a panel, its heading included."""
FEWEST_ROWS = 9
"""Rows of a chart below which it shows nothing."""
Layer = tuple[Places, str, Any]
"""Points, the symbol that draws them, and its colour."""

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

    Panels are below the losses, and make the chart higher where they have no room.

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
    layers: list[Layer] = []
    for trace, hue in zip(scene.traces, hues, strict=True):
        layers.append((trace.train, faint, (hue, None, "dim")))
    for trace, symbol, hue in zip(scene.traces, symbols, hues, strict=True):
        layers += [(trace.untrained, symbol, hue), (trace.val, symbol, hue)]
    for trace, hue in zip(scene.traces, hues, strict=True):
        layers.append((trace.best, best, hue))

    margin = _margin(scene) if scene.panels else 0
    left = max(height - len(curves) - 1 - PANEL_ROWS * len(scene.panels), FEWEST_ROWS)
    rows = [_heading(scene, "faint" if color else "dotted", width)]
    rows += _losses(scene, width, left, layers, margin, color=color).splitlines()
    for panel in scene.panels:
        lines = list(zip(panel.lines, symbols, hues, strict=True))
        rows += [panel.title, *_panel(scene, panel, width, lines, margin, color=color).splitlines()]
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


def _margin(scene: Scene) -> int:
    """Return how wide the numbers beside the panels are, by which all axes start alike."""
    labels = [label for panel in scene.panels for label in _ticks(panel)[1]]
    return max(len(label) for label in [*labels, *scale.ticks(*scene.losses, 8)[1]])


def _ticks(panel: Panel) -> scale.Ticks:
    return scale.ticks(*panel.range, 2)


def _losses(
    scene: Scene, width: int, height: int, layers: Sequence[Layer], margin: int, *, color: bool
) -> str:
    """Draw the losses, on a scale of their logarithms where the scene has one."""
    if scene.log:
        ticks = scale.log_ticks(*scene.losses, height // 2)
        layers = [
            ([(x, math.log10(loss)) for x, loss in points], symbol, pixel)
            for points, symbol, pixel in layers
        ]
    else:
        ticks = scale.ticks(*scene.losses, height // 4)
    size = (width, max(height, 8))
    return _body(scene, scene.losses, _wide(ticks, margin), size, layers, scene.label, color)


def _panel(
    scene: Scene, panel: Panel, width: int, layers: Sequence[Layer], margin: int, *, color: bool
) -> str:
    """Draw a panel, without the name of its axis."""
    size = (width, PANEL_ROWS - 1)
    return _body(scene, panel.range, _wide(_ticks(panel), margin), size, layers, "", color)


def _wide(ticks: scale.Ticks, margin: int) -> scale.Ticks:
    places, labels = ticks
    return places, [label.rjust(margin) for label in labels]


def _body(
    scene: Scene,
    heights: tuple[float, float],
    ticks: scale.Ticks,
    size: tuple[int, int],
    layers: Sequence[Layer],
    label: str,
    color: bool,
) -> str:
    """Draw axes and layers, the later ones on top; ``heights`` are the range of their values."""
    import plotext

    plotext.terminal.limit(False, False)  # the caller knows the size, also where there is no screen
    figure = plotext.figure
    figure.clear()
    figure.theme("simple").canvas("default")
    figure.plot_size(*size)
    figure.axes(False, axis="x", side="upper").axes(False, axis="y", side="right")
    if label:
        figure.label(label, axis="x")
    least = 1 if scene.label in ("step", "tokens") else 0
    along = scale.ticks(*scene.along, size[0] // 14, least=least)
    figure.ruler("x").lim(*scene.along).ticks(*along)
    figure.ruler("y").lim(*heights).ticks(*ticks)
    for points, symbol, pixel in layers:
        marker = plotext.marker(symbol, pixel)
        for piece in visible(points, *heights):
            signal = figure.signal(*scale.columns(scale.thin(piece, 4 * size[0])), marker=marker)
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
