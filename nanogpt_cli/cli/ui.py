"""What the user sees on stderr: one rich console, notes, errors and progress bars."""

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
    """Give the console for all talk; answers go to stdout and never through here."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, emoji=False, soft_wrap=True)


def note(text: str) -> None:
    """Say something worth knowing, in one line."""
    console().print(f"note: {printable(text)}", style="yellow", markup=False)


def say(text: str = "", style: str | None = None) -> None:
    """Say something in passing; ``--quiet`` leaves it out."""
    console().print(text, style=style, markup=False)


def show_error(error: NanoGPTError) -> None:
    """Print an error and how to mend it, also where ``--quiet`` is on."""
    out = console()
    out.quiet = False
    for word, text in (("[bold red]error:[/]", error.message), ("[bold]hint:[/]", error.hint)):
        shown = printable(text if len(text) <= LONGEST else f"{text[:LONGEST]} ...")
        out.print(f"{word} {escape(shown)}")


def escape(text: str) -> str:
    """Keep ``[brackets]`` of a stranger's text from being markup."""
    from rich.markup import escape as rich_escape

    return rich_escape(text)


def progress(transient: bool = True) -> "Progress":
    """Give a progress bar with rate and time left; plain terminals and pipes see no bar."""
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
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeRemainingColumn(),
        console=out,
        transient=transient,
        disable=out.quiet or not out.is_terminal,
    )
