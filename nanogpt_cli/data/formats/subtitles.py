"""Subtitles: what is spoken in an .srt or .vtt file is one document, without numbers and times."""

import re
from collections.abc import Iterable, Iterator

from nanogpt_cli.data.formats.base import Format, Piece, Report, document, whole_lines

_TIMES = re.compile(r"(\d+:)?\d{1,2}:\d{2}[.,]\d{3}\s*-->\s*(\d+:)?\d{1,2}:\d{2}[.,]\d{3}")
_MARKUP = re.compile(r"</?[a-zA-Z0-9][^<>\n]{0,200}>|\{\\[^{}\n]{0,200}\}")
_BESIDE = re.compile(r"(WEBVTT|NOTE|STYLE|REGION)\b")


def _sniff(head: str) -> bool:
    """Whether one of the first lines has two times."""
    return any(_TIMES.match(line) for line in head.split("\n")[:40])


def _spoken(lines: Iterable[str]) -> Iterator[str]:
    """Yield what is spoken, each subtitle's lines as they are."""
    waiting = True  # for the times of the next subtitle
    for line in lines:
        if _TIMES.match(line.lstrip()):
            waiting = False
        elif not line.strip():
            waiting = True
        elif not waiting and not _BESIDE.match(line):
            yield _MARKUP.sub("", line)


def _read(chunks: Iterable[str], name: str, report: Report) -> Iterator[Piece]:
    """Yield the spoken lines."""
    return document(_spoken(whole_lines(chunks, name)))


FORMAT = Format("subtitles", suffixes=(".srt", ".vtt"), sniff=_sniff, read=_read)
