"""What a format is: decoded text in, pieces of documents and turns of conversations out.

A new format is one file with a ``Format`` and one line in ``registry.FORMATS``. The helpers here
are for formats with one document or conversation per record. This module knows no format itself.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

from nanogpt_cli.dialogue import Turn
from nanogpt_cli.errors import DataError
from nanogpt_cli.text import valid_text

Piece = str | Turn | None
"""A piece of a plain document, a turn of a conversation, or the end of either."""

LONGEST_LINE = 2**27
"""Characters of a line of JSON or of a table's cell."""

PAIRS = (
    ("human", "bot"), ("prompt", "completion"), ("prompt", "response"), ("question", "answer"),
    ("instruction", "output"), ("instruction", "response"),
)  # fmt: skip
"""Names of a question and its answer in records and tables."""


class Report:
    """What a reader left out, counted, and what it assumed, for the user to read."""

    def __init__(self) -> None:
        self._warnings: list[str] = []
        self._counts: dict[tuple[str, str], int] = {}

    def warn(self, note: str) -> None:
        """Add a note about a file."""
        self._warnings.append(note)

    def add(self, one: str, many: str, count: int = 1) -> None:
        """Count something, described by what follows "1 " and by what follows a larger number."""
        if count:
            self._counts[one, many] = self._counts.get((one, many), 0) + count

    def notes(self) -> list[str]:
        """Return the notes added, then one for each thing counted, in order of occurrence."""
        counts = self._counts.items()
        return [*self._warnings, *(f"{n:,} {one if n == 1 else many}" for (one, many), n in counts)]


@dataclass(frozen=True)
class Format:
    """How a format is recognised and read."""

    name: str
    suffixes: tuple[str, ...]
    """Endings of file names, in lower case, by which it is recognised first."""
    sniff: Callable[[str], bool]
    """Whether the beginning of a file, 64 KiB at most, looks like this format."""
    read: Callable[[Iterable[str], str, Report], Iterator[Piece]]
    """Yields the pieces of a file from its text, which comes in chunks cut anywhere.

    Its other arguments are the file's name for errors and the report to count in. Documents
    without text do not appear. Raises DataError naming file and place where the text is not in
    this format.
    """


def no_sniff(head: str) -> bool:
    """Recognise no file by its content."""
    return False


def document(chunks: Iterable[str]) -> Iterator[Piece]:
    """Yield a text as one document, unless it is blank."""
    held: list[str] = []
    begun = False
    for chunk in chunks:
        begun = begun or bool(chunk.strip())
        held.append(chunk)
        if begun:
            yield from held
            held.clear()
    if begun:
        yield None


def conversation(turns: Iterable[Turn]) -> Iterator[Piece]:
    """Yield the turns that are not blank, then the end of the conversation."""
    kept = [Turn(turn.role, valid_text(turn.text.strip())) for turn in turns if turn.text.strip()]
    if kept:
        yield from kept
        yield None


def counted(pieces: Iterator[Piece], what: str, report: Report) -> Iterator[Piece]:
    """Yield the pieces of a record or row, and count it as without text where there are none."""
    first = next(pieces, None)
    if first is None:
        report.add(f"{what} without text was left out", f"{what}s without text were left out")
        return
    yield first
    yield from pieces


def whole_lines(chunks: Iterable[str], name: str, longest: int = LONGEST_LINE) -> Iterator[str]:
    """Yield whole lines with their line breaks.

    Raises DataError for a line of more than ``longest`` characters.
    """
    held: list[str] = []
    length = 0
    for chunk in chunks:
        *lines, rest = chunk.split("\n")
        for line in lines:
            yield "".join([*held, line, "\n"])
            held, length = [], 0
        held.append(rest)
        length += len(rest)
        if length > longest:
            raise DataError(
                f"{name} has a line of more than {longest:,} characters",
                "write one document or conversation per line",
            )
    if length:
        yield "".join(held)


def find_pair(names: Collection[str]) -> tuple[str, str] | None:
    """Return the first of PAIRS that is among ``names``."""
    return next((pair for pair in PAIRS if pair[0] in names and pair[1] in names), None)
