"""Inputs in, decoded text and the pieces that formats make of it out.

Reading streams, whatever the size of a file. This module knows neither tokenizers nor what the
pieces are for, and of formats only what ``registry.FORMATS`` says.
"""

import codecs
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from importlib import resources
from itertools import chain
from pathlib import Path

from nanogpt_cli.data.formats.base import Piece, Report
from nanogpt_cli.data.inputs import find_files, head_of, unreadable
from nanogpt_cli.data.signatures import advice, encoding_of, identify
from nanogpt_cli.errors import DataError
from nanogpt_cli.files import open_regular
from nanogpt_cli.registry import FORMATS
from nanogpt_cli.text import shell_word

CHUNK = 2**20
"""Bytes that are read at a time."""

_HEAD = 2**16
"""Bytes at the start of a file by which its format is recognised."""


@dataclass(frozen=True)
class Source:
    """One file to read, under the name that the user knows; ``format`` is one of FORMATS."""

    path: Path
    name: str
    format: str
    encoding: str = "utf-8"


def find_sources(
    inputs: Sequence[str], form: str, stack: ExitStack
) -> tuple[list[Source], list[str]]:
    """Return the files to read, in a stable order, and notes on what was left out.

    No input is the demo corpus, and ``form`` may be auto. ``stack`` removes the copy of stdin.
    Raises DataError for an input that is missing or a folder with nothing to read.
    """
    report = Report()
    files = find_files(inputs, stack, report) or [(demo_corpus(), "the demo corpus")]
    return [_source(path, name, form, report) for path, name in files], report.notes()


def _source(path: Path, name: str, form: str, report: Report) -> Source:
    """Return a file as a source. Raises DataError where it is known not to be text."""
    head = head_of(path, _HEAD)
    if found := identify(head, head_of(path, -_HEAD) if head.startswith(b"PK") else b""):
        raise DataError(f"{name} is {found.what}, not text", advice(found, _typed(path, name)))
    encoding = encoding_of(head)
    if encoding != "utf-8":
        report.warn(f"{name} is read as {encoding.upper()}")
    text = head.decode(encoding, "ignore").removeprefix("\ufeff")
    return Source(path, name, recognise(name, text) if form == "auto" else form, encoding)


def _typed(path: Path, name: str) -> str | None:
    """Return the name under which a command finds a file; None for a copy of a pipe."""
    return name if os.path.exists(name) and os.path.samefile(path, name) else None


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


def recognise(name: str, head: str) -> str:
    """Return the name of a file's format, by its suffix or its first text; the last is text.

    A format whose first text leaves no doubt goes before any suffix.
    """
    for form in FORMATS:
        if FORMATS.get(form).certain and FORMATS.get(form).sniff(head):
            return form
    suffix = Path(name).suffix.lower()
    for form in FORMATS:
        if suffix in FORMATS.get(form).suffixes:
            return form
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
        chunks = read_chunks(source, errors, advance, chunk_size, report)
        yield from FORMATS.get(source.format).read(chunks, source.name, report)


def read_chunks(
    source: Source,
    errors: str,
    advance: Callable[[int], None],
    size: int = CHUNK,
    report: Report | None = None,
) -> Iterator[str]:
    """Decode a file ``size`` bytes at a time; a byte order mark at its start is dropped.

    ``errors`` is strict or replace, and ``report`` counts what was replaced. Raises DataError with
    the offset of a byte that is not in the source's encoding, if strict.
    """
    encoding = source.encoding.upper()
    decode = codecs.getincrementaldecoder(source.encoding)
    decoder = decode(errors)
    unreplaced = decode("ignore") if errors == "replace" and report else None
    position = 0
    try:
        with open_regular(source.path) as file:
            for data in chain(iter(partial(file.read, size), b""), [b""]):
                kept = len(decoder.getstate()[0])
                text = decoder.decode(data, final=not data)
                if unreplaced and report:
                    own = unreplaced.decode(data, final=not data).count("\ufffd")
                    what = f"of {source.name} that is not {encoding} was replaced by U+FFFD"
                    whats = f"of {source.name} that are not {encoding} were replaced by U+FFFD"
                    lost = text.count("\ufffd") - own
                    report.add(f"character {what}", f"characters {whats}", lost)
                yield text.removeprefix("\ufeff") if position == 0 else text
                position += len(data)
                advance(len(data))
    except UnicodeDecodeError as error:
        place = f"byte {position - kept + error.start}"
        raise _not_in_encoding(source, encoding, place) from error
    except OSError as error:
        raise unreadable(source.name, error) from error


def _not_in_encoding(source: Source, encoding: str, place: str) -> DataError:
    """Return the error for bytes that cannot be decoded."""
    if encoding == "UTF-8" and b"\0" in head_of(source.path, _HEAD):
        return DataError(
            f"{source.name} is not text: it has binary data, at {place}", "name a file of text"
        )
    name = shell_word(_typed(source.path, source.name) or "FILE")
    return DataError(
        f"{source.name} is not {encoding} at {place}",
        f"convert it, for example: iconv -f WINDOWS-1252 -t UTF-8 {name} > text.txt; "
        "or replace such bytes: --errors replace",
    )
