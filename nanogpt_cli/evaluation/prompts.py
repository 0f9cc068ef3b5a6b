"""Held-out prompts: where the other side has spoken, and the data say what was replied.

This module knows datasets and files of dialogues, but no model.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nanogpt_cli.data.arrange import arrange
from nanogpt_cli.data.formats.base import Report
from nanogpt_cli.data.sources import find_sources, read_pieces
from nanogpt_cli.data.store import Tokens
from nanogpt_cli.dialogue import ChatFormat, Role, Turn
from nanogpt_cli.tokenizer.base import END_OF_TEXT
from nanogpt_cli.tokenizer.load import Tokenizer

MOST_TURNS = 32
"""Turns before a reply that belong to its prompt."""


@dataclass(frozen=True)
class Exchange:
    """A prompt and the reply that stands in the data."""

    context: tuple[Turn, ...]
    """The turns before; the last is a human's."""
    reference: str
    document: int
    """The number of its conversation."""


@dataclass(frozen=True)
class Exchanges:
    """All exchanges of a text, read one at a time."""

    documents: Sequence[int]
    """The conversation of each."""
    read: Callable[[int], Exchange]

    def choose(self, count: int, seed: int) -> list[Exchange]:
        """Return at most ``count`` of them in their order, drawn at random.

        Each conversation gives one before any gives another, so that they differ.
        """
        documents = np.asarray(self.documents, dtype=np.int64)
        shuffled = np.random.default_rng(seed).permutation(len(documents))
        by_document = shuffled[np.argsort(documents[shuffled], kind="stable")]
        ordered = documents[by_document]
        rank = np.empty(len(documents), dtype=np.int64)
        rank[by_document] = np.arange(len(ordered)) - np.searchsorted(ordered, ordered)
        chosen = shuffled[np.argsort(rank[shuffled], kind="stable")][:count]
        return [self.read(int(i)) for i in np.sort(chosen)]


def file_exchanges(path: Path, chat: ChatFormat | None = None) -> Exchanges:
    """Return the exchanges of a file of dialogues, none where it is plain text.

    Turns are joined as ``prepare`` does, with what stands in front of them where ``chat`` has it.
    Raises DataError for a file that cannot be used.
    """
    with ExitStack() as stack:
        sources, _ = find_sources([str(path)], "auto", stack)
        kept = {"context": bool(chat and chat.context), "emotion": bool(chat and chat.emotion)}
        pieces = list(arrange(read_pieces(sources), Report(), join=True, **kept))
    turns = [piece for piece in pieces if isinstance(piece, Turn)]
    ends = np.cumsum([isinstance(piece, Turn) for piece in pieces])
    starts = sorted({0, *(int(end) for end, p in zip(ends, pieces, strict=True) if p is None)})
    found = [
        (i, bisect_right(starts, i) - 1)
        for i in range(1, len(turns))
        if turns[i].role == "bot" and turns[i - 1].role == "human" and i not in set(starts)
    ]

    def read(number: int) -> Exchange:
        at, document = found[number]
        first = max(starts[document], at - MOST_TURNS)
        return Exchange(tuple(turns[first:at]), turns[at].text, document)

    return Exchanges([document for _, document in found], read)


@dataclass(frozen=True)
class TurnSpans:
    """Where the turns of a text of token ids stand; (N,) each."""

    starts: npt.NDArray[np.int64]
    """The first token after the tag that opens a turn."""
    ends: npt.NDArray[np.int64]
    """The tag, or the end of the text, that closes it."""
    roles: tuple[Role, ...]
    """All that a turn may have."""
    role: npt.NDArray[np.int64]
    """The number of each turn's in ``roles``."""
    documents: npt.NDArray[np.int64]
    """The number of the conversation."""

    def of(self, role: Role) -> npt.NDArray[np.bool_]:
        """Return which turns have a role (N,)."""
        return np.asarray(self.role == self.roles.index(role))


def turn_spans(tokens: Tokens, tokenizer: Tokenizer, chat: ChatFormat) -> TurnSpans:
    """Find the turns by their tags, which must be special tokens."""
    special = tokenizer.special_tokens
    every: tuple[Role, ...] = ("human", "bot", "context", "emotion")
    roles = tuple(role for role in every if chat.tag(role))
    opening = np.array([special[chat.tag(role)] for role in roles])
    end_of_text = special.get(END_OF_TEXT, -1)
    at = np.flatnonzero(np.isin(tokens, [*opening, special[chat.end], end_of_text]))
    tags = np.asarray(tokens[at])
    opens = np.isin(tags, opening)
    role = (tags[opens, None] == opening).argmax(axis=1)
    closes = np.append(at[1:], len(tokens))
    documents = np.cumsum(tags == end_of_text)
    return TurnSpans(at[opens] + 1, closes[opens], roles, role, documents[opens])


def token_exchanges(tokens: Tokens, tokenizer: Tokenizer, chat: ChatFormat) -> Exchanges:
    """Return the exchanges of a text of token ids, whose tags are special tokens."""
    spans = turn_spans(tokens, tokenizer, chat)
    same = spans.documents[1:] == spans.documents[:-1]
    length = spans.ends - spans.starts
    pairs = spans.of("bot")[1:] & spans.of("human")[:-1] & same
    replies = pairs & (length[1:] > 0) & (length[:-1] > 0)
    found = np.flatnonzero(replies) + 1

    def turn(i: int) -> Turn:
        text = tokenizer.decode(tokens[spans.starts[i] : spans.ends[i]].tolist())
        return Turn(spans.roles[spans.role[i]], text.strip())

    def read(number: int) -> Exchange:
        at = int(found[number])
        document = int(spans.documents[at])
        first = max(int(np.searchsorted(spans.documents, document)), at - MOST_TURNS)
        return Exchange(tuple(map(turn, range(first, at))), turn(at).text, document)

    return Exchanges(spans.documents[found].tolist(), read)
