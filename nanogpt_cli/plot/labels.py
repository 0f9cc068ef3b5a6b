"""Colours by number, and labels beside the ends of lines instead of a legend on top of them."""

from collections.abc import Sequence
from typing import Any

from nanogpt_cli.plot import scale
from nanogpt_cli.plot.scale import PALETTE

End = tuple[str, float, str]
"""A label, the loss beside which it stands, and its colour."""


def label_ends(axes: Any, ends: Sequence[End], font: float) -> None:
    """Write each curve's label where it ends, moved apart where two would touch."""
    low, high = axes.transData.transform([(0, axes.get_ylim()[0]), (0, axes.get_ylim()[1])])[:, 1]
    heights = [(axes.transData.transform((0, loss))[1] - low) / (high - low) for _, loss, _ in ends]
    order = sorted(range(len(ends)), key=heights.__getitem__)
    rows = max(label.count("\n") for label, _, _ in ends) + 1
    points = axes.get_position().height * axes.figure.get_figheight() * 72
    line = 1.2 * font
    gap = min((rows + 0.25) * line / points, 1 / len(ends))
    if crowded := gap < rows * line / points:
        line *= 0.67
    places = scale.spread([heights[i] for i in order], gap, gap / 2, 1 - gap / 2)
    for i, place in zip(order, places, strict=True):
        label, _, hue = ends[i]
        lines = label.split("\n")
        for row, text in enumerate(lines):
            axes.annotate(
                text, (1, place), (8, line * ((len(lines) - 1) / 2 - row)),
                xycoords="axes fraction", textcoords="offset points", va="center_baseline",
                annotation_clip=False, color=hue, size=(0.6 if crowded else 0.9) * font,
            )  # fmt: skip


def hue_of(index: int) -> str:
    """Return the colour of a run or a model by its number."""
    return PALETTE[index % len(PALETTE)]


def dash_of(index: int) -> str:
    """Return its dashes, which differ where colours start again."""
    return ("-", "--", ":")[index // len(PALETTE) % 3]


def short(text: str, limit: int) -> str:
    """Cut a text that is longer than ``limit`` characters."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
