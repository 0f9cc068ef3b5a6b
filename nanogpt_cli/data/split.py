"""What is measured in a first pass over the input, and which of it is for validation.

This module knows pieces of text and turns, but neither files nor tokenizers.
"""

import hashlib
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, repeat
from typing import Literal, TypeVar

from nanogpt_cli.data.alphabet import Alphabet
from nanogpt_cli.data.doctor.examination import Examination
from nanogpt_cli.data.formats.base import Piece
from nanogpt_cli.data.seen import Seen
from nanogpt_cli.data.spool import Spool
from nanogpt_cli.dialogue import Role, Turn
from nanogpt_cli.errors import DataError

Split = Literal["train", "val"]
SPLITS: tuple[Split, Split] = ("train", "val")

FEWEST: dict[Split, int] = {"train": 64, "val": 8}
"""Tokens of each split without which there is nothing to learn, and nothing to measure."""

_Number = TypeVar("_Number", int, float)

SAMPLE_CHARACTERS = 200_000_000
"""How much of a larger training text a tokenizer learns from, in pieces spread evenly over it."""


def too_little(train: int, val: int) -> str | None:
    """Say that a dataset with so many tokens in its splits has too few; None where it has not."""
    if train >= FEWEST["train"] and val >= FEWEST["val"]:
        return None
    return (
        f"too little text: {train:,} tokens to train on and {val:,} for validation, "
        f"at least {FEWEST['train']} and {FEWEST['val']} are needed"
    )


class Scan:
    """What the first pass over the input found: 17 bytes per document, whatever its length.

    Those of the first million are in memory, all others in temporary files.
    """

    def __init__(
        self,
        seed: int,
        alphabet: Alphabet | None = None,
        drop_repeats: bool = False,
        examination: Examination | None = None,
    ) -> None:
        self.alphabet = alphabet
        """Collects the characters that occur, unless None."""
        self.examination = examination
        """Looks for what is odd, unless None."""
        self.dropped = Spool[int]("B")
        """1 for each document of the input that is left out; empty where none is looked for."""
        self.for_validation: int | None = None
        """How many of the documents come first and are for validation, where that was said."""
        self.overlap = 0
        """How many of the others are copies of one of those."""
        self.tags = set[Role]()
        """The roles that occur."""
        self.characters = 0
        """Length of plain text and turns, without tags."""
        self.bytes = 0
        """The same in UTF-8."""
        self.turns = 0
        self.conversations = 0
        self.longest_conversation = 0
        """Bytes."""
        self.draws = Spool[float]("d")
        """A number in [0, 1) for each document, by which it is drawn: a hash of seed and text."""
        self.lengths = Spool[int]("Q")
        """Characters of each document."""
        self.spoken = Spool[int]("B")
        """1 for each document that is a conversation."""
        self._seed = seed
        self._draw = _Draw(seed)
        self._before = 0
        self._turns_before = self._bytes_before = 0
        self._seen = Seen() if drop_repeats else None
        self._named: Seen | None = None

    @property
    def documents(self) -> int:
        """The number of documents and conversations."""
        return len(self.draws)

    @property
    def separated(self) -> bool:
        """Whether ``<|endoftext|>`` ends each document: in all but a single plain text."""
        return self.documents > 1 or self.turns > 0

    def add_validation(self, pieces: Iterable[Piece]) -> None:
        """Measure the documents that are for validation, before all others."""
        self._named = Seen()
        self.add(pieces)
        self.for_validation = self.documents

    def add(self, pieces: Iterable[Piece]) -> None:
        """Measure pieces, up to the end of a document."""
        for piece in pieces:
            if piece is None:
                self._end()
                continue
            text = piece if isinstance(piece, str) else piece.text
            data = text.encode()
            self._draw.add(piece, data)
            self.bytes += len(data)
            self.characters += len(text)
            if self.examination:
                self.examination.add(piece, data)
            if isinstance(piece, Turn):
                self.turns += piece.role in ("human", "bot")
                self.tags.add(piece.role)
            if self.alphabet is not None:
                self.alphabet.add_text(text)

    def _end(self) -> None:
        """End a document, or forget it where it is left out as a repeated one."""
        if self._seen is not None:
            repeated = not self._seen.add(self._draw.identity())
            self.dropped.append(repeated)
            if repeated:
                if self.examination:
                    self.examination.end(0.0, kept=False)
                self.characters, self.bytes = self._before, self._bytes_before
                self.turns, self._draw = self._turns_before, _Draw(self._seed)
                return
        if self._named is not None and self.for_validation is None:
            self._named.add(self._draw.identity())
        elif self._named is not None:
            self.overlap += self._draw.identity() in self._named
        number = self._draw.number()
        self.draws.append(number)
        if self.examination:
            self.examination.end(number)
        self.lengths.append(self.characters - self._before)
        self.spoken.append(self.turns > self._turns_before)
        if self.turns > self._turns_before:
            self.conversations += 1
            size = self.bytes - self._bytes_before
            self.longest_conversation = max(self.longest_conversation, size)
        self._draw, self._before = _Draw(self._seed), self.characters
        self._turns_before, self._bytes_before = self.turns, self.bytes


