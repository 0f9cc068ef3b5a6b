"""Where a text stands verbatim in another, long one: a suffix array of its bytes.

    index = TextIndex.of(b"...")  # or index_file.open_index, of the training text of a dataset
    found = index.longest_matches(b"To be, or not to be")
    found.lengths[0]  # so many bytes from the first on stand there
    index.context(found.places[0], found.lengths[0])  # with what stands around them

Suffixes are sorted by divsufsort (Mori 2005). Special tokens are not text: no match reaches over
one. This module knows neither models nor files.

Shape letters: N bytes of the text and the boundary that ends it, M bytes of a query.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nanogpt_cli.evaluation.token_bytes import Bytes

Ints = npt.NDArray[np.int64]
Suffixes = npt.NDArray[np.int32] | npt.NDArray[np.int64]

BOUNDARY, END = 0xFF, 0xFE
"""What stands for a special token of the text, and what ends a query. UTF-8 has neither; other
bytes of this value in the one text are replaced by that of the other, so that they never match."""
WORD = 8
"""Bytes that are compared at once."""
ENDING = 1 + WORD
"""Boundaries after a text: one that is sorted with it, the others so that words can be read."""
_CAP = 1024
"""Bytes that are compared for all places of a query at once; longer matches are few."""
_AT_ONCE = 1 << 16
"""Places of a query that are searched at once."""


@dataclass(frozen=True)
class Matches:
    """The longest match that starts at each byte of a query."""

    lengths: Ints
    """Bytes (M,)."""
    places: Ints
    """Where in the training text one such match starts (M,)."""


class TextIndex:
    """A text and the order of its suffixes."""

    def __init__(self, text: Bytes, suffixes: Suffixes) -> None:
        """Take a text (N + 8,) that ends in boundaries, and its sorted suffixes (N,)."""
        self._text, self._suffixes = text, suffixes
        self._words = _words(text)

    @classmethod
    def of(cls, text: bytes) -> "TextIndex":
        """Index a text in memory."""
        return cls.built(np.frombuffer(text + bytes(ENDING), dtype=np.uint8).copy())

    @classmethod
    def built(cls, text: Bytes) -> "TextIndex":
        """Index a text (N + 8,) in its place; its last ENDING bytes are overwritten.

        Takes 4 N bytes of memory beside the text, or 8 N from 2 GB on.
        """
        for first in range(0, len(text), _AT_ONCE):
            part = text[first : first + _AT_ONCE]
            part[part == END] = BOUNDARY
        text[-ENDING:] = BOUNDARY  # sorted with the text: where it ends, nothing matches
        return cls(text, _sorted_suffixes(text[:-WORD]))

    @property
    def parts(self) -> tuple[Bytes, Suffixes]:
        """The text (N + 8,) and the starts of its suffixes in their order (N,), to be stored."""
        return self._text, self._suffixes

    def __len__(self) -> int:
        """Return N."""
        return len(self._suffixes)

    def longest_matches(
        self, query: bytes, advance: Callable[[int], None] = lambda places: None
    ) -> Matches:
        """Return the longest match at each byte of ``query``.

        ``advance`` is called with the number of places after each batch of them. Matches may start
        and end inside a character.
        """
        query = query.replace(bytes([BOUNDARY]), bytes([END]))
        padded = np.frombuffer(query + bytes([END]) * WORD, dtype=np.uint8)
        words = _words(padded)
        lengths, places = (np.empty(len(query), dtype=np.int64) for _ in range(2))
        for first in range(0, len(query), _AT_ONCE):
            at = np.arange(first, min(first + _AT_ONCE, len(query)))
            places[at], lengths[at] = self._search(words, at)
            advance(len(at))
        self._extend(padded, lengths, places)
        return Matches(lengths, places)

    def occurrences(self, span: bytes) -> tuple[int, int]:
        """Return how often ``span`` stands in the text, and where first; -1 where it does not."""
        low, high = self._bound(span, after=False), self._bound(span, after=True)
        first = int(self._suffixes[low:high].min()) if low < high else -1
        return max(0, high - low), first

    def context(self, place: int, length: int, around: int = 0) -> tuple[bytes, int]:
        """Return a part of the text with up to ``around`` bytes on both sides, and where it starts.

        It ends at special tokens; the number is that of bytes before the part.
        """
        before = self._text[max(0, place - around) : place].tobytes()
        after = self._text[place + length : min(len(self), place + length + around)].tobytes()
        before = before[before.rfind(BOUNDARY) + 1 :]
        after = after.split(bytes([BOUNDARY]))[0]
        return before + self._text[place : place + length].tobytes() + after, len(before)

    # --- searching ------------------------------------------------------------------------------

    def _search(self, words: npt.NDArray[np.uint64], at: Ints) -> tuple[Ints, Ints]:
        """Return a place of the longest match of the query at each of ``at``, and its length.

        Binary search for all of them at once; lengths end at _CAP.
        """
        low, high = np.zeros(len(at), dtype=np.int64), np.full(len(at), len(self), dtype=np.int64)
        while (open_ := low < high).any():
            middle = np.minimum((low + high) // 2, len(self) - 1)
            common, before = self._compare(words, at, self._place(middle))
            smaller = before & (common < _CAP)
            low = np.where(open_ & smaller, middle + 1, low)
            high = np.where(open_ & ~smaller, middle, high)
        after = self._place(np.minimum(low, len(self) - 1))
        behind = self._place(np.maximum(low - 1, 0))
        length_after, _ = self._compare(words, at, after)
        length_behind, _ = self._compare(words, at, behind)
        longer = length_behind > length_after
        return np.where(longer, behind, after), np.where(longer, length_behind, length_after)

    def _place(self, ranks: Ints) -> Ints:
        """Return where suffixes start; what a corrupt file says is kept inside the text."""
        return self._suffixes[ranks].astype(np.int64).clip(0, len(self) - 1)

    def _compare(
        self, words: npt.NDArray[np.uint64], at: Ints, places: Ints
    ) -> tuple[Ints, npt.NDArray[np.bool_]]:
        """Return how many bytes the query at ``at`` has in common with the text at ``places``.

        At most _CAP; and whether the text comes before the query in the order of bytes.
        """
        common = np.zeros(len(at), dtype=np.int64)
        before = np.zeros(len(at), dtype=bool)
        rest = np.arange(len(at))
        for depth in range(0, _CAP, WORD):
            # the ends of both texts differ from all; only a corrupt file reaches over its own
            theirs = self._words[np.minimum(places[rest] + depth, len(self))].astype(np.uint64)
            ours = words[np.minimum(at[rest] + depth, len(words) - 1)].astype(np.uint64)
            equal = theirs == ours
            done, here = rest[~equal], (theirs ^ ours)[~equal]
            common[done] = depth + _leading_equal(here)
            before[done] = theirs[~equal] < ours[~equal]
            rest = rest[equal]
            if not len(rest):
                return common, before
        common[rest] = _CAP
        return common, before

    def _extend(self, query: Bytes, lengths: Ints, places: Ints) -> None:
        """Give matches that reached _CAP their whole length.

        Where they end never decreases from one place to the next, so that between two places whose
        matches end together all do, and need no search.
        """
        capped = np.flatnonzero(lengths >= _CAP)
        runs = np.split(capped, np.flatnonzero(np.diff(capped) > 1) + 1) if len(capped) else []
        for run in runs:
            first, last = int(run[0]), int(run[-1])
            ends = {at: self._whole(query, at, lengths, places) for at in {first, last}}
            waiting = [(first, last)]
            while waiting:
                a, b = waiting.pop()
                if ends[a] == ends[b]:
                    inner = np.arange(a, b + 1)
                    lengths[inner], places[inner] = ends[a] - inner, places[a] + inner - a
                elif b - a > 1:
                    middle = (a + b) // 2
                    ends[middle] = self._whole(query, middle, lengths, places)
                    waiting += [(a, middle), (middle, b)]

    def _whole(self, query: Bytes, at: int, lengths: Ints, places: Ints) -> int:
        """Search one place of the query without an end, note what is found, return its end."""
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            place = int(self._place(np.array([middle]))[0])
            common = self._common(query, at, place)
            if self._text[place + common] < query[at + common]:
                low = middle + 1
            else:
                high = middle
        ranks = np.array([max(0, low - 1), min(low, len(self) - 1)])
        found = max((self._common(query, at, int(p)), int(p)) for p in self._place(ranks))
        lengths[at], places[at] = found
        return at + found[0]

    def _common(self, query: Bytes, at: int, place: int) -> int:
        """Return how many bytes are equal from two places on; the ends of both texts differ."""
        common, step = 0, 256
        while True:
            size = min(step, len(query) - at - common, len(self._text) - place - common)
            if size <= 0:  # a corrupt file
                return max(0, common - 1)
            ours = query[at + common : at + common + size]
            different = ours != self._text[place + common : place + common + size]
            if different.any():
                return common + int(different.argmax())
            common, step = common + size, step * 4

    def _bound(self, span: bytes, after: bool) -> int:
        """Return the rank of the first suffix that is not before ``span``, or is ``after`` it."""
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            place = int(self._place(np.array([middle]))[0])
            here = self._text[place : min(len(self), place + len(span))].tobytes()
            if here < span or (after and here == span):
                low = middle + 1
            else:
                high = middle
        return low


def _words(text: Bytes) -> npt.NDArray[np.uint64]:
    """Return the eight bytes from each place on as a number (N + 1,), in the order of bytes."""
    count = len(text) - WORD + 1
    return np.ndarray((count,), dtype=">u8", buffer=text, strides=(1,))


def _leading_equal(difference: npt.NDArray[np.uint64]) -> Ints:
    """Return how many leading bytes of each number are zero."""
    equal = np.zeros(len(difference), dtype=np.int64)
    for bits in range(8, 64, 8):
        equal += difference < np.uint64(1 << bits)
    return equal


def _sorted_suffixes(text: Bytes) -> Suffixes:
    from pydivsufsort import divsufsort

    found: Suffixes = divsufsort(np.ascontiguousarray(text))
    return found
