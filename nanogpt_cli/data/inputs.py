"""What a user names, as files to read: files, folders, globs and pipes.

A file and a folder are read once, however many names and links lead to them. This module knows
neither what is in the files nor what they are for.
"""

import errno
import glob
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from functools import partial
from itertools import dropwhile
from pathlib import Path
from typing import IO

from nanogpt_cli.data.formats.base import Report
from nanogpt_cli.data.signatures import encoding_of, is_text
from nanogpt_cli.data.unpack import SUFFIXES, inner_name, packing_of
from nanogpt_cli.errors import DataError, MachineError
from nanogpt_cli.files import machine_errors, open_regular
from nanogpt_cli.registry import FORMATS

File = tuple[Path, str]
"""A regular file and the name under which the user knows it."""

_TEXT_SUFFIXES = {
    ".txt", ".text", ".md", ".markdown", ".rst", ".org", ".tex", ".adoc", ".xml",
    ".log", ".py", ".js", ".ts", ".c", ".h", ".cpp", ".hpp", ".rs", ".go", ".java",
    ".rb", ".sh", ".sql", ".css",
}  # fmt: skip
"""What is taken for text in a folder, beside the suffixes of the formats."""

_MAYBE_SETTINGS = {".json"}
"""Suffixes of files that are read of a folder only where a format recognises their content."""

_HEAD = 2**13
_CHUNK = 2**20
_COPIED_FREELY = 2**26
"""Bytes of a pipe that are copied before the free space of the disk is looked at."""
_KEPT_FREE = 2**30
"""Bytes that the copy of a pipe leaves free, or a tenth of a smaller disk."""


def find_files(inputs: Iterable[str], stack: ExitStack, report: Report) -> list[File]:
    """Return the files that are named, in a stable order, each once; ``report`` gets the rest.

    ``stack`` removes the copies of pipes. Raises DataError for an input that is missing, a device,
    or a folder with nothing to read, and MachineError where a pipe does not fit on the disk.
    """
    files: dict[object, File] = {}
    for name in inputs:
        for path, shown in _files_of(name, stack, report):
            if _identity(path) in files:
                report.add(
                    "name of a file that is read already was left out",
                    "names of files that are read already were left out",
                )
            else:
                files[_identity(path)] = path, shown
    return list(files.values())


def head_of(path: Path, size: int) -> bytes:
    """Read the first bytes of a file, or the last where ``size`` is negative."""
    try:
        with open_regular(path) as file:
            if size < 0:
                file.seek(max(0, os.fstat(file.fileno()).st_size + size))
            return file.read(abs(size))
    except OSError as error:
        raise unreadable(str(path), error) from error


def unreadable(name: str, error: OSError) -> DataError:
    """Return the error for an input that cannot be read."""
    return DataError(f"cannot read {name}: {error.strerror}", "check the file and its permissions")


def _files_of(name: str, stack: ExitStack, report: Report) -> list[File]:
    """Return the files of one input."""
    if name == "-":
        return [(_copied(sys.stdin.buffer, "stdin", stack), "stdin")]
    path = Path(name)
    if os.path.isdir(path):
        found = _files_in(path, report)
        if not found:
            raise DataError(
                f"there is no text file in {name}", "name a folder that holds .txt files"
            )
        return [(file, str(file)) for file in found]
    if os.path.isfile(path):
        return [(path, name)]
    if os.path.exists(path):  # a pipe, as the shell's <(command) is
        try:
            pipe = stack.enter_context(path.open("rb"))
        except OSError as error:
            raise unreadable(name, error) from error
        return [(_copied(pipe, name, stack), name)]
    try:
        path.stat()
    except PermissionError as error:
        raise unreadable(name, error) from error
    except OSError:
        pass  # it may be a glob
    if matches := [match for match in sorted(_matches(name, report)) if os.path.isfile(match)]:
        return [(Path(match), match) for match in matches]
    raise DataError(f"there is no file or folder {name}", "check the name and the folder")


def _files_in(folder: Path, report: Report) -> list[Path]:
    """Return the text files in a folder and its subfolders."""
    texts = []
    for path in sorted(p for _, files in _walk(folder, report) for p in files):
        if path.is_file() and _is_read(path):
            texts.append(path)
        else:
            report.add(
                f"file of {folder} is not text and was left out",
                f"files of {folder} are not text and were left out",
            )
    return texts


