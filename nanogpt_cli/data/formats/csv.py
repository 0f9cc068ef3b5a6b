"""Tables: a row is a document (column ``text``, or the only one) or a pair of turns.

Cells are separated by commas, tabs or semicolons, whichever is most frequent in the first line
that is not blank. That line names the columns, unless the table has a single one whose name is not
known.
"""

import csv
from collections.abc import Iterable, Iterator
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
    no_sniff,
    whole_lines,
)
from nanogpt_cli.dialogue import Turn
from nanogpt_cli.errors import DataError
from nanogpt_cli.text import printable

_KNOWN_COLUMNS = {"text", *chain.from_iterable(PAIRS)}


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
    csv.field_size_limit(LONGEST_LINE)
    reader = csv.reader(chain(blank, [header], lines), delimiter=delimiter)
    rows = (row for row in reader if row and (len(row) > 1 or row[0].strip()))
    try:
        first = next(rows, [])
        if len(first) > 1:
            yield from _table(first, rows, name, report)
        else:
            yield from _column(first, rows, delimiter, name, report)
    except csv.Error as error:
        raise DataError(f"{name}, line {reader.line_num}: {error}", "check its quotes") from error


def _table(
    header: list[str], rows: Iterable[list[str]], name: str, report: Report
) -> Iterator[Piece]:
    """Yield the column ``text``, or the pairs of two columns."""
    columns = [column.strip().lower() for column in header]
    pair = find_pair(columns)
    if pair is None and "text" not in columns:
        raise DataError(
            f"{name} has neither a column text nor a pair such as human, bot: {', '.join(columns)}",
            "name the columns in its first line",
        )
    for row in rows:
        cells = dict(zip(columns, row, strict=False))
        if "text" in columns or pair is None:
            pieces = document([cells.get("text", "")])
        else:
            human, bot = (cells.get(column, "") for column in pair)
            pieces = conversation([Turn("human", human), Turn("bot", bot)])
        yield from counted(pieces, "row", report)


def _column(
    first: list[str], rows: Iterable[list[str]], delimiter: str, name: str, report: Report
) -> Iterator[Piece]:
    """Yield each row of a single column; a delimiter that is not quoted belongs to the text."""
    cell = "".join(first).strip()
    if cell.lower() not in _KNOWN_COLUMNS:
        if cell.isidentifier():
            report.warn(
                f"{name}: its first line, {printable(cell)}, is read as text; "
                "to name the column, write text"
            )
        rows = chain([first], rows)
    for row in rows:
        yield from counted(document([delimiter.join(row)]), "row", report)


FORMAT = Format("csv", suffixes=(".csv", ".tsv"), sniff=no_sniff, read=_read)
