"""How ``plot-log`` shows curves: a chart on stdout, a summary of each run on stderr."""

import sys
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from nanogpt_cli.cli import ui
from nanogpt_cli.logs.curves import Curve, summary
from nanogpt_cli.plot import terminal

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

SUMMARY_WIDTH = 72
"""Columns that the summary of one run takes."""


def chart(out: "Console", curves: Sequence[Curve], height: int) -> str:
    """Draw a chart as wide as ``out``, in the colours and characters that it can show."""
    return terminal.chart(
        curves,
        out.width,
        height,
        color=out.color_system is not None and not out.no_color,
        unicode=out.encoding.startswith("utf"),
    )


def print_chart(curves: Sequence[Curve]) -> None:
    """Print a chart as wide as stdout shows it, which leaves room for the summary below."""
    from rich.console import Console

    out = Console()
    sys.stdout.write(chart(out, curves, min(out.height, 40) - len(curves) - 4))
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
    """Return a table of the runs; a narrow terminal cuts it at the right."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, width=SUMMARY_WIDTH if width < SUMMARY_WIDTH else None)
    table.add_column("run", overflow="ellipsis")  # the one column that may shrink
    for heading in ("step", "train loss", "val loss", "best", "at step", "tokens/s", "time"):
        table.add_column(heading, justify="right", no_wrap=True)
    for run in summary(curves):
        losses = [_format(run[key], ".4f") for key in ("train_loss", "val_loss", "best_val_loss")]
        table.add_row(
            Text(run["run"]),
            _format(run["steps"], ",d"),
            *losses,
            _format(run["best_step"], ",d"),
            _format(run["tokens_per_sec"], ",.0f"),
            "-" if run["seconds"] is None else str(timedelta(seconds=round(run["seconds"]))),
        )
    return table


def _format(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