def is_text_name(name: str) -> bool:
    """Whether a file with this name is taken for text, in a folder or an archive."""
    suffixes = _TEXT_SUFFIXES.union(*(FORMATS.get(form).suffixes for form in FORMATS))
    return Path(name).suffix.lower() in suffixes


def _is_read(path: Path) -> bool:
    """Whether a file in a folder is called and begins as text, packed or not.

    One that may also be settings must have records.
    """
    packed = path.suffix.lower() in SUFFIXES
    if not packed and not is_text_name(path.name):
        return False
    head = head_of(path, _HEAD)
    if packed:
        inside = inner_name(path.name)
        return packing_of(head) is not None and (inside == path.name or is_text_name(inside))
    if path.suffix.lower() not in _MAYBE_SETTINGS or not is_text(head):
        return is_text(head)
    text = head.decode(encoding_of(head), "ignore").removeprefix("\ufeff")
    return any(FORMATS.get(name).sniff(text) for name in FORMATS)


def _walk(root: Path, report: Report) -> Iterator[tuple[Path, list[Path]]]:
    """Yield a folder and its subfolders with their files, without hidden ones.

    Links are followed last, and no folder is read twice: links may form circles.
    """
    waiting, seen = [root], set[object]()
    while waiting:
        folder = waiting.pop(0)
        try:
            if _identity(folder) in seen:
                continue
            seen.add(_identity(folder))
            entries = sorted(p for p in folder.iterdir() if not p.name.startswith("."))
        except OSError:
            report.warn(f"{folder} cannot be read and was left out")
            continue
        if folder != root and folder.is_symlink():
            report.warn(f"{folder} is a link to a folder and was read too")
        folders: dict[bool, list[Path]] = {False: [], True: []}  # by whether they are links
        files: list[Path] = []
        for path in entries:
            (folders[path.is_symlink()] if os.path.isdir(path) else files).append(path)
        yield folder, files
        waiting = [*folders[False], *waiting, *folders[True]]


def _matches(pattern: str, report: Report) -> set[str]:
    """Return what a glob matches; ``**`` stands for a folder and those below it."""
    parts = Path(pattern).parts
    if "**" not in parts:
        return set(glob.glob(pattern))
    start = parts.index("**")
    rest = tuple(dropwhile("**".__eq__, parts[start:])) or ("*",)
    return {
        match
        for base in glob.glob(str(Path(*parts[:start])))
        for folder, _ in _walk(Path(base), report)
        for match in _matches(str(Path(glob.escape(str(folder)), *rest)), report)
    }


def _identity(path: Path) -> object:
    """Return what all names of a file or folder share."""
    found = path.stat()
    return (found.st_dev, found.st_ino) if found.st_ino else path.resolve()


def _copied(pipe: IO[bytes], name: str, stack: ExitStack) -> Path:
    """Copy what can be read only once to a temporary file."""
    with suppress(OSError):  # a stream in memory has no descriptor
        mode = os.fstat(pipe.fileno()).st_mode
        if stat.S_ISBLK(mode) or (stat.S_ISCHR(mode) and not pipe.isatty()):
            raise DataError(f"{name} is a device", "name a file, or pipe its text into the command")
    with machine_errors(Path("a temporary file")):
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="nanogpt-"))
    path, size = Path(folder, "text"), 0
    with machine_errors(path), path.open("wb") as copy:
        for data in iter(partial(_read, pipe, name), b""):
            if size > _COPIED_FREELY:
                _check_space(Path(folder), name)
            size += copy.write(data)
    return path


def _read(pipe: IO[bytes], name: str) -> bytes:
    """Read a part of a pipe; empty at its end."""
    try:
        data: bytes | None = pipe.read(_CHUNK)
        if data is None:  # no text yet, and the pipe is set not to wait
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    except OSError as error:
        raise unreadable(name, error) from error
    return data


def _check_space(folder: Path, name: str) -> None:
    """Raise MachineError before a disk is full, which other programs use too."""
    disk = shutil.disk_usage(folder)
    if disk.free < min(_KEPT_FREE, disk.total // 10):
        raise MachineError(
            f"cannot copy {name} to {folder.parent}: only {disk.free / 1e6:,.0f} MB are left there",
            "set TMPDIR to a folder on a larger disk, or save the text as a file and name that",
        )