class _Draw:
    """The number of one document, the same on every machine and for every copy of it."""

    def __init__(self, seed: int) -> None:
        self._hash = hashlib.blake2b(f"{seed}:".encode(), digest_size=6)
        self._sum = 0

    def add(self, piece: str | Turn, data: bytes) -> None:
        """Take a piece and its text in UTF-8; where a text is cut into pieces changes nothing."""
        if isinstance(piece, Turn):
            self._hash.update(f"\0{piece.role}\0".encode())
        self._hash.update(data)
        self._sum = zlib.crc32(data, self._sum)

    def identity(self) -> int:
        """Return 64 bits, never 0, that copies of the document share and others do not."""
        return int.from_bytes(self._hash.digest(), "big") << 16 | (self._sum & 0xFFFF or 1)

    def number(self) -> float:
        """Return a number in [0, 1)."""
        return int.from_bytes(self._hash.digest(), "big") / 2**48


@dataclass(frozen=True)
class Plan:
    """How an input is split, decided once the whole of it is known."""

    bound: float
    """Documents drawn up to this number, and below ``highest``, are for validation."""
    highest: float
    train: Iterable[int] | None
    """How many characters, or turns, of each document are for training, where they are not drawn.

    Read anew in each pass; of a whole document for validation it is 0.
    """
    cut: bool = False
    """Whether each document is cut, so that both sides have a part of it."""

    def is_validation(self, draw: float) -> bool:
        """Whether a document with this number is for validation, where documents are drawn."""
        return draw <= self.bound and draw < self.highest


_WHOLE = 2**62
"""More characters and turns than a document has."""


def plan_split(scan: Scan, val_fraction: float, how: Literal["hash", "tail"] = "hash") -> Plan:
    """Return how to split what was measured.

    Where some documents were named for validation, it is those. ``how`` tail is the end of the
    whole input, as nanoGPT has it; conversations stay whole.

    By a hash of their content, of several documents each is drawn for training or validation; the
    lowest draw always goes to validation and the highest to training. A single plain text is cut
    between two characters, exactly where nanoGPT cuts, and a single conversation between two turns.
    Where the draw of several plain texts would give validation less than half or more than twice
    ``val_fraction`` of the characters, as with two books, each is cut like a single one. Where all
    conversations are copies of one, the last of them are for validation, because nothing else is
    there.
    """
    lowest, highest = min(scan.draws), max(scan.draws)
    drawn = Plan(max(val_fraction, lowest), highest, None)
    if scan.for_validation is not None:
        named = scan.for_validation
        return replace(drawn, train=Repeated((0, named), (_WHOLE, scan.documents - named)))
    if how == "tail" and scan.documents > 1:
        return replace(drawn, train=_tail(scan, int(scan.characters * (1 - val_fraction))))
    if scan.documents == 1:
        sizes = Spool("Q", [scan.turns]) if scan.turns else scan.lengths
    elif scan.turns and lowest < highest:
        return drawn
    elif scan.turns:
        kept = min(max(1, int(scan.documents * val_fraction)), scan.documents - 1)
        return replace(drawn, train=Repeated((scan.turns, scan.documents - kept), (0, kept)))
    else:
        chosen = zip(scan.draws, scan.lengths, strict=True)
        share = sum(n for draw, n in chosen if drawn.is_validation(draw)) / scan.characters
        if val_fraction / 2 <= share <= val_fraction * 2:
            return drawn
        sizes = scan.lengths
    parts = Spool("Q", (int(n * (1 - val_fraction)) for n in sizes))
    return replace(drawn, train=parts, cut=True)


