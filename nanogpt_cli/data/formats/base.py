"""What a format is: decoded text in, pieces of documents and turns of conversations out.

A new format is one file with a ``Format`` and one line in ``registry.FORMATS``. The helpers here
are for formats with one document or conversation per record. This module knows no format itself.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from nanogpt_cli.dialogue import Role, Turn
from nanogpt_cli.errors import DataError
from nanogpt_cli.text import printable, valid_text

Piece = str | Turn | None
"""A piece of a plain document, a turn of a conversation, or the end of either."""

LONGEST_LINE = 2**27
"""Characters of a line of JSON or of a table's cell."""

PAIRS = (
    ("human", "bot"), ("prompt", "completion"), ("prompt", "response"), ("question", "answer"),
    ("instruction", "output"), ("instruction", "response"), ("input", "output"),
)  # fmt: skip
"""Names of a question and its answer in records and tables."""

ADDED_TO_QUESTION = ("input", "context")
"""Names of what an instruction is about, which follows it in the human's turn."""

_LISTED = 8
"""Names that a note lists; the rest are counted together."""
_LONGEST_NAME, _MOST_FIELDS = 40, 1000
"""Characters of a name, and names of fields, that are told apart."""


@dataclass(frozen=True)
class Asked:
    """What a user says of the input that formats need to know."""

    me: str = ""
    """Whose messages the bot's are, in exports of chats."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Fields of records and columns of tables by what they are read as: human, bot, text, ..."""


class Report:
    """What a reader left out, counted, and what it assumed, for the user to read.

    ``asked`` is what the reader should know of the input.
    """

    def __init__(self, asked: Asked | None = None) -> None:
        self.asked = asked or Asked()
        self.numbers = Counter[str]()
        """What was counted in dialogues, by the names of the doctor's report."""
        self._warnings: list[str] = []
        self._counts: dict[tuple[str, str], int] = {}
        self._named: dict[str, set[str]] = {}
        self._fields: Counter[str] = Counter()
        self._other_fields = 0

    def warn(self, note: str) -> None:
        """Add a note about a file."""
        self._warnings.append(note)

    def add(self, one: str, many: str, count: int = 1) -> None:
        """Count something, described by what follows "1 " and by what follows a larger number."""
        if count:
            self._counts[one, many] = self._counts.get((one, many), 0) + count

    def leave_out(self, what: str, kind: str, name: str) -> None:
        """Count a ``what`` of ``kind``, by its name, which is untrusted, or with other names."""
        names = self._named.setdefault(f"{what} {kind}", set())
        name = name[:_LONGEST_NAME]
        if len(names) < _LISTED:
            names.add(name)
        shown = f"{kind} {printable(name)}" if name in names else f"other {kind}s"
        self.add(f"{what} of {shown} was left out", f"{what}s of {shown} were left out")

    def leave_out_fields(self, names: Iterable[str]) -> None:
        """Count fields of a record, or columns of a row, that have text and are not used."""
        for name in names:
            name = name[:_LONGEST_NAME]
            if name in self._fields or len(self._fields) < _MOST_FIELDS:
                self._fields[name] += 1
            else:
                self._other_fields += 1

    def notes(self) -> list[str]:
        """Return the notes added, then one for each thing counted, in order of occurrence."""
        counts = self._counts.items()
        counted = [f"{n:,} {one if n == 1 else many}" for (one, many), n in counts]
        return [*self._warnings, *counted, *self._field_notes()]

    def _field_notes(self) -> Iterator[str]:
        """Name the fields left out in one line, the most frequent first."""
        fields = self._fields.most_common()
        listed = [f"{printable(name) or 'unnamed'} ({n:,})" for name, n in fields[:_LISTED]]
        if others := self._other_fields + sum(n for _, n in fields[_LISTED:]):
            listed.append(f"others ({others:,})")
        if listed:
            yield f"fields that were left out, and how often: {', '.join(listed)}"


@dataclass(frozen=True)
class Format:
    """How a format is recognised and read."""

    name: str
    suffixes: tuple[str, ...]
    """Endings of file names, in lower case, by which it is recognised first."""
    sniff: Callable[[str], bool]
    """Whether the beginning of a file, 64 KiB at most, looks like this format."""
    certain: bool = field(default=False, kw_only=True)
    """Whether what ``sniff`` recognises is this format whatever its name ends in."""
    read: Callable[[Iterable[str], str, Report], Iterator[Piece]]
    """Yields the pieces of a file from its text, which comes in chunks cut anywhere.

    Its other arguments are the file's name for errors and the report to count in. Documents
    without text do not appear. Raises DataError naming file and place where the text is not in
    this format.
    """


COLUMNS = ("text", "human", "bot", "context", "emotion")
"""What a field or a column can be read as."""


def named_columns(names: Collection[str], asked: Asked, place: str) -> dict[str, str]:
    """Return which of ``names`` is read as what, as the user said: human -> Q, bot -> A.

    Capitals matter only where two names differ in nothing else. Raises DataError where one is
    missing.
    """
    found = {}
    for meaning, wanted in asked.columns.items():
        alike = [name for name in names if name.strip().lower() == wanted.lower()]
        if wanted not in names and len(alike) != 1:
            raise DataError(
                f"{place} has no column {printable(wanted)}: {printable(', '.join(names))}",
                "name one of these with --columns",
            )
        found[meaning] = wanted if wanted in names else alike[0]
    return found


def named_pieces(fields: Mapping[str, str]) -> Iterator[Piece]:
    """Yield a record whose fields are called as in COLUMNS."""
    if "text" in fields:
        return document([valid_text(fields["text"])])
    order: tuple[Role, ...] = ("context", "emotion", "human", "bot")
    return conversation([Turn(role, fields[role]) for role in order if role in fields])


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


def question(pair: tuple[str, str], fields: Mapping[str, str]) -> tuple[str, list[str]]:
    """Return the human's turn of a record or row, and the names of what it is made of.

    What an instruction is about follows it, in a line of its own.
    """
    names = [pair[0]]
    if pair[0] == "instruction":
        names += [name for name in ADDED_TO_QUESTION if fields.get(name, "").strip()]
    return "\n".join(fields[name] for name in names), names
