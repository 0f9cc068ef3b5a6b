"""Text that comes in pieces, with line breaks between words where a terminal's lines end.

Nothing here knows a model.
"""

import os
import sys
from collections.abc import Callable

from rich.cells import cell_len

JOINER = "\u200d"
"""Makes one emoji of two."""
TAB = 8


def terminal_width() -> int:
    """Return how many columns the terminal at stdout has now."""
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


class WordWrap:
    """Breaks lines between words; white space and line breaks of the text itself are kept.

    A word waits until its end has come, or until it is clear on which line it goes. A word that is
    longer than a line is left to the terminal. Wide characters, which Chinese and Japanese are
    written in without blanks, are words of their own.
    """

    def __init__(self, width: Callable[[], int] = terminal_width) -> None:
        self._width = width
        """Asked for each word, because a window can be resized."""
        self._column = 0
        self._blanks = ""
        """White space before the word, shown only if the word stays on this line."""
        self._word = ""
        self._is_placed = False
        """Whether the beginning of the word was shown, so that the rest follows it at once."""
        self._base = self._last = ""
        """The last character that takes a column, and the last of all, of the word."""

    def push(self, text: str) -> str:
        """Take more text; return what can be shown now."""
        return "".join(map(self._take, text))

    def finish(self) -> str:
        """Return the rest of the last word."""
        return self._end_word()

    def _take(self, character: str) -> str:
        if character == "\n":
            shown = self._end_word()
            self._column, self._blanks = 0, ""
            return shown + "\n"
        if character in " \t":
            shown = self._end_word()
            self._blanks += character
            return shown
        shown = self._end_word() if self._is_break_before(character) else ""
        if cell_len(character):
            self._base = character
        self._last = character
        if self._is_placed:
            self._column = _column_after(self._column, character)
            return shown + character
        self._word += character
        return shown + self._place()

    def _is_break_before(self, character: str) -> bool:
        """Whether a line may end between the word so far and a character."""
        return (
            bool(self._base)
            and self._last != JOINER
            and cell_len(character) > 0
            and max(cell_len(character), cell_len(self._base)) > 1
        )

    def _place(self) -> str:
        """Return the word so far where it can go on one line only, else nothing yet."""
        if self._column == 0:
            before = self._blanks
        elif _column_after(self._column, self._blanks + self._word) > self._width():
            before, self._column = "\n", 0
        else:
            return ""
        shown = before + self._word
        self._column = _column_after(self._column, shown.removeprefix("\n"))
        self._blanks = self._word = ""
        self._is_placed = True
        return shown

    def _end_word(self) -> str:
        shown = self._blanks + self._word if self._word else ""
        if shown:
            self._column = _column_after(self._column, shown)
            self._blanks = ""
        self._word = self._base = self._last = ""
        self._is_placed = False
        return shown


def _column_after(column: int, text: str) -> int:
    first, *rest = text.split("\t")
    column += cell_len(first)
    for part in rest:
        column += TAB - column % TAB + cell_len(part)
    return column
