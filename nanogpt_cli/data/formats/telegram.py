"""Chats that Telegram exported as JSON: ``result.json``, of one chat or of all.

Messages are read one by one, so that memory does not grow with the file. Notices of the program
and messages without text are left out.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from nanogpt_cli.data.formats.base import Format, Piece, Report
from nanogpt_cli.data.formats.exports import Message, check_me, conversations
from nanogpt_cli.data.formats.json import Values, array_items
from nanogpt_cli.errors import DataError

_LIST = re.compile(r'"messages"\s*:\s*(?=\[)')
_KEPT = 64
"""Characters of a chunk in which the name of a list may begin."""


def _sniff(head: str) -> bool:
    """Whether it begins as an object with a list of messages of Telegram's types."""
    return (
        head.lstrip().startswith("{")
        and _LIST.search(head) is not None
        and re.search(r'"type"\s*:\s*"(message|service)"', head) is not None
        and '"date"' in head
    )


def _lists(chunks: Iterable[str], name: str) -> Iterator[Iterator[Any]]:
    """Yield the messages of each list, which must be read before the next."""
    waiting, held = iter(chunks), ""
    while True:
        found = _LIST.search(held)
        if found:
            values = Values(chain([held[found.end() :]], waiting), name)
            values.skip("[")
            yield (value for value, _, _ in array_items(values))
            held = values.rest()
            continue
        more = next(waiting, None)
        if more is None:
            return
        held = held[-_KEPT:] + more


def _messages(values: Iterable[Any], name: str, report: Report) -> Iterator[Message]:
    """Yield the messages with text."""
    for value in values:
        if not isinstance(value, dict):
            raise DataError(f"{name}: a message is not an object", "export the chat again, as JSON")
        if value.get("type") != "message":
            report.add("notice of the chat program was left out",
                       "notices of the chat program were left out")  # fmt: skip
            continue
        text, who = _text(value.get("text")), value.get("from")
        if not text.strip() or not isinstance(who, str):
            report.add("message without text was left out", "messages without text were left out")
            continue
        yield Message(str(value.get("date", ""))[:10], who, text)


def _text(content: Any) -> str:
    """Return a text, which may be in parts: plain ones and those with a type."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = (part.get("text") if isinstance(part, dict) else part for part in parts)
    return "".join(text for text in texts if isinstance(text, str))


def _read(chunks: Iterable[str], name: str, report: Report) -> Iterator[Piece]:
    """Yield a conversation for each day of each chat."""
    names: Counter[str] = Counter()
    for values in _lists(chunks, name):
        yield from conversations(_messages(values, name, report), names, report)
    check_me(names, name, report)


FORMAT = Format("telegram", suffixes=(), sniff=_sniff, read=_read, certain=True)
