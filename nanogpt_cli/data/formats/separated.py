"""Plain text of many documents, with ``<|endoftext|>`` between them: what some corpora are.

It is never recognised, because that string in a text is ordinary text: it has to be asked for.
"""

from collections.abc import Iterable, Iterator

from nanogpt_cli.data.formats.base import Format, Piece, Report, document, no_sniff
from nanogpt_cli.tokenizer.base import END_OF_TEXT


def _read(chunks: Iterable[str], name: str, report: Report) -> Iterator[Piece]:
    """Yield the documents, without white space around them."""
    held: list[str] = []
    for part in _parts(chunks):
        if part is None:
            yield from _document(held)
            held = []
        else:
            held.append(part)
    yield from _document(held)


def _document(held: list[str]) -> Iterator[Piece]:
    return document(["".join(held).strip()])


def _parts(chunks: Iterable[str]) -> Iterator[str | None]:
    """Yield text, and None where a document ends."""
    rest = ""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(END_OF_TEXT)
        for text in whole:
            yield text
            yield None
        kept = len(rest) - (len(END_OF_TEXT) - 1)
        if kept > 0:
            yield rest[:kept]
            rest = rest[kept:]
    yield rest


FORMAT = Format("separated", suffixes=(), sniff=no_sniff, read=_read)
