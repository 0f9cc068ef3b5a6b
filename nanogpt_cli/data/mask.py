"""Which tokens the loss counts: one bit per token, beside the tokens of a dataset.

Bit i, the lowest of each byte first, says whether token i counts where it is to be predicted. This
module knows neither datasets nor why a token counts.

Shape letters: N tokens of a text; any shape may be asked for.
"""

import hashlib
from collections.abc import Mapping
from typing import IO, Any

import numpy as np
import numpy.typing as npt

_AT_ONCE = 2**26
"""Bytes of a mask that are counted at a time."""


class LossMask:
    """The mask of a text of N tokens, usually mapped from a file."""

    def __init__(self, bits: npt.NDArray[np.uint8], length: int) -> None:
        assert len(bits) == mask_bytes(length)
        self._bits = bits
        self._length = length

    def __len__(self) -> int:
        """Return N."""
        return self._length

    def at(self, places: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Return whether the tokens at ``places`` count, in the same shape."""
        found = np.bitwise_and(np.right_shift(self._bits[places >> 3], places & 7), 1)
        return np.asarray(found, dtype=np.bool_)

    def count(self) -> int:
        """Return how many tokens count."""
        starts = range(0, len(self._bits), _AT_ONCE)
        return sum(int(np.bitwise_count(self._bits[i : i + _AT_ONCE]).sum()) for i in starts)

    def ends_in_zeros(self) -> bool:
        """Whether the bits beyond the last token are 0, as in every mask that was written whole."""
        return self._length % 8 == 0 or not int(self._bits[-1]) >> self._length % 8

    @classmethod
    def of(cls, counted: npt.NDArray[np.bool_]) -> "LossMask":
        """Return the mask that says so of each token (N,)."""
        return cls(np.packbits(counted, bitorder="little"), len(counted))


def mask_bytes(tokens: int) -> int:
    """Return the bytes of the mask of so many tokens."""
    return (tokens + 7) // 8


class MaskWriter:
    """Writes a mask of which it is told a stretch at a time."""

    def __init__(self, file: IO[bytes]) -> None:
        self.sha256: Any = hashlib.sha256()
        self.counted = 0
        """How many tokens count so far."""
        self._file = file
        self._size = 0
        self._rest: npt.NDArray[np.bool_] = np.zeros(0, dtype=np.bool_)

    def add(self, counted: npt.NDArray[np.bool_]) -> None:
        """Write what is known of the next tokens (N,). Raises OSError where the disk fails."""
        self.counted += int(np.count_nonzero(counted))
        joined = np.concatenate([self._rest, counted])
        whole = len(joined) // 8 * 8
        self._write(joined[:whole])
        self._rest = joined[whole:]

    def finish(self) -> None:
        """Write the last bits, and zeros after them. Raises OSError where the disk fails."""
        self._write(self._rest)
        self._rest = self._rest[:0]

    def state(self) -> dict[str, Any]:
        """Return how far it is, for ``restore``."""
        return {
            "bytes": self._size,
            "counted": self.counted,
            "rest": [bool(value) for value in self._rest],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where ``state`` says, in a file that is open at its start.

        Raises OSError where less was written.
        """
        left = self._size = state["bytes"]
        while left and (data := self._file.read(min(left, 2**22))):
            self.sha256.update(data)
            left -= len(data)
        if left:
            raise OSError("the mask is shorter than it was")
        self._file.truncate()
        self.counted = state["counted"]
        self._rest = np.array(state["rest"], dtype=np.bool_)

    def _write(self, counted: npt.NDArray[np.bool_]) -> None:
        data = np.packbits(counted, bitorder="little").tobytes()
        self._file.write(data)
        self._size += len(data)
        self.sha256.update(data)
