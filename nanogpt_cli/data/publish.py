"""A dataset's files in a temporary folder, published whole by one rename.

The rename makes the difference between the old and the new dataset. A new folder appears whole. In
one that exists, the rename gives the folder of the new files the name under which readers prefer
them to the old ones (``runs.dataset_file``), which they then replace one by one; one process at a
time does so. This module knows nothing of what is in the files.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nanogpt_cli.errors import UsageError
from nanogpt_cli.files import TEMPORARY, machine_errors, open_regular, sync_folder, unfinished
from nanogpt_cli.runs import CHECKED, COMMITTED, LOCK, TEXT_INDEX, has_committed, later_shards

_ALWAYS = ("train.bin", "val.bin", "meta.json")
_SOMETIMES = ("train.mask", "val.mask")
_DATASET_FILES = (*_ALWAYS, *_SOMETIMES, "meta.pkl")

_PATIENCE = 10.0
"""Seconds for which a finished dataset waits until another process is done with its folder."""


@contextmanager
def temporary_folder(out: Path) -> Iterator[Path]:
    """Make a folder from which a dataset can be published to ``out``, and remove it at the end.

    Its files have the modes of those that they will replace. Raises OSError where it cannot be
    made.
    """
    base = out if out.exists() else out.parent
    base.mkdir(parents=True, exist_ok=True)
    with unfinished(base / (out.name or "dataset")) as temporary:
        temporary.mkdir()
        for name in _ALWAYS:
            if (out / name).is_file():
                (temporary / name).touch()
                with suppress(OSError):  # the file system has no modes
                    shutil.copymode(out / name, temporary / name)
        yield temporary


def write_durably(path: Path, data: bytes) -> None:
    """Write a file that survives a power cut once its folder is in place."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def check_free(out: Path, force: bool) -> None:
    """Raise UsageError rather than overwrite a dataset without ``force``, or disturb a run.

    A publication that was cut short is finished first. Raises MachineError where the disk fails.
    """
    with machine_errors(out):
        _check_place(out)
        if has_committed(out) or os.path.lexists(out / LOCK):
            with _publishing_in(out, wait=1.0):
                _finish_publish(out)
    _refuse_existing(out, force)


def _check_place(out: Path) -> None:
    """Raise UsageError where no dataset can be put, and for names that only nanogpt uses."""
    if out.name.endswith(TEMPORARY) or out.name in (COMMITTED, LOCK):
        raise UsageError(f"{out} is a name for nanogpt's own files", "choose another with --out")
    if os.path.lexists(out) and not out.is_dir():
        what = "a file" if out.exists() else "a link that leads nowhere"
        raise UsageError(f"{out} is {what}", "name a folder with --out")
    if os.path.lexists(out / COMMITTED) and not has_committed(out):
        raise UsageError(
            f"{out / COMMITTED} is not a folder of nanogpt's",
            "remove it, or choose another folder with --out",
        )


def publish(temporary: Path, out: Path, force: bool) -> None:
    """Put a complete dataset in its place; other files in that folder stay as they are.

    Raises UsageError where another process was first, and OSError where the disk fails.
    """
    sync_folder(temporary)
    if not out.exists():
        try:
            temporary.rename(out)
        except OSError:
            if not out.exists():
                raise  # else another process has published there since
        else:
            sync_folder(out.parent)
            return
    with _publishing_in(out, wait=_PATIENCE):
        _finish_publish(out)
        _refuse_existing(out, force)
        temporary.rename(out / COMMITTED)
        sync_folder(out)
        _finish_publish(out)


def _refuse_existing(out: Path, force: bool) -> None:
    """Raise UsageError rather than overwrite a dataset."""
    present = [name for name in _DATASET_FILES if os.path.lexists(out / name)]
    if present and not force:
        raise UsageError(
            f"{out} already holds a dataset ({', '.join(present)})",
            "replace it with --force, or choose another folder with --out",
        )


@contextmanager
def _publishing_in(out: Path, wait: float) -> Iterator[None]:
    """Hold the lock under which one process at a time replaces the files of a folder.

    Raises UsageError where another process holds it for longer than ``wait`` seconds, as a run
    does that trains there.
    """
    import filelock

    lock = filelock.FileLock(out / LOCK, timeout=wait)
    with machine_errors(out / LOCK):
        try:
            lock.acquire()
        except filelock.Timeout as error:
            raise UsageError(
                f"{_holder(out)} is using {out}: its lock was not free within {wait:g} s",
                "choose another folder with --out, or wait until it ends",
            ) from error
    try:
        yield
    finally:
        lock.release()


def _holder(out: Path) -> str:
    """Name who holds a folder: a run writes its process into the lock, and ``prepare`` nothing."""
    with suppress(OSError), open_regular(out / LOCK) as file:
        if process := file.read(80).decode(errors="replace"):
            return f"a run (process {process})"
    return "another process"


def _finish_publish(out: Path) -> None:
    """Move the files of a committed dataset to their places, also those of a killed process."""
    committed = out / COMMITTED
    if not has_committed(out):
        return
    if os.path.lexists(committed / _ALWAYS[0]):  # nothing was moved yet
        for name in (*_SOMETIMES, *later_shards(out)):
            if not os.path.lexists(committed / name):
                (out / name).unlink(missing_ok=True)
    for name in (*_ALWAYS, *_SOMETIMES, *later_shards(committed)):
        with suppress(FileNotFoundError):  # moved before
            (committed / name).replace(out / name)
    for name in ("meta.pkl", TEXT_INDEX, CHECKED):  # of the dataset that was replaced
        (out / name).unlink(missing_ok=True)
    committed.rmdir()
    sync_folder(out)
