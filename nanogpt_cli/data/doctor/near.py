"""Documents that are almost copies of others, in a sample, by MinHash (Broder 1997).

A sketch keeps, of 64 hash functions, the smallest value over all stretches of 16 bytes of a
document's beginning; the part of equal values estimates the Jaccard similarity of two documents.
Only those are compared that agree in one of 8 bands. This module does not know where documents
come from.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nanogpt_cli.errors import raise_unrelated

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

HEAD = 1024
"""Bytes of a document that are compared."""
SHORTEST = 64
"""Bytes of a document below which it is not compared: short ones are alike by chance."""
_SHINGLE = 16
_HASHES, _BANDS = 64, 8
_SIMILAR = 0.8
"""Estimated similarity from which on a document is almost a copy."""
_LENGTHS = 0.8
"""What part of one's length the other has at least."""
_AT_ONCE = 512


@dataclass(frozen=True)
class Sampled:
    """A document of the sample."""

    index: int
    """Its number in the input."""
    head: bytes
    length: int


class Sample:
    """At most ``2 * size`` different documents, drawn by a hash of their content."""

    def __init__(self, size: int = 8192) -> None:
        self._size = size
        self._bound = 1.0
        self._found: dict[float, Sampled] = {}

    def wants(self, draw: float) -> bool:
        """Whether a document with this number in [0, 1) is to be added."""
        return draw < self._bound and draw not in self._found

    def add(self, draw: float, index: int, head: bytes, length: int) -> None:
        """Add a document of ``length`` bytes that begins with ``head``."""
        self._found[draw] = Sampled(index, head, length)
        if len(self._found) >= 2 * self._size:
            self._bound = sorted(self._found)[self._size]
            self._found = {d: s for d, s in self._found.items() if d < self._bound}

    def items(self) -> list[tuple[float, Sampled]]:
        """Return the documents that can be compared, by their numbers."""
        found = sorted(self._found.items())
        return [(draw, one) for draw, one in found if one.length >= SHORTEST]

    @property
    def complete(self) -> bool:
        """Whether it holds every document."""
        return self._bound == 1.0


def near_copies(documents: Sequence[Sampled]) -> Iterator[tuple[int, int]]:
    """Yield pairs of positions in ``documents`` that are almost copies, each later one once a band.

    Nothing where the package rensa is missing.
    """
    sketches = _sketches([one.head for one in documents])
    if sketches is None:
        return
    import numpy as np

    width = _HASHES // _BANDS
    for band in range(_BANDS):
        columns = np.ascontiguousarray(sketches[:, band * width : (band + 1) * width])
        keys = columns.view(np.dtype((np.void, columns.itemsize * width))).ravel()
        order = np.argsort(keys, kind="stable")
        same = np.flatnonzero(keys[order[1:]] == keys[order[:-1]])
        for at in same.tolist():
            one, other = int(order[at]), int(order[at + 1])
            if _alike(documents[one], documents[other]) and (
                float((sketches[one] == sketches[other]).mean()) >= _SIMILAR
            ):
                yield one, other


def _alike(one: Sampled, other: Sampled) -> bool:
    shorter, longer = sorted((one.length, other.length))
    return shorter >= _LENGTHS * longer


def _sketches(heads: Sequence[bytes]) -> "npt.NDArray[np.uint32] | None":
    """Return the sketches (N, 64) of texts of ``_SHINGLE`` bytes or more."""
    import numpy as np

    try:
        from rensa import RMinHash

        rows: list[Any] = []
        for start in range(0, len(heads), _AT_ONCE):
            hashes = [_shingles(head) for head in heads[start : start + _AT_ONCE]]
            ends = np.cumsum([0, *map(len, hashes)]).tolist()
            matrix = RMinHash.digest_matrix_from_flat_token_hashes(
                np.concatenate(hashes), ends, _HASHES, 1
            )
            rows.append(np.array(matrix.to_rows(), np.uint32))
    except Exception as error:  # it is not installed, or cannot run here
        raise_unrelated(error)
        return None
    return np.concatenate(rows) if rows else None


def _shingles(data: bytes) -> "npt.NDArray[np.uint64]":
    """Return a hash of each stretch of ``_SHINGLE`` bytes."""
    import numpy as np

    words = np.ndarray((len(data) - 7,), "<u8", data, 0, (1,))
    first = words[: len(words) - _SHINGLE // 2] * np.uint64(0x9E3779B97F4A7C15)
    second = words[_SHINGLE // 2 :] * np.uint64(0xC2B2AE3D27D4EB4F)
    return np.asarray(first ^ (second >> np.uint64(7)), np.uint64)
