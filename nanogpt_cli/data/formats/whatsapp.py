"""Chats that WhatsApp exported: ``31/12/2023, 22:15 - Anna: Hello``, or with the time in brackets.

A line without a time continues the message before it. Notices of the program and what stands for a
picture are left out.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from nanogpt_cli.data.formats.base import Format, Piece, Report, whole_lines
from nanogpt_cli.data.formats.exports import Message, check_me, conversations

_DAY = r"(\d{1,4}[./-]\d{1,2}[./-]\d{2,4}),?"
_TIME = r"\d{1,2}[:.]\d{2}(?:[:.]\d{2})?(?:[\s\u202f]*[AaPp]\.?[\s\u202f]?[Mm]\.?)?"
_START = re.compile(rf"^[\u200e\u200f\ufeff]*(?:\[{_DAY}\s+{_TIME}\]|{_DAY}\s+{_TIME} [-–]) ")
_NAMED = re.compile(r"([^:\n]{1,80}): ?")
_OMITTED = re.compile(
    r"^[\u200e\u200f]*(<[^<>\n]{1,60}>|\S+ (omitted|weggelassen|omitido|omis)"
    r"|(This message was|You) deleted.*)$"
)


def _sniff(head: str) -> bool:
    """Whether two of the first lines begin with a day and a time."""
    lines = [line for line in head.split("\n")[:20] if line.strip()]
    return sum(_START.match(line) is not None for line in lines) >= min(2, len(lines)) > 0


def _messages(lines: Iterable[str], report: Report) -> Iterator[Message]:
    """Yield the messages, each with the lines that continue it."""
    day = name = text = ""
    for line in lines:
        start = _START.match(line)
        if start is None:
            text += line if name else ""
            continue
        yield from _message(day, name, text, report)
        day, rest = start[1] or start[2], line[start.end() :]
        named = _NAMED.match(rest)
        name, text = (named[1].lstrip("\u200e\u200f~ "), rest[named.end() :]) if named else ("", "")
        if not named:
            report.add("notice of the chat program was left out",
                       "notices of the chat program were left out")  # fmt: skip
    yield from _message(day, name, text, report)


def _message(day: str, name: str, text: str, report: Report) -> Iterator[Message]:
    if not name:
        return
    if _OMITTED.match(text.strip()):
        report.add("message without text was left out", "messages without text were left out")
    else:
        yield Message(day, name, text)


def _read(chunks: Iterable[str], name: str, report: Report) -> Iterator[Piece]:
    """Yield a conversation for each day."""
    names: Counter[str] = Counter()
    yield from conversations(_messages(whole_lines(chunks, name), report), names, report)
    check_me(names, name, report)


FORMAT = Format("whatsapp", suffixes=(), sniff=_sniff, read=_read)
