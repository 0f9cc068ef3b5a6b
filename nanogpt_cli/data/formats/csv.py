"""Tables: a row is a document (column ``text``, or the only one) or a pair of turns.

Cells are separated by commas, tabs or semicolons, whichever is most frequent in the first line.
"""

import csv
from collections.abc import Iterable, Iterator
from itertools import chain

from nanogpt_cli.data.formats.base import (
    LONGEST_LINE,
    Format,
    Piece,
    Report,
    conversation,
    document,
    find_pair,
    no_sniff,
    whole_lines,
)
from nanogpt_cli.dialogue import Turn
from nanogpt_cli.errors import DataError


def _read(chunks: Iterable[str], name: str, report: Report) -> Iterator[Piece]:
    """Yield each row."""
    lines = whole_lines(chunks, name)
    header = next(lines, "")
    csv.field_size_limit(LONGEST_LINE)
    rows = csv.reader(chain([header], lines), delimiter=max(",\t;", key=header.count))
    try:
        yield from _pieces(rows, name)
    except csv.Error as error:
        raise DataError(f"{name}, line {rows.line_num}: {error}", "check its quotes") from error


def _pieces(rows: Iterator[list[str]], name: str) -> Iterator[Piece]:
    columns = [column.strip().lower() for column in next(rows, [])]
    pair = find_pair(columns)
    if pair is None and "text" not in columns and len(columns) > 1:
        raise DataError(
            f"{name} has neither a column text nor a pair such as human, bot: {', '.join(columns)}",
            "name the columns in its first line",
        )
    for row in rows:
        cells = dict(zip(columns, row, strict=False))
        if "text" in columns or pair is None:
            yield from document([cells.get("text") or "".join(row[:1])])
        else:
            human, bot = (cells.get(column, "") for column in pair)
            yield from conversation([Turn("human", human), Turn("bot", bot)])


FORMAT = Format("csv", suffixes=(".csv", ".tsv"), sniff=no_sniff, read=_read)
