"""A dataset's files in a temporary folder, published whole by one rename.

The rename makes the difference between the old and the new dataset. A new folder appears whole. In
one that exists, the rename gives the folder of the new files the name under which readers prefer
them to the old ones (``runs.dataset_file``), which they then replace one by one; one process at a
time does so. This module knows nothing of what is in the files.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from nanogpt_cli.errors import UsageError
from nanogpt_cli.files import TEMPORARY, sweep, sync_folder
from nanogpt_cli.runs import COMMITTED, LOCK

_DATASET_FILES = ("meta.json", "train.bin", "val.bin", "meta.pkl")


@contextmanager
def temporary_folder(out: Path) -> Iterator[Path]:
    """Make a folder from which a dataset can be published to ``out``, and remove it at the end.

    What killed processes left there is removed first. Raises OSError where it cannot be made.
    """
    base = out if out.exists() else out.parent
    temporary = base / f".{out.resolve().name}.{os.getpid()}{TEMPORARY}"
    base.mkdir(parents=True, exist_ok=True)
    sweep(base)
    temporary.mkdir()
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_durably(path: Path, data: bytes) -> None:
    """Write a file that survives a power cut once its folder is in place."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def check_free(out: Path, force: bool) -> None:
    """Raise UsageError rather than overwrite a dataset without ``force``.

    A publication that was cut short is finished first.
    """
    if (out / COMMITTED).is_dir():
        with _publishing_in(out):
            _finish_publish(out)
    _refuse_existing(out, force)


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
    with _publishing_in(out):
        _finish_publish(out)
        _refuse_existing(out, force)
        temporary.rename(out / COMMITTED)
        sync_folder(out)
        _finish_publish(out)


def _refuse_existing(out: Path, force: bool) -> None:
    """Raise UsageError rather than overwrite a dataset."""
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file", "name a folder with --out")
    present = [name for name in _DATASET_FILES if (out / name).exists()]
    if present and not force:
        raise UsageError(
            f"{out} already holds a dataset ({', '.join(present)})",
            "replace it with --force, or choose another folder with --out",
        )


def _publishing_in(out: Path) -> AbstractContextManager[object]:
    """Return the lock under which one process at a time replaces the files of a folder."""
    import filelock

    return filelock.FileLock(out / LOCK)


def _finish_publish(out: Path) -> None:
    """Move the files of a committed dataset to their places, also those of a killed process."""
    committed = out / COMMITTED
    if not committed.is_dir():
        return
    for name in ("train.bin", "val.bin", "meta.json"):
        with suppress(FileNotFoundError):  # moved before
            (committed / name).replace(out / name)
    (out / "meta.pkl").unlink(missing_ok=True)
    committed.rmdir()
    sync_folder(out)
