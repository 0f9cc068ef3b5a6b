"""Bring an old checkpoint up to date on the disk, keep the old one, and prove the result.

What ``nanogpt migrate-ckpt`` does, without the command line.
"""

import filecmp
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import filelock
import torch

from nanogpt_cli.checkpoint.load import attach_tokenizer, load_checkpoint, read_content, upgrade
from nanogpt_cli.checkpoint.migrations import Changes
from nanogpt_cli.checkpoint.proof import largest_difference, same_content
from nanogpt_cli.checkpoint.schema import RELATIVE, Checkpoint
from nanogpt_cli.errors import CheckpointError, NanoGPTError, UnreadableError, UsageError
from nanogpt_cli.files import check_replaceable, identity, keep_copy
from nanogpt_cli.runs import LOCK


@dataclass(frozen=True)
class MigrationResult:
    """What a migration did."""

    source: Path
    output: Path
    changes: Changes
    kept: int
    """How many tensors are as they were."""
    pos_embd: str
    tokenizer: str | None
    """The kind of tokenizer that the new checkpoint carries."""
    largest_difference: float | None = None
    """Between the logits of the old model and the new one; None where nothing was written."""

    @property
    def is_written(self) -> bool:
        """Whether there was anything to do."""
        return self.largest_difference is not None


def migrate(
    old: Path,
    output: Path | None = None,
    *,
    pos_embd: Literal["relative", "keep"] = "relative",
    data_dir: Path | None = None,
    force: bool = False,
) -> MigrationResult:
    """Write an up-to-date checkpoint to ``output``, and prove that it computes the same.

    Without ``output``, X_original.pt becomes X.pt beside it; any other X.pt is kept as
    X_original.pt and replaced. ``pos_embd`` relative adds a zero table to absolute positions.
    ``data_dir`` is the data it was trained on, for its tokenizer. Nothing is written where the new
    checkpoint is already there.

    Raises CheckpointError where ``old`` cannot be used, UsageError where a file is in the way that
    ``force`` does not replace or a run is training in the folder, and MachineError where the disk
    fails.
    """
    target, keep_as = _places(old, output)
    was = identity(old)
    before, changes = upgrade(read_content(old), old)
    after = attach_tokenizer(before, old, data_dir)
    kind = after.tokenizer["kind"] if after.tokenizer else None
    if before.tokenizer is None and kind is not None:
        changes.add("added", "tokenizer", kind)
        changes.steps.append("attach_tokenizer")
    if pos_embd == "relative":
        after = add_relative_table(after, changes)
    kept = len(after.model.keys() & before.model.keys())
    result = MigrationResult(old, target, changes, kept, after.config.pos_embd, kind)
    if keep_as is None:
        if _is_there(target, after, old, force):
            return result
        with _no_run_in(target.parent):
            after.save(target)
    else:
        if not changes.steps:
            return result
        with _no_run_in(target.parent), _kept(old, keep_as, was):
            after.save(target)
    difference = largest_difference(before, load_checkpoint(target))
    return replace(result, largest_difference=difference)


def add_relative_table(checkpoint: Checkpoint, changes: Changes) -> Checkpoint:
    """Return a model of absolute positions with a zero relative table beside: the same function.

    A model that has relative or rotary positions already is returned as it is.
    """
    config = checkpoint.config
    if config.pos_embd != "default":
        return checkpoint
    table = torch.zeros(config.block_size, config.n_head)
    changes.add("added", RELATIVE, f"zeros {tuple(table.shape)}, trained from here on")
    if checkpoint.training is not None:
        changes.add("dropped", "training", "the optimizer's state, which lacks such a table")
    changes.steps.append("add_relative_table")
    return replace(
        checkpoint,
        config=replace(config, pos_embd="relative", absolute_table=True),
        model={**checkpoint.model, RELATIVE: table},
        training=None,
    )


def _places(old: Path, output: Path | None) -> tuple[Path, Path | None]:
    """Return where the new checkpoint goes, and what the old one is renamed to, if it is."""
    if not old.is_file():
        raise CheckpointError(f"there is no file {old}", "check the path")
    if output is not None:
        return output, None
    if old.stem.endswith("_original"):
        return old.with_name(old.stem.removesuffix("_original") + old.suffix), None
    return old, old.with_name(f"{old.stem}_original{old.suffix}")


def _is_there(target: Path, after: Checkpoint, old: Path, force: bool) -> bool:
    """Whether ``target`` is this very model. Raises UsageError where it is something else."""

    def is_same(path: Path) -> bool:
        try:
            return same_content(load_checkpoint(path), after)
        except UnreadableError:
            raise
        except NanoGPTError:
            return False

    check_replaceable(target, is_same, [old], force)
    return not force and target.exists() and target.stat().st_size > 0


@contextmanager
def _no_run_in(folder: Path) -> Iterator[None]:
    """Keep training out of a run's folder. Raises UsageError where it is under way."""
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
def _kept(old: Path, keep_as: Path, was: object) -> Iterator[None]:
    """Keep the old file under a second name while another takes its place.

    Where that fails, the second name is removed again. Raises UsageError where the name is taken,
    or the file is no longer the one that was read (``was`` is its identity then).
    """
    if identity(old) != was:
        raise UsageError(f"{old} was replaced while it was read", "wait until its training is over")
    if keep_as.exists():
        if not filecmp.cmp(old, keep_as, shallow=False):
            raise UsageError(f"{keep_as} already exists", "name the new checkpoint with -o")
        yield  # an earlier migration was killed
        return
    try:
        keep_copy(old, keep_as)
        yield
    except BaseException:
        if identity(old) == was:
            keep_as.unlink(missing_ok=True)
        raise
