"""``nanogpt eval``."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nanogpt_cli.cli import ui
from nanogpt_cli.cli.complete import any_of, datasets, runs
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
from nanogpt_cli.config import SampleConfig
from nanogpt_cli.errors import UsageError
from nanogpt_cli.registry import METRICS
from nanogpt_cli.text import printable

if TYPE_CHECKING:
    from nanogpt_cli.evaluation.run import Evaluation, Progress
    from nanogpt_cli.evaluation.samples import Request


@with_settings(sampling_of_replies=SampleConfig)
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
    # --- metrics of text and of replies ---
    metrics: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,...",
            help="What to measure; 'list' shows what there is. By default all that needs no more.",
            autocompletion=any_of("list", *METRICS),
        ),
    ] = None,
    prompts: Annotated[
        int, typer.Option(metavar="N", help="Held-out prompts to reply to, in dialogues.")
    ] = 200,
    show: Annotated[
        int, typer.Option(metavar="N", help="Show the replies to the first N prompts.")
    ] = 0,
    bertscore_model: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Measure BERTScore, by this Hugging Face encoder."),
    ] = None,
    sentiment_model: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Compare sentiment by this Hugging Face classifier."),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Let the model rank the labels of these texts."),
    ] = None,
    recompute: Annotated[
        bool, typer.Option("--recompute", help="Measure again what eval.jsonl has.")
    ] = False,
    # --- studies beside the table ---
    yardsticks: YardsticksFlag = False,
    positions: PositionsFlag = False,
    memorisation: MemorisationFlag = False,
    speed: SpeedFlag = False,
    # --- how results are printed ---
    device: DeviceFlag = "auto",
    as_json: JsonFlag = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV on stdout.")] = False,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Print a Markdown table on stdout.")
    ] = False,
    given: dict[str, Any],
) -> None:
    """Measure one or many models in one table: losses, and replies to held-out prompts."""
    from nanogpt_cli.cli import eval_view

    if metrics == "list":
        eval_view.list_metrics()
        return
    if as_json + as_csv + as_markdown > 1:
        raise UsageError("--json, --csv and --markdown exclude each other", "choose one of them")
    if show < 0:
        raise UsageError(f"invalid --show {show}", "write a whole number")
    request = _request(
        metrics, prompts, recompute, given, (bertscore_model, sentiment_model, labels)
    )
    wanted = chosen_studies(
        yardsticks=yardsticks, positions=positions, memorisation=memorisation, speed=speed
    )
    if wanted and (as_csv or as_markdown):
        raise UsageError(
            f"--{wanted[0]} is no part of a table", "leave out --csv and --markdown, or take --json"
        )
    names = models or [str(_newest())]
    results = _evaluate(names, data, device, request)
    studies = run_studies(names, wanted, data, device)
    if as_json:
        from nanogpt_cli.evaluation.compare import document

        print_json({**document(results, show), **studies_json(studies)})
        return
    if as_csv or as_markdown:
        (eval_view.print_csv if as_csv else eval_view.print_markdown)(results)
        return
    of_text = all(result.replies is None and result.loss is not None for result in results)
    if of_text and metrics is None and labels is None:
        _say_what_was_measured(results, intervals=False)
        _show(results)
    else:
        _say_what_was_measured(results)
        eval_view.show_table(results)
        _note_comparison(results)
    eval_view.show_replies(results, show)
    eval_view.note_absent(results, metrics is not None)
    show_studies(studies, results)


def _request(
    metrics: str | None,
    prompts: int,
    recompute: bool,
    given: dict[str, Any],
    files: tuple[Path | None, Path | None, Path | None],
) -> "Request":
    """Return what is to be measured."""
    from nanogpt_cli.evaluation.metrics.base import Resources
    from nanogpt_cli.evaluation.samples import Request

    names = None if metrics is None else tuple(n for n in re.split(r"[,\s]+", metrics) if n)
    names = None if names is None else tuple(name.replace("-", "_") for name in names)
    return Request(names, prompts, SampleConfig(**given), Resources(*files), recompute)


def _newest() -> Path:
    """Return the newest checkpoint, and say where an even newer run has none yet."""
    from nanogpt_cli.runs import find_checkpoint, unsaved_run

    path = find_checkpoint()
    if newer := unsaved_run():
        ui.note(f"{newer} has no checkpoint yet, this is {path}")
    return path


def _evaluate(
    models: Sequence[str | Path], data: str | None, device: str, request: "Request"
) -> "list[Evaluation]":
    """Evaluate under a progress bar for the model at hand."""
    from nanogpt_cli.evaluation.run import evaluations

    with ui.progress() as bar:
        task = bar.add_task("", visible=False, total=None, note="")

        def advance(progress: "Progress") -> None:
            if progress.done == 0:
                name = ui.escape(printable(progress.checkpoint))
                bar.reset(
                    task,
                    description=f"evaluating {name}",
                    total=progress.total,
                    visible=True,
                    note=progress.what,
                )
            bar.update(task, completed=progress.done)

        return list(evaluations(models, data, device, advance, ui.note, request))


def _say_what_was_measured(results: "Sequence[Evaluation]", intervals: bool = True) -> None:
    """Say on what models were evaluated, and how replies were drawn."""
    for source in dict.fromkeys(result.data for result in results):
        ui.say(f"evaluated on {printable(source)}")
    for result in results:
        if result.replies is not None:
            how = ", ".join(f"{k} {v:g}" for k, v in result.sampling.items() if k != "prompts")
            ui.say(f"{len(result.replies.replies)} replies: {how}")
            ui.say("references: the replies in the data; other replies: those to other prompts")
            break
    if intervals:
        ui.say("± half of the 95% interval")


def _note_comparison(results: "Sequence[Evaluation]") -> None:
    from nanogpt_cli.evaluation.compare import compare

    if note := compare(results).note:
        ui.note(note)


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
