"""Loss curves drawn with characters."""

from collections.abc import Sequence
from typing import Any

from nanogpt_cli.logs.curves import Curve, Points
from nanogpt_cli.plot import scale

_ASCII = str.maketrans("│┤├─┬┴┼└┘┌┐", "|++-+++++++")


def chart(curves: Sequence[Curve], width: int, height: int, *, color: bool, unicode: bool) -> str:
    """Draw curves in ``width`` by ``height`` characters, with one line of legend each below.

    The training loss is faint and smoothed; the validation loss has the run's colour, or its letter
    where several runs cannot be told apart by colour, and a mark at its best step.
    """
    fine = unicode and (color or len(curves) == 1)
    faint = "braille" if unicode and color else "·" if unicode else "."
    best = "●" if unicode else "*"
    symbols = ["braille" if fine else chr(ord("A") + i % 26) for i in range(len(curves))]
    palette = scale.TERMINAL_PALETTE
    hues = [palette[i % len(palette)] for i in range(len(curves))]
    layers: list[tuple[Points, str, Any]] = []
    for curve, hue in zip(curves, hues, strict=True):
        layers.append((curve.smooth_train, faint, (hue, None, "dim")))
    for curve, symbol, hue in zip(curves, symbols, hues, strict=True):
        layers.append((curve.val, symbol, hue))
    for curve, hue in zip(curves, hues, strict=True):
        layers.append(([curve.best] if curve.best else [], best, hue))

    body = _body(curves, width, height, layers, color=color)
    rows = ["loss", *body.splitlines()]
    for symbol, hue, text in zip(symbols, hues, _legend(curves, best, width - 3), strict=True):
        swatch = "━━" if fine else symbol
        rows.append(f"\x1b[38;5;{hue}m{swatch}\x1b[0m {text}" if color else f"{swatch} {text}")
    drawn = "".join(f"{row.rstrip()}\n" for row in rows)
    return drawn if unicode else drawn.translate(_ASCII).encode("ascii", "replace").decode()


def _body(
    curves: Sequence[Curve],
    width: int,
    height: int,
    layers: Sequence[tuple[Points, str, Any]],
    *,
    color: bool,
) -> str:
    """Draw the axes and the layers (points, symbol, colour), the later ones on top."""
    import plotext

    plotext.terminal.limit(False, False)  # the caller knows the size, also where there is no screen
    figure = plotext.figure
    figure.clear()
    figure.theme("simple").canvas("default")
    figure.plot_size(width, max(height - len(curves) - 1, 8))
    figure.axes(False, axis="x", side="upper").axes(False, axis="y", side="right")
    figure.label("step", axis="x")
    x_range = scale.step_range(curves)
    y_range = scale.loss_range(curves, 0.04)
    figure.ruler("x").lim(*x_range).ticks(*scale.ticks(*x_range, width // 14, least=1))
    figure.ruler("y").lim(*y_range).ticks(*scale.ticks(*y_range, height // 4))
    for points, symbol, pixel in layers:
        marker = plotext.marker(symbol, pixel)
        signal = figure.signal(*scale.columns(scale.thin(points, 4 * width)), marker=marker)
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
