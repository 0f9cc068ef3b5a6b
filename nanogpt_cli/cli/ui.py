"""What the user sees on stderr: notes, errors and progress bars, on one rich console.

A terminal's lines end between words. What is read by a program, or typed next, stays on one line.
"""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from nanogpt_cli.errors import NanoGPTError
from nanogpt_cli.text import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress
    from rich.text import Text


LONGEST = 5000
"""Characters of an error that are shown: a long path, but not a whole file in one line."""


@cache
def console() -> "Console":
    """Return the console for messages; results go to stdout and never through it."""
    from rich.console import Console

    class Talk(Console):
        def show_cursor(self, show: bool = True) -> bool:
            return self.is_terminal  # a bar hides it, and where the process is killed it stays so

    return Talk(stderr=True, highlight=False, emoji=False, soft_wrap=True)


_COMMAND = re.compile(r"(^|:) *nanogpt [^,;]*$")
"""A line that ends in a command to be typed: it is copied whole."""
_LABEL = re.compile(r" *\S+(?: \S+)?:?  +| +")
"""What the further lines of a row leave free: the label in front of it, or its margin."""


def note(text: str) -> None:
    """Print a note on a line of its own."""
    say(f"note: {printable(text)}", "yellow")


def say(text: str = "", style: str | None = None) -> None:
    """Print a message."""
    from rich.text import Text

    show(Text(text, style or ""))


def markup(text: str) -> None:
    """Print a message with rich's markup, in which untrusted text is escaped."""
    from rich.text import Text

    show(Text.from_markup(text))


def show(text: "Text") -> None:
    """Print a message; on a terminal its lines end between words."""
    from rich.text import Text

    out = console()
    if not out.is_terminal or text.cell_len <= out.width or _COMMAND.search(text.plain):
        out.print(text)
        return
    label = _LABEL.match(text.plain)
    indent = label.end() if label and label.end() <= out.width // 2 else 0
    head, body = text[:indent], text[indent:]
    lines = body.divide(_line_starts(body.plain, out.width - indent))
    for line in lines:
        line.rstrip()
    out.print(head + Text("\n" + " " * indent).join(lines))


def _line_starts(text: str, width: int) -> list[int]:
    """Return where the lines after the first begin; a word longer than a line has its own."""
    from rich.cells import cell_len

    starts, column = [], 0
    for word in re.finditer(r"\S+ *", text):
        if column and column + cell_len(word[0].rstrip()) > width:
            starts.append(word.start())
            column = 0
        column += cell_len(word[0])
    return starts


def show_error(error: NanoGPTError) -> None:
    """Print an error and how to fix it, even with ``--quiet``."""
    for label, style, text in (("error", "bold red", error.message), ("hint", "bold", error.hint)):
        shown = printable(text if len(text) <= LONGEST else f"{text[:LONGEST]} ...")
        try:
            console().quiet = False
            markup(f"[{style}]{label}:[/] {escape(shown)}")
        except MemoryError:
            print(f"{label}: {shown}", file=sys.stderr)


def escape(text: str) -> str:
    """Keep ``[brackets]`` in untrusted text from being taken for markup."""
    from rich.markup import escape as rich_escape

    return rich_escape(text)


@contextmanager
def working(text: str) -> Iterator[Callable[[str], None]]:
    """Show what takes long, until the end of the context; yield what shows another text.

    On a terminal alone, and gone afterwards.
    """
    out = console()
    if out.quiet or not out.is_terminal:
        yield lambda text: None
        return
    with out.status(escape(text)) as status:
        yield lambda text: status.update(escape(text))


def progress(*, counts: bool = True) -> "Progress":
    """Return a progress bar with the time left; pipes and files get none.

    It ``counts`` what is done, unless its description says that.
    """
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    out = console()
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(40 if counts else None),
        *([MofNCompleteColumn()] if counts else []),
        TextColumn("{task.fields[note]}"),
        TimeRemainingColumn(compact=not counts),
        console=out,
        expand=not counts,  # the bar takes what the texts leave
        transient=True,
        disable=out.quiet or not out.is_terminal,
    )
