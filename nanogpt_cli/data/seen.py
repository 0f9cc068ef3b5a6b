"""A set of hashes in little memory. This module does not know of what they are."""

from array import array


class Seen:
    """A set of numbers of 64 bits that are not 0, in 16 to 32 bytes each."""

    def __init__(self) -> None:
        self._slots = array("Q", bytes(8 * 1024))
        self._count = 0

    def add(self, number: int) -> bool:
        """Add a number; whether it was not there yet."""
        if 2 * self._count >= len(self._slots):
            old = self._slots
            self._slots = array("Q", bytes(16 * len(old)))
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
