"""How ``plot-log`` shows curves: a chart on stdout, a summary of each run on stderr."""

import sys
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from nanogpt_cli.cli import ui
from nanogpt_cli.logs.curves import Curve, summary
from nanogpt_cli.plot import terminal
from nanogpt_cli.plot.view import View

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

NAME_WIDTH = 8
"""Columns that are kept for a run's name, at the least."""


def chart(out: "Console", curves: Sequence[Curve], height: int, view: View) -> str:
    """Draw a chart as wide as ``out``, in the colours and characters that it can show."""
    return terminal.chart(
        curves,
        out.width,
        height,
        color=out.color_system is not None and not out.no_color,
        unicode=out.encoding.startswith("utf"),
        view=view,
    )


def print_chart(curves: Sequence[Curve], view: View) -> None:
    """Print a chart as wide as stdout shows it, which leaves room for the summary below."""
    from rich.console import Console

    out = Console()
    most = 40 + terminal.PANEL_ROWS * len(view.panels)
    sys.stdout.write(chart(out, curves, min(out.height, most) - len(curves) - 4, view))
    sys.stdout.flush()


def print_summary(curves: Sequence[Curve]) -> None:
    """Print the state of each run, and how many lines of its log could not be read."""
    console = ui.console()
    console.print(summary_table(curves, console.width), soft_wrap=False)
    for curve in curves:
        if curve.dropped:
            lines = "line" if curve.dropped == 1 else "lines"
            ui.note(f"{curve.name}: {curve.dropped:,} {lines} of the log could not be read")


def summary_table(curves: Sequence[Curve], width: int) -> "Table":
    """Return a table of the runs, with as many columns as fit into ``width``."""
    from rich.table import Table
    from rich.text import Text

    rows = [_cells(run) for run in summary(curves)]
    table = Table(box=None, pad_edge=False)
    table.add_column("run", overflow="ellipsis")  # the one column that may shrink
    left = width - NAME_WIDTH
    kept = []
    for heading in rows[0]:
        left -= 2 + max(len(heading), *(len(row[heading]) for row in rows))
        if left < 0:
            break
        kept.append(heading)
        table.add_column(heading, justify="right", no_wrap=True)
    for curve, row in zip(curves, rows, strict=True):
        table.add_row(Text(curve.name), *(row[heading] for heading in kept))
    return table


def _cells(run: dict[str, Any]) -> dict[str, str]:
    """Return the cells of a run by the heading of their column."""
    seconds = run["seconds"]
    return {
        "step": _format(run["steps"], ",d"),
        "train loss": _format(run["train_loss"], ".4f"),
        "val loss": _format(run["val_loss"], ".4f"),
        "best": _format(run["best_val_loss"], ".4f"),
        "at step": _format(run["best_step"], ",d"),
        "tokens/s": _format(run["tokens_per_sec"], ",.0f"),
        "time": "-" if seconds is None else str(timedelta(seconds=round(seconds))),
    }


def _format(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
