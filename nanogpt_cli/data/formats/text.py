"""Plain text: a file is one document. It is what no other format recognises."""

from collections.abc import Iterable, Iterator

from nanogpt_cli.data.formats.base import Format, Piece, Report, document, no_sniff


def _read(chunks: Iterable[str], name: str, report: Report) -> Iterator[Piece]:
    return document(chunks)


FORMAT = Format("text", suffixes=(), sniff=no_sniff, read=_read)
