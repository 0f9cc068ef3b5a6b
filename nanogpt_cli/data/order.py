"""In which order an epoch goes over its windows: a permutation of 0 to n - 1.

Of many windows it is a function, which takes no memory: a Feistel network over as many bits as
n - 1 has, applied again to what lies beyond n (cycle walking; Black and Rogaway 2002).
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

VERSION = 2
"""The order of new runs: 1 is an array for any n, 2 a function for more than ``MOST_IN_ARRAY``."""
MOST_IN_ARRAY = 2**20
"""Windows whose order is an array, of 8 MB at most."""
_ROUNDS = 8


class Order:
    """The order of one epoch."""

    def __init__(self, seed: int, epoch: int, n: int, room: int, version: int = VERSION) -> None:
        """Draw an order of ``n`` windows, and of ``room + 1`` places one where the first starts."""
        rng = np.random.default_rng([seed, epoch])
        self._n = n
        self._array: npt.NDArray[np.int64] | None = None
        if version == 1 or n <= MOST_IN_ARRAY:
            self._array = rng.permutation(n)
        else:
            self._keys = rng.integers(0, 2**64, _ROUNDS, dtype=np.uint64)
        self.phase = int(rng.integers(0, room + 1))

    def at(self, places: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the windows that stand at ``places`` in the order, in the same shape."""
        if self._array is not None:
            return self._array[places]
        bits = max(2, (self._n - 1).bit_length())
        found = _feistel(places.astype(np.uint64), self._keys, bits)
        while len(outside := np.flatnonzero(found >= self._n)):
            found[outside] = _feistel(found[outside], self._keys, bits)
        return found.astype(np.int64)


@lru_cache(maxsize=2)
def epoch_order(seed: int, epoch: int, n: int, room: int, version: int) -> Order:
    """Return an order; the last ones are remembered."""
    return Order(seed, epoch, n, room, version)


def _feistel(
    numbers: npt.NDArray[np.uint64], keys: npt.NDArray[np.uint64], bits: int
) -> npt.NDArray[np.uint64]:
    """Permute the numbers of so many bits."""
    low, high = bits // 2, bits - bits // 2
    for key in keys:
        left, right = numbers >> np.uint64(low), numbers & np.uint64((1 << low) - 1)
        mixed = _mix(right + key) & np.uint64((1 << high) - 1)
        numbers = (right << np.uint64(high)) | (left ^ mixed)
        low, high = high, low
    return numbers


def _mix(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Hash 64 bits (the finalizer of splitmix64; Steele et al. 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
