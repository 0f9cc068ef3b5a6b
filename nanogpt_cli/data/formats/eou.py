"""Dialogues of which each is a line and each turn ends in ``__eou__``, as DailyDialog has them.

The first speaker is the human, and the speakers take turns.
"""

from collections.abc import Iterable, Iterator

from nanogpt_cli.data.formats.base import Format, Piece, Report, conversation, whole_lines
from nanogpt_cli.dialogue import Role, Turn

_END = "__eou__"
_ROLES: tuple[Role, Role] = ("human", "bot")


def _sniff(head: str) -> bool:
    """Whether the first line that is complete ends a turn."""
    first = next((line for line in head.split("\n") if line.strip()), "")
    return _END in first


def _read(chunks: Iterable[str], name: str, report: Report) -> Iterator[Piece]:
    """Yield each line as a conversation."""
    for line in whole_lines(chunks, name):
        texts = [text for text in line.split(_END) if text.strip()]
        yield from conversation(Turn(_ROLES[number % 2], text) for number, text in enumerate(texts))


FORMAT = Format("eou", suffixes=(), sniff=_sniff, read=_read)
