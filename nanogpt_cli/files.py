"""Files written whole or not at all: a temporary file beside the target, fsync, rename."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from nanogpt_cli.errors import MachineError

TEMPORARY = ".tmp-nanogpt"
"""How the names of unfinished files and folders end."""


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file that takes the place of ``path`` once it is complete on the disk.

    Raises MachineError where the disk is full, read-only or broken; ``path`` is then as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY}")
    with machine_errors(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            sweep(path.parent, path.name)
            with temporary.open("xb") as file:  # never through a link that somebody laid there
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            sync_folder(path.parent)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise


def keep_copy(path: Path, copy: Path) -> None:
    """Give a file a second name, or a copy where the file system has no links."""
    try:
        os.link(path, copy)
    except FileExistsError:
        raise
    except OSError:
        with path.open("rb") as source, atomic_write(copy) as target:
            shutil.copyfileobj(source, target)


def sync_folder(folder: Path) -> None:
    """Make a rename inside ``folder`` last through a power cut, where the system can.

    Raises OSError where it can and fails: the new file is in place, but may not last.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:  # Windows, a folder not to be read, file systems without this
        if error.errno not in (errno.EACCES, errno.EINVAL, errno.ENOTSUP):
            raise


def sweep(folder: Path, name: str = "") -> None:
    """Remove what killed processes left unfinished in ``folder``, all of it or that of one name.

    What a living process has under way stays.
    """
    for stale in folder.glob(f".*{TEMPORARY}"):
        if stale.name.startswith(f".{name}") and not _is_another_process(stale.name.split(".")[-2]):
            if stale.is_dir() and not stale.is_symlink():
                shutil.rmtree(stale, ignore_errors=True)
            else:
                with suppress(OSError):
                    stale.unlink()


def _is_another_process(number: str) -> bool:
    """Tell whether a process is alive that is not ours; a restarted container gives one number."""
    import psutil

    try:
        return int(number) != os.getpid() and psutil.pid_exists(int(number))
    except (ValueError, OverflowError):
        return False


@contextmanager
def machine_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's errors on ``path`` into a MachineError with a hint."""
    hints = {
        errno.ENOSPC: "free some space on that disk and run the command again",
        errno.EDQUOT: "free some space on that disk and run the command again",
        errno.EROFS: "choose a folder on a disk that can be written",
        errno.EACCES: "choose a folder that you may write to",
        errno.EPERM: "choose a folder that you may write to",
        errno.ENOTDIR: "a part of that path is a file, choose another folder",
        errno.ELOOP: "it is a link to another file; remove the link",
        errno.EEXIST: "a file has that name, choose another folder",
        errno.EFBIG: "the system limits the size of files here (ulimit -f)",
    }
    try:
        yield
    except OSError as error:
        what = error.strerror or str(error)
        hint = hints.get(error.errno or 0, "check the disk, then run the command again")
        raise MachineError(f"cannot write {path}: {what}", hint) from error
