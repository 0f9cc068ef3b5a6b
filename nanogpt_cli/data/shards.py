"""The tokens of a split in files of a largest size, written one after the other and read as one.

The first is ``train.bin``, which is all there is of most datasets; then come ``train.1.bin``,
``train.2.bin`` and so on. This module does not know what tokens mean.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from nanogpt_cli.runs import shard_name

SHARD_TOKENS = 2**31
"""Tokens of a file; the last one has fewer."""


class ShardWriter:
    """Writes the tokens of a split into as many files as they need."""

    def __init__(
        self,
        folder: Path,
        split: str,
        width: int,
        size: int = 0,
        seen: Callable[[bytes], None] = lambda data: None,
    ) -> None:
        """Write to a folder; a token has ``width`` bytes.

        What is there is cut down to ``size`` bytes, and written on; ``seen`` gets all that stays.
        Raises OSError, also where less is there.
        """
        self._folder, self._split, self._width = folder, split, width
        self._most = SHARD_TOKENS * width
        self.size = size
        """Bytes so far, in all files."""
        self._file: IO[bytes] = self._path(0).open("r+b" if size else "wb")
        try:
            self._skip(seen)
        except BaseException:
            self._file.close()
            raise

    def _path(self, number: int) -> Path:
        return self._folder / shard_name(self._split, number)

    def _skip(self, seen: Callable[[bytes], None]) -> None:
        """Read what is there, up to ``size``, and leave its last file open there."""
        for number in range(-(-self.size // self._most)):
            if number:
                self._file.close()
                self._file = self._path(number).open("r+b")
            left = min(self._most, self.size - number * self._most)
            while left and (data := self._file.read(min(left, 2**22))):
                seen(data)
                left -= len(data)
            if left:
                raise OSError(f"{self._file.name} is shorter than it was")
            self._file.truncate()

    def sizes(self) -> list[int]:
        """Return the tokens of each file."""
        starts = range(0, max(1, self.size), self._most)
        return [min(self._most, self.size - start) // self._width for start in starts]

    def write(self, data: bytes) -> None:
        """Write whole tokens. Raises OSError where the disk fails."""
        rest = memoryview(data)
        while rest:
            at = self.size % self._most
            if at == 0 and self.size:
                self.sync()
                self._file.close()
                self._file = self._path(self.size // self._most).open("wb")
            part = rest[: self._most - at]
            self._file.write(part)
            self.size += len(part)
            rest = rest[len(part) :]

    def sync(self) -> None:
        """Let what was written reach the disk. Raises OSError where it fails."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the last file."""
        self._file.close()

    def __enter__(self) -> "ShardWriter":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class ShardedTokens:
    """The tokens of several files (N,), read like one array: lengths, slices and arrays of places.

    Files are mapped; what is asked for is copied. All but the last have ``size`` tokens.
    """

    ndim = 1

    def __init__(self, shards: list[npt.NDArray[Any]]) -> None:
        assert shards
        self._shards = shards
        self._size = len(shards[0])
        assert all(len(shard) == self._size for shard in shards[:-1])
        self._length = sum(map(len, shards))
        self.dtype = shards[0].dtype
        self.shape = (self._length,)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, wanted: Any) -> Any:
        """Return a token, or those of a slice or at an array of places, in its shape."""
        if isinstance(wanted, slice):
            return self._slice(*wanted.indices(self._length))
        places = np.asarray(wanted, np.int64)
        places = np.where(places < 0, places + self._length, places)
        if places.size and (places.min() < 0 or places.max() >= self._length):
            raise IndexError(f"there are {self._length} tokens")
        found = np.empty(places.shape, self.dtype)
        of = places // self._size
        for number in np.unique(of):
            found[of == number] = self._shards[number][places[of == number] % self._size]
        return found[()]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """Return a copy of all tokens in memory."""
        whole: npt.NDArray[Any] = self._slice(0, self._length, 1)
        return whole if dtype is None else whole.astype(dtype)

    def _slice(self, start: int, stop: int, step: int) -> npt.NDArray[Any]:
        if step != 1:
            return np.asarray(self[np.arange(start, stop, step)])
        parts = [
            shard[max(0, start - at) : max(0, stop - at)]
            for at, shard in zip(range(0, self._length, self._size), self._shards, strict=True)
            if at < stop and at + len(shard) > start
        ]
        return np.concatenate(parts) if parts else np.empty(0, self.dtype)
