"""Inputs in, decoded text and the pieces that formats make of it out.

Reading streams, whatever the size of a file. This module knows neither tokenizers nor what the
pieces are for, and of formats only what ``registry.FORMATS`` says.
"""

import codecs
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from importlib import resources
from itertools import chain
from pathlib import Path

from nanogpt_cli.data.formats.base import Piece, Report
from nanogpt_cli.data.inputs import find_files, head_of, unreadable
from nanogpt_cli.errors import DataError
from nanogpt_cli.files import open_regular
from nanogpt_cli.registry import FORMATS

CHUNK = 2**20
"""Bytes that are read at a time."""

_HEAD = 2**16
"""Bytes at the start of a file by which its format is recognised."""

_ENCODING_HINT = "save it as UTF-8, or replace such bytes: --errors replace"


@dataclass(frozen=True)
class Source:
    """One file to read, under the name that the user knows; ``format`` is one of FORMATS."""

    path: Path
    name: str
    format: str


def find_sources(
    inputs: Sequence[str], form: str, stack: ExitStack
) -> tuple[list[Source], list[str]]:
    """Return the files to read, in a stable order, and notes on what was left out.

    No input is the demo corpus, and ``form`` may be auto. ``stack`` removes the copy of stdin.
    Raises DataError for an input that is missing or a folder with nothing to read.
    """
    report = Report()
    files = find_files(inputs, stack, report) or [(demo_corpus(), "the demo corpus")]
    return [
        Source(path, name, recognise(path, name) if form == "auto" else form)
        for path, name in files
    ], report.notes()


def demo_corpus() -> Path:
    """Return the file of the demo corpus, in an installed wheel or in a checkout."""
    package = Path(str(resources.files("nanogpt_cli")))
    for path in (package / "assets/demo_corpus.txt", package.parent / "data/demo_corpus.txt"):
        if path.is_file():
            return path
    raise DataError(
        "the demo corpus is missing from this installation",
        "name a text file: nanogpt prepare FILE",
    )


def recognise(path: Path, name: str) -> str:
    """Return the name of a file's format, by its suffix or its first 64 KiB; the last is text."""
    suffix = Path(name).suffix.lower()
    for form in FORMATS:
        if suffix in FORMATS.get(form).suffixes:
            return form
    head = head_of(path, _HEAD).decode("utf-8", "ignore").removeprefix("\ufeff")
    return next((form for form in FORMATS if FORMATS.get(form).sniff(head)), "text")


def read_pieces(
    sources: Iterable[Source],
    errors: str = "strict",
    report: Report | None = None,
    advance: Callable[[int], None] = lambda _: None,
    chunk_size: int = CHUNK,
) -> Iterator[Piece]:
    """Yield the pieces of all sources; documents without text do not appear.

    ``report`` counts what was left out, and ``advance`` is called with the number of bytes of each
    chunk that was read. Raises DataError naming file and place where a file is not in its format.
    """
    report = Report() if report is None else report
    for source in sources:
        chunks = read_chunks(source, errors, advance, chunk_size)
        yield from FORMATS.get(source.format).read(chunks, source.name, report)


def read_chunks(
    source: Source, errors: str, advance: Callable[[int], None], size: int = CHUNK
) -> Iterator[str]:
    """Decode a file ``size`` bytes at a time; a byte order mark at its start is dropped.

    ``errors`` is strict or replace. Raises DataError with the offset of a byte that is not UTF-8,
    if strict.
    """
    decoder = codecs.getincrementaldecoder("utf-8")(errors)
    position = 0
    try:
        with open_regular(source.path) as file:
            for data in chain(iter(partial(file.read, size), b""), [b""]):
                kept = len(decoder.getstate()[0])
                text = decoder.decode(data, final=not data)
                yield text.removeprefix("\ufeff") if position == 0 else text
                position += len(data)
                advance(len(data))
    except UnicodeDecodeError as error:
        raise DataError(
            f"{source.name} is not UTF-8 at byte {position - kept + error.start}", _ENCODING_HINT
        ) from error
    except OSError as error:
        raise unreadable(source.name, error) from error
