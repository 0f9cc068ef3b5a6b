"""What is measured in a first pass over the input, and which of it is for validation.

This module knows pieces of text and turns, but neither files nor tokenizers.
"""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Literal

from nanogpt_cli.data.formats.base import Piece
from nanogpt_cli.dialogue import Turn

Split = Literal["train", "val"]

SAMPLE_CHARACTERS = 200_000_000
"""How much of a larger training text a tokenizer learns from, in pieces spread evenly over it."""


class Scan:
    """What the first pass over the input found."""

    def __init__(self, seed: int, alphabet: set[str] | None = None) -> None:
        self.seed = seed
        self.alphabet = alphabet
        """Collects the characters that occur, unless None."""
        self.documents = 0
        self.characters = 0
        """Length of plain text and turns, without tags."""
        self.turns = 0
        self.lowest_draw = 1.0
        self.highest_draw = 0.0

    @property
    def separated(self) -> bool:
        """Whether ``<|endoftext|>`` ends each document: in all but a single plain text."""
        return self.documents > 1 or self.turns > 0

    def add(self, pieces: Iterable[Piece]) -> None:
        """Measure pieces, up to the end of a document."""
        for piece in pieces:
            if piece is None:
                number = draw(self.seed, self.documents)
                self.lowest_draw = min(self.lowest_draw, number)
                self.highest_draw = max(self.highest_draw, number)
                self.documents += 1
                continue
            text = piece if isinstance(piece, str) else piece.text
            self.characters += len(text)
            self.turns += isinstance(piece, Turn)
            if self.alphabet is not None:
                self.alphabet.update(text)


def draw(seed: int, document: int) -> float:
    """Return a document's number in [0, 1), the same on every machine."""
    digest = hashlib.blake2b(f"{seed}:{document}".encode(), digest_size=6).digest()
    return int.from_bytes(digest, "big") / 2**48


def split(
    pieces: Iterable[Piece], scan: Scan, val_fraction: float
) -> Iterator[tuple[Split, Piece]]:
    """Yield each piece with the split that it belongs to.

    Of several documents each is drawn for training or validation; the lowest draw always goes to
    validation and the highest to training. A single plain text is cut between two characters,
    exactly where nanoGPT cuts, and a single conversation between two turns.
    """
    if scan.documents > 1:
        return _drawn(pieces, scan, val_fraction)
    return _cut(pieces, int((scan.turns or scan.characters) * (1 - val_fraction)))


def _drawn(
    pieces: Iterable[Piece], scan: Scan, val_fraction: float
) -> Iterator[tuple[Split, Piece]]:
    """Yield whole documents, each drawn for one of the splits."""
    bound = max(val_fraction, scan.lowest_draw) if val_fraction else -1.0
    document = -1
    inside = False
    for piece in pieces:
        if not inside:
            document += 1
            number = draw(scan.seed, document)
            side: Split = "val" if number <= bound and number < scan.highest_draw else "train"
        yield side, piece
        inside = piece is not None


def _cut(pieces: Iterable[Piece], room: int) -> Iterator[tuple[Split, Piece]]:
    """Yield the first ``room`` characters or turns for training, the others for validation."""
    for piece in pieces:
        if piece is None:
            yield "train", None
            yield "val", None
        elif isinstance(piece, Turn):
            yield "train" if room > 0 else "val", piece
            room -= 1
        else:
            if piece[:room]:
                yield "train", piece[:room]
            if piece[room:]:
                yield "val", piece[room:]
            room = max(0, room - len(piece))


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
