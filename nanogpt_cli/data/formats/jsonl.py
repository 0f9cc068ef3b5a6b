"""JSON lines: each line is a record, a document or a conversation."""

import json
from collections.abc import Iterable, Iterator

from nanogpt_cli.data.formats.base import Format, Piece, Report, no_sniff, whole_lines
from nanogpt_cli.data.formats.records import not_a_record, read_record


def _read(chunks: Iterable[str], name: str, report: Report) -> Iterator[Piece]:
    """Yield each record."""
    for number, line in enumerate(whole_lines(chunks, name), 1):
        if not line.strip():
            continue
        place = f"{name}, line {number}"
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise not_a_record(place, line) from error
        yield from read_record(record, place, line, report)


FORMAT = Format("jsonl", suffixes=(".jsonl", ".ndjson"), sniff=no_sniff, read=_read)
