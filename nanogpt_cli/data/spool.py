"""Many numbers in little memory: beyond some, in a temporary file without a name.

This module does not know of what they are.
"""

import tempfile
import weakref
from array import array
from collections.abc import Iterable, Iterator
from typing import IO, Any, Generic, TypeVar

Number = TypeVar("Number", int, float)

IN_MEMORY = 2**20
"""Numbers that are held in memory."""


class Spool(Generic[Number]):
    """Numbers of one type, appended one by one and read in order, again and again."""

    def __init__(self, typecode: str, numbers: Iterable[Number] = ()) -> None:
        """Make it; ``typecode`` is one of the module array: d, Q or B."""
        self._typecode = typecode
        self._held: array[Any] = array(typecode)
        self._file: IO[bytes] | None = None
        self._written = 0
        for number in numbers:
            self.append(number)

    def __len__(self) -> int:
        return self._written + len(self._held)

    def append(self, number: Number) -> None:
        """Add a number. Raises OSError where the disk is full."""
        self._held.append(number)
        if len(self._held) >= IN_MEMORY:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="nanogpt-")  # noqa: SIM115
                weakref.finalize(self, self._file.close)
            self._file.seek(0, 2)
            self._held.tofile(self._file)
            self._file.flush()
            self._written += len(self._held)
            self._held = array(self._typecode)

    def __iter__(self) -> Iterator[Number]:
        for part in self.parts():
            yield from part

    def parts(self) -> "Iterator[array[Any]]":
        """Yield all numbers in arrays of at most ``IN_MEMORY``."""
        width = self._held.itemsize
        for start in range(0, self._written, IN_MEMORY):
            assert self._file
            self._file.seek(start * width)
            part = array(self._typecode)
            part.frombytes(self._file.read(min(IN_MEMORY, self._written - start) * width))
            yield part
        yield self._held
