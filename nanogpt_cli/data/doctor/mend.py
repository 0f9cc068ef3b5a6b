"""What ``--fix`` does to pieces of text: control characters go, which no text needs.

Nothing is changed that may be meant. This module does not know where pieces come from.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from nanogpt_cli.data.formats.base import Piece, Report

_USELESS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufeff]")
"""Control characters but tabs and line breaks, and byte order marks inside of a text."""


def mended(pieces: Iterable[Piece], report: Report) -> Iterator[Piece]:
    """Yield the pieces without useless characters, which are counted; empty ones are left out."""
    for piece in pieces:
        if piece is None:
            yield piece
            continue
        text, count = _USELESS.subn("", piece if isinstance(piece, str) else piece.text)
        report.add("control character was removed", "control characters were removed", count)
        if text:
            yield text if isinstance(piece, str) else replace(piece, text=text)
