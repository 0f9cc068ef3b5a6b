"""Tagged text: ``<human>`` and ``<bot>`` open turns, ``<endOfText>`` closes them."""

import re
from collections.abc import Iterable, Iterator
from io import StringIO

from nanogpt_cli.data.formats.base import Format, Piece, Report
from nanogpt_cli.dialogue import ChatFormat, ParseReport, parse_turns

_OPENING_TAG = re.compile(
    rf"^\s*({'|'.join(map(re.escape, ChatFormat().tags[:2]))})", re.IGNORECASE | re.MULTILINE
)


def _sniff(head: str) -> bool:
    """Whether a tag opens one of the first lines."""
    return _OPENING_TAG.search(head) is not None


def _read(chunks: Iterable[str], name: str, report: Report) -> Iterator[Piece]:
    """Yield the turns of all conversations."""
    lines = (line for chunk in chunks for line in StringIO(chunk, newline="\n"))
    found = ParseReport()
    begun = False
    chat = ChatFormat(context="<context>", emotion="<emotion>")
    for piece in parse_turns(lines, chat, found):
        begun = True
        yield piece
    if begun:
        yield None
    report.numbers["unclosed_turns"] += found.unclosed
    report.numbers["stray_texts"] += found.stray
    report.add(
        "turn without an end tag was closed at the next tag",
        "turns without an end tag were closed at the next tag",
        found.unclosed,
    )
    report.add("empty turn was left out", "empty turns were left out", found.empty)
    report.add(
        "stretch of text outside of all turns was left out",
        "stretches of text outside of all turns were left out",
        found.stray,
    )


FORMAT = Format("dialogue", suffixes=(), sniff=_sniff, read=_read)
