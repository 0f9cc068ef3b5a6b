"""The table of losses that ``nanogpt eval`` prints where models are measured on text alone."""

import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nanogpt_cli.cli import ui
from nanogpt_cli.text import printable

if TYPE_CHECKING:
    from nanogpt_cli.evaluation.run import Evaluation


def show_losses(results: "Sequence[Evaluation]") -> None:
    """Print the table on stdout; the best row, where there is one, is bold."""
    from rich.console import Console
    from rich.table import Table

    from nanogpt_cli.evaluation.compare import compare
    from nanogpt_cli.evaluation.metrics.base import registered_metrics

    metrics = {name: m for name, m in registered_metrics().items() if name in results[0].metrics}
    titles = [*(m.title or name for name, m in metrics.items()), "tokens", "step"]
    rows = [
        [
            *(metric.show(result.metrics[name]) for name, metric in metrics.items()),
            f"{result.loss.tokens if result.loss else 0:,}",
            f"{result.step:,}",
        ]
        for result in results
    ]
    width = None if sys.stdout.isatty() else 10_000  # a pipe or a file has no last column
    out = Console(soft_wrap=True, width=width)
    room = out.width - sum(2 + max(map(len, column)) for column in zip(titles, *rows, strict=True))
    table = Table(box=None, pad_edge=False)
    table.add_column("model", overflow="fold")  # the one column that gives way
    for title in titles:
        table.add_column(title, justify="right", no_wrap=True)
    comparison = compare(results)
    for number, (result, row) in enumerate(zip(results, rows, strict=True)):
        name = _in_lines(printable(result.checkpoint), room)
        style = "bold" if number in comparison.best else None
        table.add_row(ui.escape(name), *row, style=style)
    out.print(table)
    if comparison.note:
        ui.note(comparison.note)
    _say_differences(results)


def _say_differences(results: "Sequence[Evaluation]") -> None:
    """Say how far each model is from the first, and how sure that is."""
    from nanogpt_cli.cli.eval_view import names_of
    from nanogpt_cli.evaluation.compare import differences

    names = names_of(results)
    for pair in differences(results):
        found = pair.numbers.get("bits_per_byte")
        if found is not None and found.low is not None:
            ui.say(
                f"{names[pair.model]}: {found.value:+.4f} bits/byte against {names[0]}, "
                f"95% interval {found.low:+.4f} to {found.high:+.4f}"
            )


def _in_lines(path: str, width: int) -> str:
    """Return a path in lines that end after a slash, of ``width`` characters where they can."""
    first, *parts = re.findall(r"[^/]*/|[^/]+", path)
    lines = [first]
    for part in parts:
        if len(lines[-1] + part) > width:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)
