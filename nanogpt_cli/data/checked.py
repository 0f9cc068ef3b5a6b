"""Which large files of a dataset were read to their end and found good, so that it is done once.

A file is known by its stamp (size, times and inode), which a change or a copy does not keep. Small
files are read each time, and nothing is written for them.
"""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from nanogpt_cli.errors import MachineError
from nanogpt_cli.files import atomic_write, open_regular
from nanogpt_cli.runs import CHECKED

LARGE = 2**26
"""Bytes of a file from which on it pays to remember what was found."""

_LONGEST = 2**16


class Checked:
    """What is remembered of the files of one dataset folder."""

    def __init__(self, folder: Path, large: int = LARGE) -> None:
        self._file = folder / CHECKED
        self._large = large
        self._found = self._read()
        self._new = False

    def _read(self) -> dict[str, Any]:
        with suppress(OSError, ValueError, RecursionError), open_regular(self._file) as file:
            content = json.loads(file.read(_LONGEST))
            return content if isinstance(content, dict) else {}
        return {}

    def stamp(self, path: Path, what: str) -> list[int | str]:
        """Return what is remembered of a file where ``what`` is true of it now."""
        found = path.stat()
        return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, what]

    def holds(self, path: Path, stamp: list[int | str]) -> bool:
        """Whether it was found in a file with this stamp."""
        return self._found.get(path.name) == stamp

    def add(self, path: Path, stamp: list[int | str]) -> None:
        """Remember it of a large file, of which the stamp was taken before it was read."""
        if isinstance(stamp[0], int) and stamp[0] >= self._large:
            self._found[path.name] = stamp
            self._new = True

    def save(self) -> None:
        """Write it down, where the folder can be written."""
        if self._new and os.access(self._file.parent, os.W_OK):
            with suppress(MachineError, OSError), atomic_write(self._file) as file:
                file.write(json.dumps(self._found).encode())
