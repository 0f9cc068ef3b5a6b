"""What the user sees on stderr: notes, errors and progress bars, on one rich console."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from nanogpt_cli.errors import NanoGPTError
from nanogpt_cli.text import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress


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


def note(text: str) -> None:
    """Print a note on a line of its own."""
    console().print(f"note: {printable(text)}", style="yellow", markup=False)


def say(text: str = "", style: str | None = None) -> None:
    """Print a message."""
    console().print(text, style=style, markup=False)


def show_error(error: NanoGPTError) -> None:
    """Print an error and how to fix it, even with ``--quiet``."""
    out = console()
    out.quiet = False
    for label, text in (("[bold red]error:[/]", error.message), ("[bold]hint:[/]", error.hint)):
        shown = printable(text if len(text) <= LONGEST else f"{text[:LONGEST]} ...")
        out.print(f"{label} {escape(shown)}")


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
