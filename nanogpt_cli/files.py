"""Files written whole or not at all: a temporary file beside the target, fsync, rename.

Does not know what is in them.
"""

import errno
import mmap
import os
import secrets
import shutil
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, cast

from nanogpt_cli.errors import MachineError, UsageError

TEMPORARY = ".tmp-nanogpt"
"""How the names of unfinished files and folders end."""
_HELD = ".lock"
"""What follows the name of an unfinished file or folder in that of its lock."""


@contextmanager
def atomic_write(path: Path, large: bool = False) -> Iterator[IO[bytes]]:
    """Open a temporary file that replaces ``path`` once it is complete on the disk.

    Raises MachineError where the disk is full, read-only or broken; ``path`` is then as it was.
    """
    with machine_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with unfinished(path) as temporary:
            with LargeFile(temporary) if large else temporary.open("xb") as file:
                with suppress(OSError):  # there is none yet, or the file system has no modes
                    shutil.copymode(path, temporary)
                yield cast(IO[bytes], file)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            sync_folder(path.parent)


@contextmanager
def unfinished(target: Path) -> Iterator[Path]:
    """Yield a new name beside ``target`` for what will replace it; at the end nothing has it.

    Whoever holds the lock beside it works on it; ``sweep``, which is called first, removes what
    nobody holds. Raises OSError where the folder cannot be written.
    """
    sweep(target.parent)
    while True:
        path = target.with_name(f".{target.name[:32]}.{secrets.token_hex(6)}{TEMPORARY}")
        lock = path.with_name(path.name + _HELD)
        descriptor = os.open(lock, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        if _hold(descriptor):
            break
        os.close(descriptor)
    try:
        yield path
    finally:
        _remove(path)
        with suppress(OSError):  # nothing was written to it
            os.close(descriptor)  # before it goes, because Windows removes no open file
        _remove(lock)


def sweep(folder: Path) -> None:
    """Remove the unfinished files and folders in ``folder`` that nobody works on any more.

    What a process holds stays, in whatever container or on whatever host it runs. Where the file
    system has no locks, all stays.
    """
    for found in [*folder.glob(f".*{TEMPORARY}"), *folder.glob(f".*{TEMPORARY}{_HELD}")]:
        path = found.with_name(found.name.removesuffix(_HELD))
        with suppress(OSError), _taken_over(path.with_name(path.name + _HELD)):
            _remove(path)


@contextmanager
def _taken_over(lock: Path) -> Iterator[None]:
    """Hold a lock that nobody holds, and remove it. Raises OSError where somebody holds it."""
    if sys.platform == "win32" or not os.path.lexists(lock):  # it is always the last to be removed
        lock.unlink(missing_ok=True)  # fails on Windows while somebody has it open
        yield
        return
    descriptor = os.open(lock, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        _lock(descriptor)
        yield
        lock.unlink()  # while it is held: who is about to hold it then sees that it is gone
    finally:
        os.close(descriptor)


def _hold(descriptor: int) -> bool:
    """Lock a new file; False where ``sweep`` came between its creation and this."""
    try:
        _lock(descriptor)
    except BlockingIOError:
        return False
    except OSError:  # the file system has no locks, and nothing is swept
        return True
    return sys.platform == "win32" or os.fstat(descriptor).st_nlink > 0


def _lock(descriptor: int) -> None:
    """Lock a file until it is closed. Raises BlockingIOError where another process has it."""
    if sys.platform != "win32":  # there, a file that is open cannot be removed
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _remove(path: Path) -> None:
    """Remove a file, a link or a folder if it is there and can be removed."""
    try:
        path.unlink(missing_ok=True)
    except OSError:  # among others, because it is a folder
        shutil.rmtree(path, ignore_errors=True)


class LargeFile:
    """A new file, written past the page cache where the system can (Linux's O_DIRECT).

    That takes less than half of the processor time of a copy into the cache, which matters beside
    training on all cores, and what training reads stays in the cache.
    """

    SIZE = 8 << 20
    """Bytes written at a time; direct writes must be whole sectors."""

    def __init__(self, path: Path) -> None:
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
        self._direct: int = getattr(os, "O_DIRECT", 0)
        try:
            self._descriptor = os.open(path, flags | self._direct, 0o666)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            path.unlink(missing_ok=True)  # some systems create it before they refuse
            self._direct = 0
            self._descriptor = os.open(path, flags, 0o666)
        self._buffer = memoryview(
            mmap.mmap(-1, self.SIZE)
        )  # aligned to a page, as direct writes must be
        self._filled = 0

    def write(self, data: bytes) -> int:
        """Write ``data`` and return its length."""
        rest = memoryview(data).cast("B")
        while rest:
            part = rest[: self.SIZE - self._filled]
            self._buffer[self._filled : self._filled + len(part)] = part
            self._filled += len(part)
            rest = rest[len(part) :]
            if self._filled == self.SIZE:
                self._empty()
        return len(data)

    def flush(self) -> None:
        """Pass everything to the system; the end need not be a whole sector."""
        self._through_the_cache()
        self._empty()

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def __enter__(self) -> "LargeFile":
        return self

    def __exit__(self, *exc_info: object) -> None:
        os.close(self._descriptor)

    def _empty(self) -> None:
        rest = self._buffer[: self._filled]
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except OSError as error:
                if error.errno != errno.EINVAL or not self._direct:
                    raise
                self._through_the_cache()  # a part of a sector was left, or sectors are larger
        self._filled = 0

    def _through_the_cache(self) -> None:
        if self._direct:
            import fcntl

            flags = fcntl.fcntl(self._descriptor, fcntl.F_GETFL)
            fcntl.fcntl(self._descriptor, fcntl.F_SETFL, flags & ~self._direct)
            self._direct = 0


def check_replaceable(
    path: Path, is_ours: Callable[[Path], bool], sources: Iterable[Path], force: bool
) -> None:
    """Raise UsageError where something else than ``is_ours`` would be lost by writing ``path``.

    ``force`` replaces any regular file but the ``sources`` of what is written; a folder or a device
    is never replaced.
    """
    if not path.exists():
        return
    if any(source.exists() and path.samefile(source) for source in sources):
        raise UsageError(f"{path} is the source itself", "name another file to write")
    if not path.is_file():
        raise UsageError(f"{path} is not a regular file", "name another file to write")
    if not (force or path.stat().st_size == 0 or is_ours(path)):
        raise UsageError(
            f"{path} already exists and holds something else",
            "name another file to write, or replace it with --force",
        )


def keep_copy(path: Path, copy: Path) -> None:
    """Add a second name to a file, or a copy where the file system has no links."""
    try:
        os.link(path, copy)
    except FileExistsError:
        raise
    except OSError:
        with path.open("rb") as source, atomic_write(copy) as target:
            with suppress(OSError):  # the file system has no modes
                shutil.copymode(path, target.name)
            shutil.copyfileobj(source, target)


def identity(path: Path) -> object:
    """Return what distinguishes a file from one that replaces it; None where it is gone."""
    with suppress(FileNotFoundError):
        found = path.stat()
        return found.st_ino, found.st_size, found.st_mtime_ns
    return None


def is_open_as(descriptor: int, path: Path) -> bool:
    """Whether ``path`` is the file or folder that is open under a descriptor."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False


def path_of(descriptor: int) -> Path | None:
    """Return where an open file or folder is now, whatever it was renamed to.

    None where it is gone, and where the system does not tell: Linux and macOS do.
    """
    try:
        import fcntl

        if command := getattr(fcntl, "F_GETPATH", 0):
            found = os.fsdecode(fcntl.fcntl(descriptor, command, bytes(1024)).rstrip(b"\0"))
        else:
            found = os.readlink(f"/proc/self/fd/{descriptor}")
    except (ImportError, OSError):
        return None
    return path if is_open_as(descriptor, path := Path(found)) else None


def open_regular(path: Path) -> IO[bytes]:
    """Open a regular file for reading, without waiting.

    Raises OSError, also for what is not a regular file: a named pipe would wait for a writer, and
    a device such as /dev/zero never ends.
    """
    flags = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, os.O_RDONLY | flags)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is not a regular file", str(path))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def sync_folder(folder: Path) -> None:
    """Make a rename inside ``folder`` survive a power failure, where the system can.

    Raises OSError where it can but fails: the new file is in place, but may not survive.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:  # Windows, an unreadable folder, file systems without this
        if error.errno not in (errno.EACCES, errno.EINVAL, errno.ENOTSUP):
            raise


@contextmanager
def machine_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's errors on ``path`` into a MachineError with a hint."""
    hints = {
        errno.ENOSPC: "free some space on that disk, then run the command again",
        errno.EDQUOT: "free some space on that disk, then run the command again",
        errno.EROFS: "choose a folder on a writable disk",
        errno.EACCES: "choose a folder that you may write to",
        errno.EPERM: "choose a folder that you may write to",
        errno.ENOTDIR: "a part of that path is a file; choose another folder",
        errno.ELOOP: "it is a link to another file; remove the link",
        errno.EEXIST: "a file has that name; choose another folder",
        errno.ENAMETOOLONG: "choose a shorter name with --out, --out-dir or -o",
        errno.EFBIG: "the system limits the size of files here (ulimit -f)",
    }
    try:
        yield
    except OSError as error:
        what = error.strerror or str(error)
        hint = hints.get(error.errno or 0, "check the disk, then run the command again")
        raise MachineError(f"cannot write {path}: {what}", hint) from error
