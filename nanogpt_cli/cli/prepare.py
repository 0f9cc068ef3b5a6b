"""``nanogpt prepare``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nanogpt_cli.cli import ui
from nanogpt_cli.cli.options import JsonFlag, print_json, with_settings
from nanogpt_cli.config import PrepareConfig
from nanogpt_cli.data.prepare import PrepareOptions, Progress
from nanogpt_cli.data.prepare import prepare as prepare_dataset
from nanogpt_cli.text import printable, shell_word

if TYPE_CHECKING:
    from rich.progress import Progress as Bar


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
    as_json: JsonFlag = False,
    given: dict[str, Any],
) -> None:
    """Turn text or dialogues into a dataset to train on."""
    options = PrepareOptions(tuple(inputs or ()), out, **given)
    with ui.progress() as bar:
        result = prepare_dataset(options, _Passes(bar))
    for text in result.notes:
        ui.note(text)
    for name, value in (
        ("training", f"{result.train_tokens:,} tokens"),
        ("validation", f"{result.val_tokens:,} tokens"),
        ("vocabulary", f"{result.vocab_size:,} ({result.tokenizer})"),
        ("documents", f"{result.documents:,}"),
        ("source", f"{result.bytes / 1e6:,.1f} MB in {result.seconds:.1f} s"),
        ("dataset", printable(result.out)),
    ):
        ui.say(f"{name:>10}  {value}")
    ui.say(f"next: nanogpt train --data-dir {shell_word(result.out)}")
    if as_json:
        print_json(result.to_dict())


class _Passes:
    """A bar in megabytes for each pass over the text."""

    def __init__(self, bar: "Bar") -> None:
        self._bar = bar
        self._phase = ""

    def __call__(self, progress: Progress) -> None:
        total = max(1, progress.total) / 1e6
        if progress.phase != self._phase:
            self._phase = progress.phase
            self._task = self._bar.add_task(progress.phase, total=total, note="MB")
        self._bar.update(self._task, completed=progress.done / 1e6)
