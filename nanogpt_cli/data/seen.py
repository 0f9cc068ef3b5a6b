"""A set of hashes in little memory. This module does not know of what they are."""

import mmap
import tempfile

IN_MEMORY = 2**22
"""Slots of 8 bytes beyond which they are in a temporary file without a name."""


class Seen:
    """A set of numbers of 64 bits that are not 0, in 16 to 32 bytes each."""

    def __init__(self) -> None:
        self._slots = _empty(1024)
        self._count = 0

    def add(self, number: int) -> bool:
        """Add a number; whether it was not there yet."""
        if 2 * self._count >= len(self._slots):
            old = self._slots
            self._slots = _empty(2 * len(old))
            for known in filter(None, old):
                self._slots[self._place(known)] = known
        place = self._place(number)
        new = self._slots[place] == 0
        self._slots[place] = number
        self._count += new
        return new

    def __contains__(self, number: int) -> bool:
        return self._slots[self._place(number)] == number

    def _place(self, number: int) -> int:
        """Return where a number is, or would be put."""
        size = len(self._slots)
        place = (number >> 20) % size
        while self._slots[place] not in (0, number):
            place = (place + 1) % size
        return place


def _empty(slots: int) -> memoryview:
    """Return so many zeros of 64 bits. Raises OSError where the disk is full."""
    if slots <= IN_MEMORY:
        return memoryview(bytearray(8 * slots)).cast("Q")
    with tempfile.TemporaryFile(prefix="nanogpt-") as file:
        file.truncate(8 * slots)
        return memoryview(mmap.mmap(file.fileno(), 8 * slots)).cast("Q")
