"""Numbers with 95% intervals, by the bootstrap over documents (Efron 1979; Koehn 2004 for pairs).

A number is made of what each document adds to it, so that it can be computed for any selection of
documents at the cost of a sum. This module knows neither models nor texts.

Shape letters: N documents, K quantities, R resamples.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

RESAMPLES = 1000
FEWEST_DOCUMENTS = 10
"""Fewer documents than these have no interval: resampling so few says nothing."""
MOST_DOCUMENTS = 5000
"""More documents than these are merged with their neighbours before they are resampled."""


@dataclass(frozen=True)
class Parts:
    """What each document adds to a number, and how a sum over documents becomes the number."""

    parts: Floats
    """(N, K)."""
    combine: Callable[[Floats], Floats]
    """Maps sums (R, K) to numbers (R,); nan where there is none."""
    whole: float | None = None
    """The number of all documents where another program computed it; by default that of the sum."""

    @property
    def value(self) -> float:
        """The number of all documents."""
        if self.whole is not None:
            return self.whole
        return float(self.combine(self.parts.sum(axis=0, keepdims=True))[0])

    def grouped(self, groups: Sequence[int]) -> "Parts":
        """Return the same with the documents of each group (N,) as one; few groups change nothing.

        Prompts out of one conversation resemble each other, so conversations are resampled.
        """
        _, number = np.unique(np.asarray(groups), return_inverse=True)
        count = int(number.max(initial=-1)) + 1
        if count < FEWEST_DOCUMENTS or count == len(number) or len(number) != len(self.parts):
            return self
        return Parts(_sums(self.parts, number, count), self.combine, self.whole)


def mean(values: Sequence[float] | Floats, scale: float = 1.0) -> Parts:
    """Return the mean of one value for each document, times ``scale``."""
    column = np.asarray(values, dtype=np.float64)
    return ratio(column, np.ones_like(column), scale)


def ratio(above: Sequence[float] | Floats, below: Sequence[float] | Floats, scale: float) -> Parts:
    """Return the ratio of two sums over documents, times ``scale``; nan where the second is 0."""
    parts = np.stack([np.asarray(above, dtype=np.float64), np.asarray(below, np.float64)], axis=1)

    def combine(sums: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            return scale * np.where(sums[:, 1] > 0, sums[:, 0] / sums[:, 1], np.nan)

    return Parts(parts, combine)


def jackknifed(whole: float, without: Sequence[float] | Floats) -> Parts:
    """Return a number whose documents do not add up, given its value without each of them (N,).

    Its interval is that of the jackknife's pseudo-values (Tukey 1958), centred on the number.
    Drawing a document twice would bias a count of different words, which this does not do.
    """
    values = np.asarray(without, dtype=np.float64)
    pseudo = whole + (len(values) - 1) * (values.mean() - values) if len(values) else values
    return Parts(mean(pseudo).parts, mean(pseudo).combine, whole)


@dataclass(frozen=True)
class Number:
    """A value and, where there are documents enough, its 95% interval."""

    value: float | None
    low: float | None = None
    high: float | None = None
    parts: Parts | None = None
    """What it was computed from."""


def number(result: Parts | float | None, groups: Sequence[int] = (), seed: int = 0) -> Number:
    """Return a number with its interval; what is not finite is None."""
    if not isinstance(result, Parts):
        return Number(result)
    if not len(result.parts) or not math.isfinite(result.value):
        return Number(None)
    parts = _merged(result.grouped(groups) if len(groups) else result)
    low, high = _interval(_resampled(parts, seed))
    return Number(result.value, low, high, parts)


def difference(one: Number, other: Number, seed: int = 0) -> Number | None:
    """Return ``one`` minus ``other``, resampling the same documents for both.

    Models with different tokenizers leave different ends of a text out: the documents that only one
    has are not resampled. None where these are more than a tenth.
    """
    if one.value is None or other.value is None or one.parts is None or other.parts is None:
        return None
    counts = [len(found.parts) for found in (one.parts, other.parts)]
    if min(counts) < 0.9 * max(counts):
        return None
    mine, theirs = (_first(found, min(counts)) for found in (one.parts, other.parts))
    both = _resampled(mine, seed) - _resampled(theirs, seed)
    return Number(one.value - other.value, *_interval(both))


def _first(parts: Parts, count: int) -> Parts:
    return Parts(parts.parts[:count], parts.combine)


def _resampled(parts: Parts, seed: int) -> Floats:
    """Return the number of each resample (R,), none where there are too few documents."""
    if len(parts.parts) < FEWEST_DOCUMENTS:
        return np.empty(0)
    return parts.combine(_weights(len(parts.parts), seed) @ parts.parts)


@lru_cache(maxsize=4)
def _weights(documents: int, seed: int) -> Floats:
    """Return how often each resample draws each document (R, N): the same ones for all models."""
    rng = np.random.default_rng([seed, documents])
    draws = rng.multinomial(documents, np.full(documents, 1 / documents), size=RESAMPLES)
    return draws.astype(np.float64)


def _interval(values: Floats) -> tuple[float | None, float | None]:
    """Return the 2.5th and the 97.5th percentile, None where a resample has no number."""
    if not len(values) or not np.isfinite(values).all():
        return None, None
    low, high = np.percentile(values, (2.5, 97.5))
    return float(low), float(high)


def _merged(parts: Parts) -> Parts:
    """Return parts of at most MOST_DOCUMENTS, each a stretch of neighbouring ones."""
    count = len(parts.parts)
    if count <= MOST_DOCUMENTS:
        return parts
    factor = 2 ** math.ceil(math.log2(count / MOST_DOCUMENTS))
    stretch = np.arange(count) // factor
    return Parts(
        _sums(parts.parts, stretch, int(stretch[-1]) + 1), parts.combine, parts.whole or parts.value
    )


def _sums(parts: Floats, group: npt.NDArray[np.int64], count: int) -> Floats:
    """Return the sum of the parts (N, K) of each of ``count`` groups."""
    sums = np.zeros((count, parts.shape[1]))
    np.add.at(sums, group, parts)
    return sums
