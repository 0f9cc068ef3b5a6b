"""``nanogpt prepare``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nanogpt_cli.cli import ui
from nanogpt_cli.cli.complete import datasets
from nanogpt_cli.cli.doctor_view import check_dataset, show_warnings
from nanogpt_cli.cli.options import JsonFlag, print_json, with_settings
from nanogpt_cli.cli.tokenizers_view import show_tokenizers
from nanogpt_cli.config import PrepareConfig
from nanogpt_cli.data.given import Progress
from nanogpt_cli.data.prepare import PrepareOptions, PrepareResult
from nanogpt_cli.data.prepare import prepare as prepare_dataset
from nanogpt_cli.errors import UsageError
from nanogpt_cli.setting import parse_duration
from nanogpt_cli.text import byte_size, printable, shell_word

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from nanogpt_cli.data.show import Segment


@with_settings(preparation=PrepareConfig)
def prepare(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="INPUT",
            help="Files, folders, globs or - for stdin; by default the demo corpus.",
        ),
    ] = None,
    *,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder of the dataset; by default data/NAME."),
    ] = None,
    compare_tokenizers: Annotated[
        bool,
        typer.Option(
            "--compare-tokenizers", help="Try tokenizers on the text, and write no dataset."
        ),
    ] = False,
    time: Annotated[
        str,
        typer.Option(
            help="With --compare-tokenizers: how long to train with each (30s, 2m).",
            metavar="TIME",
        ),
    ] = "0",
    check: Annotated[
        str,
        typer.Option(
            help="Report on a dataset that is prepared, and prepare nothing.",
            metavar="DATASET",
            autocompletion=datasets,
        ),
    ] = "",
    as_json: JsonFlag = False,
    given: dict[str, Any],
) -> None:
    """Turn text or dialogues into a dataset to train on."""
    options = PrepareOptions(tuple(inputs or ()), out, **given)
    if check:
        check_dataset(check, options, as_json)
        return
    seconds = parse_duration(time)
    if compare_tokenizers:
        show_tokenizers(options, seconds, as_json)
        return
    if seconds:
        raise UsageError("--time is for --compare-tokenizers", "train takes it: nanogpt train")
    with ui.progress() as bar:
        result = prepare_dataset(options, _Passes(bar))
    for text in result.notes:
        ui.note(text)
    show_warnings(result.findings)
    for name, value in (
        ("kind", _kind(result)),
        ("training", _training(result)),
        ("validation", f"{result.val_tokens:,} tokens"),
        ("vocabulary", f"{result.vocab_size:,} ({result.tokenizer})"),
        ("source", f"{byte_size(result.bytes)} in {result.seconds:.1f} s"),
        ("dataset", printable(result.out)),
        *result.findings.lines(),
        *(("example", _cut(printable(text))) for text in result.examples if not options.show),
    ):
        ui.say(f"{name:>10}  {value}")
    for document in result.rendered:
        _show(document)
    ui.say(f"next: nanogpt train --data-dir {shell_word(result.out)}")
    if as_json:
        print_json(result.to_dict())


def _training(result: PrepareResult) -> str:
    """Say how much there is to train on."""
    if result.loss_on == "all":
        return f"{result.train_tokens:,} tokens"
    return f"{result.train_tokens:,} tokens; the loss is on the replies, {result.trained_tokens:,}"


def _show(document: "list[Segment]") -> None:
    """Print a document; what is learned of it is labelled, and green where there are colours."""
    ui.say()
    for segment in document:
        label, style = ("learned", "green") if segment.trained else ("read", "dim")
        ui.say(f"{label:>10}  {printable(segment.text)}", style)


def _kind(result: PrepareResult) -> str:
    """Say what the input was understood to be."""
    texts = _count(result.documents - result.conversations, "document")
    if result.kind == "text":
        return f"text, {texts}"
    found = [_count(result.conversations, "conversation"), _count(result.turns, "turn")]
    return ", ".join(["dialogue", *found, *([texts] if texts[0] != "0" else [])])


def _cut(text: str) -> str:
    """Cut a text to what fits beside its label."""
    from rich.text import Text

    fitted = Text(text)
    fitted.truncate(max(20, ui.console().width - 12), overflow="ellipsis")
    return fitted.plain


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


class _Passes:
    """A bar in megabytes for each pass over the text, with the rate."""

    def __init__(self, bar: "Bar") -> None:
        self._bar = bar
        self._phase = ""

    def __call__(self, progress: Progress) -> None:
        total = max(1, progress.total) / 1e6
        if progress.phase != self._phase:
            self._phase = progress.phase
            self._task = self._bar.add_task(progress.phase, total=total, note="MB")
        speed = self._bar.tasks[self._task].speed
        note = f"MB, {speed:,.0f} MB/s" if speed else "MB"
        self._bar.update(self._task, completed=progress.done / 1e6, note=note)
