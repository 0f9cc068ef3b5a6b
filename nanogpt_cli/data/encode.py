"""Pieces of text to token ids, where the pieces are cut so that the ids are those of the whole.

This module knows neither which document belongs to which split nor where ids are written.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, TypeVar

from nanogpt_cli.data.alphabet import Alphabet
from nanogpt_cli.data.arrange import arrange
from nanogpt_cli.data.formats.base import Piece, Report
from nanogpt_cli.data.sources import find_sources, read_pieces
from nanogpt_cli.data.split import Scan, Split
from nanogpt_cli.dialogue import (
    ChatFormat,
    Turn,
    ends_exchange,
    tags_are_special,
)
from nanogpt_cli.errors import DataError
from nanogpt_cli.tokenizer.base import END_OF_TEXT, Tokenizer
from nanogpt_cli.tokenizer.engine import EnginesDiffer

if TYPE_CHECKING:
    from nanogpt_cli.tokenizer.base import Ids

_LONGEST_PIECE = 2**22
_SAFE_CUT = re.compile(r".*(?:\S(?= )|[^\W_](?=[\r\n.,;:!?，。、；：！？]))", re.DOTALL)

_T = TypeVar("_T")


def encode_file(
    name: str,
    tokenizer: Tokenizer,
    chat: ChatFormat | None = None,
    counted: bytearray | None = None,
) -> tuple[list[int], list[str]]:
    """Return a file's ids as ``prepare`` would write them, and the characters that have none.

    ``counted`` gets a byte for each id: 1 in replies and in plain text with its end, else 0. Where
    the tags are not special tokens, as in the earlier project's models, tagged text is read as
    plain text. Raises DataError for a file that cannot be used.
    """
    chat = chat or ChatFormat()
    special = tags_are_special(tokenizer, chat)
    with ExitStack() as stack:
        sources, _ = find_sources([name], "auto", stack)
        if not special:
            sources = [replace(s, format="text") if s.format == "dialogue" else s for s in sources]
        read = read_pieces(sources)
        kept = {"context": bool(chat.context), "emotion": bool(chat.emotion)}
        pieces = list(arrange(read, Report(), join=True, **kept))
    scan = Scan(seed=0, alphabet=Alphabet())
    scan.add(pieces)
    if scan.turns and not special:
        raise DataError(
            f"{name} holds conversations, and the tokenizer has no tags for them",
            "name a file of plain text",
        )
    end = tokenizer.special_tokens.get(END_OF_TEXT) if scan.separated else None
    cut = [piece for _, piece in recut(("val", piece) for piece in pieces)]
    ends = [] if end is None else [end]
    ids = reliably(lambda: encode_pieces(cut, tokenizer, chat, ends, counted))
    return ids.tolist(), tokenizer.unknown("".join(sorted(scan.alphabet or ())))


def reliably(work: Callable[[], _T], warn: Callable[[str], None] = lambda _: None) -> _T:
    """Return what ``work`` returns; where a faster way to encode was wrong, do it again without.

    ``warn`` is told so.
    """
    try:
        return work()
    except EnginesDiffer as differ:
        differ.fall_back()
        warn("gigatoken and tiktoken differ on this text: tiktoken, which is slower, encoded it")
        return work()


def encode_pieces(
    pieces: Iterable[Piece],
    tokenizer: Tokenizer,
    chat: ChatFormat,
    end: list[int],
    counted: bytearray | None = None,
) -> "Ids":
    """Return the ids of pieces (N,); ``end`` goes after each document.

    ``counted`` becomes a byte for each id: 1 in replies and in plain text with its end, else 0.
    Raises EnginesDiffer where ids turn out to be wrong, perhaps also those of earlier calls.
    """
    import numpy as np

    pieces = list(pieces)
    texts = [p if isinstance(p, str) else p.text for p in pieces if p is not None]
    encoded = iter(tokenizer.encode_many(texts))
    gathered = _Gathered(tokenizer, end)
    before: Piece = None
    for piece in pieces:
        if isinstance(piece, str):
            gathered.add(next(encoded), counts=True)
        elif piece is not None:
            gathered.add_tag(chat.tag(piece.role), counts=False)
            gathered.add(next(encoded), counts=piece.role == "bot")
            gathered.add_tag(chat.end, counts=piece.role == "bot")
            if ends_exchange(piece, chat):
                gathered.add_end(counts=False)
        elif not (isinstance(before, Turn) and ends_exchange(before, chat)):
            gathered.add_end(counts=isinstance(before, str))
        before = piece
    if counted is not None:
        counted[:] = gathered.counted()
    return gathered.ids() if gathered else np.zeros(0, np.uint32)


class _Gathered:
    """Ids in stretches of which the loss counts all or none."""

    def __init__(self, tokenizer: Tokenizer, end: list[int]) -> None:
        import numpy as np

        special = tokenizer.special_tokens
        self._tags = {tag: np.array([token], np.uint32) for tag, token in special.items()}
        self._end = np.array(end, np.uint32)
        self._stretches: list[Ids] = []
        self._counts: list[bool] = []

    def __bool__(self) -> bool:
        return bool(self._stretches)

    def add(self, ids: "Ids", counts: bool) -> None:
        """Take ids (N,)."""
        self._stretches.append(ids)
        self._counts.append(counts)

    def add_tag(self, tag: str, counts: bool) -> None:
        """Take a special token."""
        self.add(self._tags[tag], counts)

    def add_end(self, counts: bool) -> None:
        """Take what ends a document."""
        self.add(self._end, counts)

    def ids(self) -> "Ids":
        """Return all ids (N,)."""
        import numpy as np

        return np.concatenate(self._stretches)

    def counted(self) -> bytes:
        """Return a byte for each of them: 1 where the loss counts it."""
        import numpy as np

        return np.repeat(
            np.array(self._counts, np.uint8), list(map(len, self._stretches))
        ).tobytes()


def cut_safely(pieces: Iterable[str], longest: int = _LONGEST_PIECE) -> Iterator[str]:
    """Cut text anew so that its pieces, tokenized one by one, give the ids of the whole.

    All our patterns end a word between a non-space and a space, and between a letter or digit and
    a line break or a sentence's punctuation. ``longest`` characters without such a place are cut
    anywhere.
    """
    held = ""
    for piece in pieces:
        held += piece
        match = _SAFE_CUT.match(held)
        cut = match.end() if match else len(held) if len(held) >= longest else 0
        if cut:
            yield held[:cut]
            held = held[cut:]
    if held:
        yield held


def recut(pieces: Iterable[tuple[Split, Piece]]) -> Iterator[tuple[Split, Piece]]:
    """Let cut_safely cut each run of pieces of text."""
    for (split, is_text), run in groupby(pieces, lambda p: (p[0], isinstance(p[1], str))):
        if is_text:
            texts = (piece for _, piece in run if isinstance(piece, str))
            yield from ((split, piece) for piece in cut_safely(texts))
        else:
            yield from run
