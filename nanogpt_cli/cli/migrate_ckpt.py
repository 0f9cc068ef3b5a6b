"""``nanogpt migrate-ckpt``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from nanogpt_cli.cli import ui
from nanogpt_cli.cli.options import JsonFlag, print_json, with_settings
from nanogpt_cli.cli.values import choice
from nanogpt_cli.text import printable

if TYPE_CHECKING:
    from nanogpt_cli.checkpoint.migrate import MigrationResult


@with_settings()
def migrate_ckpt(
    old: Annotated[
        Path, typer.Argument(metavar="OLD.pt", help="The checkpoint to bring up to date.")
    ],
    *,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Where the new one goes; by default see below."),
    ] = None,
    pos_embd: Annotated[
        str,
        typer.Option(
            "--pos-embd",
            help="relative adds a zero table to absolute positions; keep leaves them as they are.",
            **choice("--pos-embd", ("relative", "keep")),
        ),
    ] = "relative",
    data_dir: Annotated[
        Path | None,
        typer.Option("--data-dir", help="The data it was trained on, for its tokenizer."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing output.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Bring an old checkpoint up to date, and prove that it computes the same.

    ckpt_original.pt becomes ckpt.pt beside it. Any other X.pt is kept as X_original.pt, and the new
    one becomes X.pt.
    """
    from nanogpt_cli.checkpoint.migrate import migrate

    positions = cast(Literal["relative", "keep"], pos_embd)
    result = migrate(old, output, pos_embd=positions, data_dir=data_dir, force=force)
    _show(result, on_stdout=not as_json)
    if as_json:
        print_json(_document(result))


def _document(result: "MigrationResult") -> dict[str, Any]:
    """Return what ``--json`` prints."""
    document: dict[str, Any] = {
        "source": str(result.source),
        "output": str(result.output),
        "status": "migrated" if result.is_written else "up to date",
        "migrations": result.changes.steps,
        "changes": [vars(entry) for entry in result.changes.entries],
        "kept": result.kept,
        "pos_embd": result.pos_embd,
        "tokenizer": result.tokenizer,
    }
    if result.is_written:
        document["largest_difference"] = result.largest_difference
    return document


def _show(result: "MigrationResult", *, on_stdout: bool) -> None:
    """Print what happened: on stdout, unless the JSON document goes there."""
    say = print if on_stdout else ui.say
    if not result.is_written:
        say(f"{printable(result.output)} is up to date, nothing was written")
        return
    rows = [("kept", f"{result.kept} tensors", "as they were")]
    rows += [
        (entry.kind, printable(entry.name), printable(entry.detail))
        for entry in result.changes.entries
    ]
    width = max(len(name) for _, name, _ in rows)
    for kind, name, detail in rows:
        say(f"{kind:<8}  {name:<{width}}  {detail}")
    for kind, name, _ in rows:
        if kind == "added" and "." in name:
            say(f"Adding {name} to checkpoint.")
    say(f"largest difference of logits, old and new: {result.largest_difference:g}")
    say(f"wrote {printable(result.output)}")
    if result.tokenizer is None:
        ui.note("no tokenizer was found for it; name its data with --data-dir")
