"""Tables: a row is a document (column ``text``, or the only one) or a pair of turns.

Cells are separated by commas, tabs or semicolons, whichever is most frequent in the first line
that is not blank. That line names the columns, unless the table has a single one whose name is not
known. What would lose text, such as a cell too many, is refused.
"""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from nanogpt_cli.data.formats.base import (
    LONGEST_LINE,
    PAIRS,
    Format,
    Piece,
    Report,
    conversation,
    counted,
    document,
    find_pair,
    named_columns,
    named_pieces,
    no_sniff,
    question,
    whole_lines,
)
from nanogpt_cli.dialogue import Turn
from nanogpt_cli.errors import DataError
from nanogpt_cli.text import printable

_KNOWN_COLUMNS = {"text", *chain.from_iterable(PAIRS)}


_SWALLOWED = 5
"""Lines within quotes, each a whole row by itself, that say that a quote is missing."""


@dataclass(frozen=True)
class _Row:
    """A row of a table, and the place and the lines that it was read from."""

    place: str
    lines: list[str]
    cells: list[str]


def _read(chunks: Iterable[str], name: str, report: Report) -> Iterator[Piece]:
    """Yield each row."""
    lines = whole_lines(chunks, name)
    blank: list[str] = []
    for header in lines:
        if header.strip():
            break
        blank.append(header)
    else:
        return
    delimiter = max(",\t;", key=header.count)
    rows = _rows(chain(blank, [header], lines), delimiter, name)
    first = next(rows, None)
    if first and report.asked.columns:
        yield from _named(first, rows, delimiter, name, report)
    elif first and len(first.cells) > 1:
        yield from _table(first, rows, delimiter, name, report)
    elif first:
        yield from _column(first, rows, delimiter, name, report)


def _rows(lines: Iterable[str], delimiter: str, name: str) -> Iterator[_Row]:
    """Yield the rows that are not blank. Raises DataError for quotes that are not in order."""
    read: list[str] = []

    def kept() -> Iterator[str]:
        for line in lines:
            read.append(line)
            yield line

    csv.field_size_limit(LONGEST_LINE)
    reader = csv.reader(kept(), delimiter=delimiter, strict=True)
    while True:
        place = f"{name}, line {reader.line_num + 1}"
        read.clear()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise DataError(f"{place}: {error}", "check the quotes in this line") from error
        if cells and (len(cells) > 1 or cells[0].strip()):
            yield _Row(place, list(read), cells)


def table_rows(lines: Iterable[str], name: str) -> Iterator[dict[str, str]]:
    """Yield the rows of a table with commas by its columns' names in lower case."""
    rows = _rows(lines, ",", name)
    first = next(rows, None)
    columns = [column.strip().lower() for column in first.cells] if first else []
    for row in rows:
        yield dict(zip(columns, row.cells, strict=False))


def _table(
    header: _Row, rows: Iterable[_Row], delimiter: str, name: str, report: Report
) -> Iterator[Piece]:
    """Yield the column ``text``, or the pairs of two columns."""
    columns = [column.strip().lower() for column in header.cells]
    pair = find_pair(columns)
    if pair is None and "text" not in columns:
        raise DataError(
            f"{name} has neither a column text nor a pair such as human, bot: {', '.join(columns)}",
            "name the columns in its first line, or say which to read: --columns human=Q,bot=A",
        )
    used = ("text",) if "text" in columns or pair is None else pair
    for column in used:
        if columns.count(column) > 1:
            raise DataError(
                f"{header.place} names {columns.count(column)} columns {column}",
                "give each column a name of its own",
            )
    for row in rows:
        _check(row, len(columns), delimiter)
        cells = dict.fromkeys(columns, "") | dict(zip(columns, row.cells, strict=False))
        if len(used) == 1:
            read, pieces = ["text"], document([cells["text"]])
        else:
            human, read = question(used, cells)
            pieces = conversation([Turn("human", human), Turn("bot", cells[used[1]])])
        unread = cells.keys() - {*used, *read}
        report.leave_out_fields(name for name in columns if name in unread and cells[name].strip())
        yield from counted(pieces, "row", report)


def _named(
    header: _Row, rows: Iterable[_Row], delimiter: str, name: str, report: Report
) -> Iterator[Piece]:
    """Yield each row, of the columns that the user named."""
    columns = [column.strip() for column in header.cells]
    named = named_columns(columns, report.asked, name)
    for row in rows:
        _check(row, len(columns), delimiter)
        cells = dict(zip(columns, row.cells, strict=False))
        pieces = named_pieces({what: cells.get(column, "") for what, column in named.items()})
        unread = cells.keys() - set(named.values())
        report.leave_out_fields(name for name in columns if name in unread and cells[name].strip())
        yield from counted(pieces, "row", report)


def _check(row: _Row, width: int, delimiter: str) -> None:
    """Raise DataError for text beyond the last column, and for quotes around other rows."""
    if any(cell.strip() for cell in row.cells[width:]):
        raise DataError(
            f"{row.place} has {len(row.cells)} cells, but there are {width} columns",
            f"put double quotes around a cell with {printable(delimiter)} in its text",
        )
    inner = [line.split(delimiter) for line in row.lines[1:-1] if line.strip()]
    if len(inner) >= _SWALLOWED and all(len(c) == width and all(map(str.strip, c)) for c in inner):
        raise DataError(
            f"{row.place}: the next {len(inner)} lines look like rows, but are within its quotes",
            "check the quotes in this line; where they are right, write the table as JSON lines",
        )


def _column(
    first: _Row, rows: Iterable[_Row], delimiter: str, name: str, report: Report
) -> Iterator[Piece]:
    """Yield each row of a single column; a delimiter that is not quoted belongs to the text."""
    cell = "".join(first.cells).strip()
    if cell.lower() not in _KNOWN_COLUMNS:
        if cell.isidentifier():
            report.warn(
                f"{name}: its first line, {printable(cell)}, is read as text; "
                "to name the column, write text"
            )
        rows = chain([first], rows)
    for row in rows:
        text = delimiter.join(row.cells)
        if len(row.cells) > 1 and text != "".join(row.lines).rstrip("\r\n"):
            raise DataError(
                f"{row.place} has text within quotes and beside them",
                "put double quotes around the whole text, and write those within it twice",
            )
        yield from counted(document([text]), "row", report)


FORMAT = Format("csv", suffixes=(".csv", ".tsv"), sniff=no_sniff, read=_read)
