"""``nanogpt eval``."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nanogpt_cli.cli import ui
from nanogpt_cli.cli.complete import any_of, datasets, runs
from nanogpt_cli.cli.loss_table import show_losses
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
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Draw the models with their intervals, and the loss by position where it is "
            "measured, into this .png, .svg or .pdf too.",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a file that is not a drawing.")
    ] = False,
    device: DeviceFlag = "auto",
    as_json: JsonFlag = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV on stdout.")] = False,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Print a Markdown table on stdout.")
    ] = False,
    given: dict[str, Any],
) -> None:
    """Measure one or many models in one table: losses, and replies to held-out prompts."""
    from nanogpt_cli.cli import eval_plot, eval_view

    if metrics == "list":
        eval_view.list_metrics()
        return
    wanted = chosen_studies(
        yardsticks=yardsticks, positions=positions, memorisation=memorisation, speed=speed
    )
    _check_output(show, wanted, as_json=as_json, as_csv=as_csv, as_markdown=as_markdown)
    eval_plot.check_output(output, force)
    request = _request(
        metrics, prompts, recompute, given, (bertscore_model, sentiment_model, labels)
    )
    models = models or [str(_newest())]
    results = _evaluate(models, data, device, request)
    studies = run_studies(models, wanted, data, device, results)
    if as_json:
        from nanogpt_cli.evaluation.compare import document

        print_json({**document(results, show), **studies_json(studies)})
    elif as_csv:
        eval_view.print_csv(results)
    elif as_markdown:
        eval_view.print_markdown(results)
    else:
        _show(results, asked=metrics is not None or labels is not None)
        eval_view.show_replies(results, show)
        eval_view.note_absent(results, metrics is not None)
        show_studies(studies)
    eval_plot.draw(results, studies, output)


def _check_output(show: int, wanted: Sequence[str], **forms: bool) -> None:
    """Check what is to be printed. Raises UsageError."""
    if sum(forms.values()) > 1:
        raise UsageError("--json, --csv and --markdown exclude each other", "choose one of them")
    if show < 0:
        raise UsageError(f"invalid --show {show}", "write a whole number")
    if wanted and (forms["as_csv"] or forms["as_markdown"]):
        form = "--csv" if forms["as_csv"] else "--markdown"
        raise UsageError(
            f"{form} prints the table alone, without --{wanted[0]}",
            "leave one of them out, or use --json",
        )


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


def _show(results: "Sequence[Evaluation]", asked: bool) -> None:
    """Print the table: of losses alone, where there is nothing else and none was ``asked`` for."""
    from nanogpt_cli.cli import eval_view

    of_text = all(result.replies is None and result.loss is not None for result in results)
    if of_text and not asked:
        _say_what_was_measured(results, intervals=False)
        show_losses(results)
    else:
        _say_what_was_measured(results)
        eval_view.show_table(results)


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
