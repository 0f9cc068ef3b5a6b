"""Characters that are seldom meant, lines without end, and tags that are none of ours.

What is looked for are bytes, which is fast, so that all of a text is looked at. This module does
not know what documents are.
"""

import re
from collections import Counter
from dataclasses import dataclass, field

LONG_LINE = 10_000
"""Bytes of a line of plain text that is more likely no prose."""

_ORDINARY = b"\t\n\r" + bytes(range(0x20, 0x7F)) + bytes(range(0x80, 0x100))
_REPLACED = "\ufffd".encode()
_TWICE_ENCODED = (b"\xc3\x83\xc2", b"\xc3\xa2\xe2\x82\xac")
"""How letters with accents, and quotes and dashes, begin where UTF-8 was taken for cp1252."""

_TAG = re.compile(r"</?\|?([A-Za-z_]\w{0,19})\|?>|(\[/?INST\])")
_ROLES = frozenset({
    "user", "assistant", "system", "human", "bot", "gpt", "customer", "agent", "endoftext",
    "im_start", "im_end", "inst", "s",
})  # fmt: skip
"""Names of tags that are part of dialogues, wherever they stand."""
_LISTED = 1000
"""Tags that are told apart."""


@dataclass
class Characters:
    """Counts of what was found so far."""

    replaced: int = 0
    """U+FFFD, which stands for what could not be decoded."""
    controls: int = 0
    """Control characters but tabs and line breaks, NUL among them."""
    twice_encoded: int = 0
    """Characters that were UTF-8 and were encoded again."""
    long_lines: int = 0
    long_line_bytes: int = 0
    size: int = 0
    """Bytes of all pieces."""
    tags: Counter[str] = field(default_factory=Counter)
    """Tags that are not part of the chat format."""
    _line: int = 0
    """Bytes of a line that goes on."""

    def add(self, text: str, data: bytes, in_turn: bool) -> None:
        """Look at a piece, which is given as text and in UTF-8."""
        self.size += len(data)
        self.controls += len(data.translate(None, _ORDINARY))
        if not data.isascii():
            self.replaced += data.count(_REPLACED)
            self.twice_encoded += sum(data.count(start) for start in _TWICE_ENCODED)
        if b"<" in data or b"INST]" in data:
            self._add_tags(text, in_turn)
        if not in_turn:
            self._add_lines(data)

    def end(self) -> None:
        """End a document, and its last line."""
        self._end_line(0)

    def _add_tags(self, text: str, in_turn: bool) -> None:
        """Count every tag in a turn, and in plain text those that stand for a role."""
        for match in _TAG.finditer(text):
            meant = in_turn or (match[1] or "inst").lower() in _ROLES
            if meant and (match[0] in self.tags or len(self.tags) < _LISTED):
                self.tags[match[0]] += 1

    def _add_lines(self, data: bytes) -> None:
        """Count long lines, looking at no more than one line break of each ``LONG_LINE`` bytes."""
        at = 0
        while at < len(data):
            found = data.rfind(b"\n", at, at + LONG_LINE)
            if found < 0 and at + LONG_LINE < len(data):
                found = data.find(b"\n", at + LONG_LINE)
            if found < 0:
                self._line += len(data) - at
                return
            first = data.find(b"\n", at, found + 1)  # of several short lines, the one that ends
            self._end_line(first - at)
            at = found + 1

    def _end_line(self, more: int) -> None:
        length, self._line = self._line + more, 0
        if length > LONG_LINE:
            self.long_lines += 1
            self.long_line_bytes += length
