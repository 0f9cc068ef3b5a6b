"""``nanogpt migrate-ckpt``."""

import filecmp
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from nanogpt_cli.cli import ui
from nanogpt_cli.cli.options import JsonFlag, print_json, with_settings
from nanogpt_cli.errors import CheckpointError, NanoGPTError, UsageError
from nanogpt_cli.files import keep_copy
from nanogpt_cli.runs import LOCK
from nanogpt_cli.text import printable

if TYPE_CHECKING:
    from nanogpt_cli.checkpoint.migrations import Changes
    from nanogpt_cli.checkpoint.torchfile import Checkpoint


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
    from nanogpt_cli.checkpoint import migrations as migrate
    from nanogpt_cli.checkpoint.torchfile import read

    target, keep_as = _places(old, output)
    identity = _identity(old)
    before, changes = migrate.upgrade(read(old), old)
    after = migrate.attach_tokenizer(before, old, data_dir)
    kind = after.tokenizer["kind"] if after.tokenizer else None
    if before.tokenizer is None and kind is not None:
        changes.add("added", "tokenizer", kind)
        changes.steps.append("attach_tokenizer")
    if pos_embd == "relative":
        after = migrate.add_relative_table(after, changes)
    document: dict[str, Any] = {
        "source": str(old),
        "output": str(target),
        "status": "up to date",
        "migrations": changes.steps,
        "changes": [vars(entry) for entry in changes.entries],
        "kept": len(after.model.keys() & before.model.keys()),
        "pos_embd": after.config.pos_embd,
        "tokenizer": kind,
    }
    if keep_as is None and not _is_there(target, after, force):
        with _no_run_in(target.parent):
            after.save(target)
        document["status"] = "migrated"
    elif keep_as is not None and changes.steps:
        with _no_run_in(target.parent), _kept(old, keep_as, identity):
            after.save(target)
        document["status"] = "migrated"
    if document["status"] == "migrated":
        document["largest_difference"] = migrate.largest_difference(before, migrate.load(target))
    _show(document, changes, on_stdout=not as_json)
    if as_json:
        print_json(document)


def _places(old: Path, output: Path | None) -> tuple[Path, Path | None]:
    """Give where the new checkpoint goes, and what the old one is to be called, if renamed."""
    if not old.is_file():
        raise CheckpointError(f"there is no file {old}", "check the path")
    if output is not None:
        if output.is_dir():
            raise UsageError(f"{output} is a folder", "name a file with -o")
        if output.exists() and output.samefile(old):
            raise UsageError(f"{output} is the checkpoint to migrate", "name another file with -o")
        return output, None
    if old.stem.endswith("_original"):
        return old.with_name(old.stem.removesuffix("_original") + old.suffix), None
    return old, old.with_name(f"{old.stem}_original{old.suffix}")


def _is_there(target: Path, after: "Checkpoint", force: bool) -> bool:
    """Tell whether ``target`` is this very model. Raises UsageError where it is something else."""
    from nanogpt_cli.checkpoint import migrations as migrate

    if force or not target.exists():
        return False
    try:
        same = migrate.same_content(migrate.load(target), after)
    except NanoGPTError:
        same = False
    if not same:
        raise UsageError(
            f"{target} is there already and holds something else",
            "name another file with -o, or replace it with --force",
        )
    return True


@contextmanager
def _no_run_in(folder: Path) -> Iterator[None]:
    """Keep training out of a run's folder. Raises UsageError where it is under way."""
    import filelock

    if not (folder / LOCK).exists():
        yield
        return
    try:
        with filelock.FileLock(folder / LOCK, blocking=False):
            yield
    except filelock.Timeout as error:
        raise UsageError(
            f"a run is training in {folder} and saves its own checkpoints there",
            "wait for it, or name another file with -o",
        ) from error


@contextmanager
def _kept(old: Path, keep_as: Path, identity: tuple[int, int, int]) -> Iterator[None]:
    """Keep the old file under a second name while another takes its place.

    Where that fails, the second name goes again. Raises UsageError where it is taken, or the file
    is not the one that was read any more.
    """
    if _identity(old) != identity:
        raise UsageError(f"{old} was replaced while it was read", "wait until its training is over")
    if keep_as.exists():
        if not filecmp.cmp(old, keep_as, shallow=False):
            raise UsageError(f"{keep_as} is there already", "name the new checkpoint with -o")
        yield  # an earlier migration was killed
        return
    try:
        keep_copy(old, keep_as)
        yield
    except BaseException:
        if _identity(old) == identity:
            keep_as.unlink(missing_ok=True)
        raise


def _identity(path: Path) -> tuple[int, int, int]:
    """Give what tells a file from another one that took its place."""
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def _show(document: dict[str, Any], changes: "Changes", *, on_stdout: bool) -> None:
    """Tell what happened: the answer, unless that is the JSON document."""
    say = print if on_stdout else ui.say
    if document["status"] == "up to date":
        say(f"{printable(document['output'])} is up to date, nothing was written")
        return
    rows = [("kept", f"{document['kept']} tensors", "as they were")]
    rows += [
        (entry.kind, printable(entry.name), printable(entry.detail)) for entry in changes.entries
    ]
    width = max(len(name) for _, name, _ in rows)
    for kind, name, detail in rows:
        say(f"{kind:<8}  {name:<{width}}  {detail}")
    for kind, name, _ in rows:
        if kind == "added" and "." in name:
            say(f"Adding {name} to checkpoint.")
    say(f"largest difference of logits, old and new: {document['largest_difference']:g}")
    say(f"wrote {printable(document['output'])}")
    if document["tokenizer"] is None:
        ui.note("no tokenizer could be found for it; name the data with --data-dir")
