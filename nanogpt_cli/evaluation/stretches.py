"""Stretches of a text, by its bytes: what a loss is resampled over, the same for all tokenizers."""

import numpy as np
import numpy.typing as npt

from nanogpt_cli.evaluation.statistics import Floats

STRETCH = 256
"""Bytes of text in a stretch."""


class Stretches:
    """Adds up nats, tokens and bytes by stretch, as the windows of a text come in their order."""

    def __init__(self) -> None:
        self._sums = np.zeros((64, 3))
        self._bytes = 0

    def add(self, nats: npt.NDArray[np.floating], sizes: npt.NDArray[np.int64]) -> None:
        """Add tokens with their nats and their sizes in bytes (N,)."""
        if not len(sizes):
            return
        begins = self._bytes + np.cumsum(sizes) - sizes
        self._bytes += int(sizes.sum())
        stretch = begins // STRETCH
        count = int(stretch[-1]) + 1
        if count > len(self._sums):
            grown = np.zeros((2 * count, 3))
            grown[: len(self._sums)] = self._sums
            self._sums = grown
        first = int(stretch[0])
        for column, weights in enumerate((nats.astype(np.float64), None, sizes)):
            found = np.bincount(stretch - first, weights)
            self._sums[first : first + len(found), column] += found

    @property
    def sums(self) -> Floats:
        """Nats, tokens and bytes of each stretch (N, 3)."""
        return self._sums[: -(-self._bytes // STRETCH)] if self._bytes else self._sums[:0]
