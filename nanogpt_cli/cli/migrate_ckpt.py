"""``nanogpt migrate-ckpt``."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from nanogpt_cli import ui
from nanogpt_cli.cli.options import JsonFlag, print_json, with_settings
from nanogpt_cli.errors import CheckpointError, UsageError

if TYPE_CHECKING:
    from nanogpt_cli.checkpoint import Checkpoint
    from nanogpt_cli.migrate import Changes


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
        Literal["relative", "keep"],
        typer.Option(
            "--pos-embd",
            help="relative adds a zero table to absolute positions; keep leaves them as they are.",
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
    from nanogpt_cli import migrate
    from nanogpt_cli.checkpoint import read

    target, keep_as = _places(old, output)
    content = read(old)
    before, changes = migrate.upgrade(content, old)
    after = migrate.attach_tokenizer(before, old, data_dir)
    if pos_embd == "relative":
        after = migrate.add_relative_table(after, changes)
    document = {
        "source": str(old),
        "output": str(target),
        "migrations": changes.steps,
        "changes": [vars(entry) for entry in changes.entries],
        "kept": len(after.model.keys() & before.model.keys()),
        "pos_embd": after.config.pos_embd,
        "tokenizer": after.tokenizer.get("kind") if after.tokenizer else None,
    }
    document["status"] = _write(old, before, after, target, keep_as, changes, force)
    if document["status"] == "migrated":
        written = migrate.load(target)
        document["largest_difference"] = migrate.largest_difference(before, written)
    _show(document, changes)
    if as_json:
        print_json(document)


def _places(old: Path, output: Path | None) -> tuple[Path, Path | None]:
    """Give where the new checkpoint goes, and what the old one is to be called, if renamed."""
    if not old.exists():
        raise CheckpointError(f"there is no file {old}", "check the path")
    if output is not None:
        if output.exists() and output.samefile(old):
            raise UsageError(f"{output} is the checkpoint to migrate", "name another file with -o")
        return output, None
    if old.stem.endswith("_original"):
        return old.with_name(old.stem.removesuffix("_original") + old.suffix), None
    return old, old.with_name(f"{old.stem}_original{old.suffix}")


def _write(
    old: Path,
    before: "Checkpoint",
    after: "Checkpoint",
    target: Path,
    keep_as: Path | None,
    changes: "Changes",
    force: bool,
) -> str:
    """Write the new checkpoint, never harming the old one; give what was done."""
    from nanogpt_cli import migrate
    from nanogpt_cli.files import machine_errors

    if not changes.steps and after.tokenizer == before.tokenizer:
        return "up to date"
    if keep_as is None:
        if target.exists() and not force:
            if migrate.same_content(migrate.load(target), after):
                return "up to date"
            raise UsageError(
                f"{target} is there already and is another model",
                "name another with -o, or --force",
            )
        after.save(target)
        return "migrated"
    if keep_as.exists():
        raise UsageError(f"{keep_as} is there already", "name the new checkpoint with -o")
    with machine_errors(keep_as):
        os.link(old, keep_as)  # the old file has both names until the new one takes its place
    after.save(target)
    return "migrated"


def _show(document: dict[str, Any], changes: "Changes") -> None:
    """Tell what happened, on stderr."""
    from rich.table import Table

    if document["status"] == "up to date":
        ui.say(f"{ui.clean(document['output'])} is up to date, nothing was written")
        return
    table = Table("what", "entry", "how", box=None, pad_edge=False)
    table.add_row("kept", f"{document['kept']} tensors", "as they were")
    for entry in changes.entries:
        table.add_row(*(ui.escape(ui.clean(cell)) for cell in vars(entry).values()))
    ui.console().print(table)
    for entry in changes.entries:
        if entry.kind == "added" and "." in entry.name:
            ui.say(f"Adding {ui.clean(entry.name)} to checkpoint.")
    if document["tokenizer"] is None:
        ui.note("no tokenizer could be found for it; name the data with --data-dir")
    ui.say(f"largest difference of logits, old and new: {document['largest_difference']:g}")
    ui.say(f"wrote {ui.clean(document['output'])}")
