"""``nanogpt eval``."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nanogpt_cli.cli import ui
from nanogpt_cli.cli.complete import datasets, runs
from nanogpt_cli.cli.options import DeviceFlag, JsonFlag, print_json, with_settings
from nanogpt_cli.cli.studies import (
    MemorisationFlag,
    PositionsFlag,
    SpeedFlag,
    YardsticksFlag,
    chosen_studies,
    run_studies,
    show_studies,
    studies_json,
)
from nanogpt_cli.text import printable

if TYPE_CHECKING:
    from nanogpt_cli.evaluation.run import Evaluation, Progress


@with_settings()
def evaluate(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL",
            help="Runs, folders or files; by default the newest.",
            autocompletion=runs,
        ),
    ] = None,
    *,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            "--data-dir",
            help="A dataset's folder or a text file; by default what the model was trained on.",
            autocompletion=datasets,
        ),
    ] = None,
    yardsticks: YardsticksFlag = False,
    positions: PositionsFlag = False,
    memorisation: MemorisationFlag = False,
    speed: SpeedFlag = False,
    device: DeviceFlag = "auto",
    as_json: JsonFlag = False,
) -> None:
    """Measure validation loss, perplexity and bits per byte of one or many models."""
    models = models or [str(_newest())]
    wanted = chosen_studies(
        yardsticks=yardsticks, positions=positions, memorisation=memorisation, speed=speed
    )
    results = _evaluate(models, data, device)
    studies = run_studies(models, wanted, data, device)
    if as_json:
        print_json({"models": [result.to_dict() for result in results], **studies_json(studies)})
        return
    for source in dict.fromkeys(result.data for result in results):
        ui.say(f"evaluated on {printable(source)}")
    _show(results)
    show_studies(studies, results)


def _newest() -> Path:
    """Return the newest checkpoint, and say where an even newer run has none yet."""
    from nanogpt_cli.runs import find_checkpoint, unsaved_run

    path = find_checkpoint()
    if newer := unsaved_run():
        ui.note(f"{newer} has no checkpoint yet, this is {path}")
    return path


def _evaluate(models: Sequence[str | Path], data: str | None, device: str) -> "list[Evaluation]":
    """Evaluate under a progress bar for the model at hand."""
    from nanogpt_cli.evaluation.run import evaluations

    with ui.progress() as bar:
        task = bar.add_task("", visible=False, total=None, note="")

        def advance(progress: "Progress") -> None:
            if progress.done == 0:
                name = ui.escape(printable(progress.checkpoint))
                bar.reset(
                    task, description=f"evaluating {name}", total=progress.total, visible=True
                )
            bar.update(task, completed=progress.done)

        return list(evaluations(models, data, device, advance, ui.note))


def _show(results: "Sequence[Evaluation]") -> None:
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
            f"{result.loss.tokens:,}",
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


def _in_lines(path: str, width: int) -> str:
    """Return a path in lines that end after a slash, of ``width`` characters where they can."""
    first, *parts = re.findall(r"[^/]*/|[^/]+", path)
    lines = [first]
    for part in parts:
        if len(lines[-1] + part) > width:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)