@dataclass(frozen=True)
class Repeated:
    """Numbers, each as often as the second of its pair says."""

    first: tuple[int, int]
    second: tuple[int, int]

    def __iter__(self) -> Iterator[int]:
        return chain(repeat(*self.first), repeat(*self.second))


def _tail(scan: Scan, limit: int) -> Spool[int]:
    """Return how much of each document is among the first ``limit`` characters of them all.

    A conversation is all or nothing; the last is not, and the first is.
    """
    sizes, before = Spool[int]("Q"), 0
    for number, (length, spoken) in enumerate(zip(scan.lengths, scan.spoken, strict=True)):
        inside = before + length <= limit and number < scan.documents - 1
        part = (_WHOLE if inside or number == 0 else 0) if spoken else max(0, limit - before)
        sizes.append(part)
        before += length
    return sizes


def without(pieces: Iterable[Piece], dropped: Iterable[int]) -> Iterator[Piece]:
    """Yield the pieces of the documents that are not ``dropped``, of which there is one flag each.

    Raises DataError where there are more documents.
    """
    flags, inside = _each(dropped), False
    for piece in pieces:
        if not inside:
            left_out = next(flags)
        if not left_out:
            yield piece
        inside = piece is not None


def split(pieces: Iterable[Piece], scan: Scan, plan: Plan) -> Iterator[tuple[Split, Piece]]:
    """Yield each piece with the split that it belongs to; ``pieces`` are those that were measured.

    Raises DataError where there are more documents than were measured.
    """
    if plan.train is not None:
        return _cut(pieces, _each(plan.train))
    return _drawn(pieces, plan, _each(scan.draws))


def _each(numbers: Iterable[_Number]) -> Iterator[_Number]:
    """Yield a number per document."""
    yield from numbers
    raise DataError(
        "the input grew while it was read", "wait until it is complete, then prepare it again"
    )


def _drawn(
    pieces: Iterable[Piece], plan: Plan, draws: Iterator[float]
) -> Iterator[tuple[Split, Piece]]:
    """Yield whole documents, each drawn for one of the splits."""
    inside = False
    for piece in pieces:
        if not inside:
            side: Split = "val" if plan.is_validation(next(draws)) else "train"
        yield side, piece
        inside = piece is not None


def _cut(pieces: Iterable[Piece], sizes: Iterator[int]) -> Iterator[tuple[Split, Piece]]:
    """Yield the first characters or turns of each document for training, the rest for validation.

    A document ends in each split that it has text in.
    """
    room, sides, inside = 0, set[Split](), False
    for piece in pieces:
        if not inside:
            room, sides = next(sizes), set()
        inside = piece is not None
        if piece is None:
            yield from ((side, None) for side in SPLITS if side in sides)
            continue
        if isinstance(piece, Turn):
            parts: tuple[Piece, Piece] = (piece, None) if room > 0 else (None, piece)
        else:
            parts = (piece[:room], piece[room:])
        room = max(0, room - (1 if isinstance(piece, Turn) else len(piece)))
        for side, part in zip(SPLITS, parts, strict=True):
            if part:
                sides.add(side)
                yield side, part


def training_sample(
    pieces: Iterable[tuple[Split, Piece]], characters: int, limit: int = SAMPLE_CHARACTERS
) -> Iterator[str]:
    """Yield the training text, or pieces of it that together have about ``limit`` characters.

    ``characters`` is the length of the whole input.
    """
    share = min(1.0, limit / characters)
    seen = taken = 0
    for side, piece in pieces:
        if side == "val" or piece is None:
            continue
        text = piece if isinstance(piece, str) else piece.text
        if taken <= share * seen:
            taken += len(text)
            yield text
        seen += len(text)
