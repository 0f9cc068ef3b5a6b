"""Inputs in, decoded text and the pieces that formats make of it out.

Reading streams, whatever the size of a file. This module knows neither tokenizers nor what the
pieces are for, and of formats only what ``registry.FORMATS`` says.
"""

import codecs
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib import resources
from itertools import chain
from pathlib import Path
from typing import IO

from nanogpt_cli.data.encodings import AUTO, recognised_encoding, undecodable_sample
from nanogpt_cli.data.formats.base import Piece, Report
from nanogpt_cli.data.inputs import find_files, head_of, is_text_name, unreadable
from nanogpt_cli.data.signatures import advice, encoding_of, identify
from nanogpt_cli.data.unpack import Packing, inner_name, members, packing_of, unpacked
from nanogpt_cli.errors import DataError
from nanogpt_cli.files import open_regular
from nanogpt_cli.registry import FORMATS
from nanogpt_cli.text import counted

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
    packing: Packing | None = None

    @contextmanager
    def open(self) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
        """Open what is to be read, and the file whose position is the progress.

        Raises DataError for what cannot be unpacked, and OSError.
        """
        if self.packing:
            with unpacked(self.path, self.packing, self.name) as opened:
                yield opened
        else:
            with open_regular(self.path) as file:
                yield file, file


def find_sources(
    inputs: Sequence[str], form: str, stack: ExitStack, encoding: str = ""
) -> tuple[list[Source], list[str]]:
    """Return the files to read, in a stable order, and notes on what was left out.

    No input is the demo corpus, and ``form`` may be auto. ``stack`` removes the copy of stdin.
    ``encoding`` is UTF-8 where it is empty; auto recognises it. Raises DataError for an input that
    is missing or a folder with nothing to read.
    """
    report = Report()
    files = find_files(inputs, stack, report) or [(demo_corpus(), "the demo corpus")]
    return [
        _source(found, form, encoding, report)
        for path, name in files
        for found in _contents(path, name, report)
    ], report.notes()


def _contents(path: Path, name: str, report: Report) -> Iterator[Source]:
    """Yield a file, or what it holds, before its format is known.

    Raises DataError where it is known not to be text, or holds none.
    """
    head = head_of(path, _HEAD)
    kind = packing_of(head)
    found = identify(head, head_of(path, -_HEAD) if kind == "zip" else b"")
    if found and (kind is None or (kind == "zip" and "ZIP" not in found.what)):
        raise DataError(f"{name} is {found.what}, not text", advice(found, _typed(path, name)))
    if kind is None:
        yield Source(path, name, "auto")
    elif kind == "zip":
        texts = [member for member in members(path, name) if is_text_name(member)]
        if not texts:
            raise DataError(f"there is no text file in {name}", "name an archive of .txt files")
        report.warn(f"{name} holds {counted(len(texts), 'text file')}")
        for member in texts:
            yield Source(path, f"{name}/{member}", "auto", packing=Packing(kind, member))
    else:
        report.warn(f"{name} is unpacked as it is read ({kind})")
        yield Source(path, name, "auto", packing=Packing(kind))


def _source(source: Source, form: str, encoding: str, report: Report) -> Source:
    """Return a source with its encoding and its format, or ``form``.

    Raises DataError where it is known not to be text.
    """
    try:
        with source.open() as (file, _):
            head = file.read(_HEAD)
            marked = encoding_of(head)
            asked = encoding if marked == "utf-8" else ""
            sample = None
            if asked == AUTO:
                sample = undecodable_sample(chain([head], iter(partial(file.read, CHUNK), b"")))
    except OSError as error:
        raise unreadable(source.name, error) from error
    if source.packing and (found := identify(head)):
        raise DataError(f"{source.name} holds {found.what}, not text", _UNPACK)
    if asked == AUTO:
        asked = "utf-8" if sample is None else recognised_encoding(sample) or ""
        if not asked:
            raise DataError(
                f"the encoding of {source.name} is not known, or it is not text",
                "name it with --encoding, for example cp1252",
            )
    chosen = asked or marked
    if chosen != "utf-8":
        report.warn(f"{source.name} is read as {chosen.upper()}")
    text = head.decode(chosen, "ignore").removeprefix("\ufeff")
    if form == "auto":
        table = source.packing and source.packing.kind == "parquet"
        form = "jsonl" if table else recognise(inner_name(source.name), text)
    return replace(source, format=form, encoding=chosen)


_UNPACK = "unpack it first, and name the files of text that it holds"


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
    position = reported = 0
    try:
        with source.open() as (file, whole):
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
                done = whole.tell() if source.packing and not source.packing.member else position
                advance(done - reported)
                reported = done
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
    hint = "name another --encoding" if encoding != "UTF-8" else "name its --encoding, or auto"
    if encoding == "UTF-8":
        with source.open() as (file, _):
            sample = undecodable_sample(iter(partial(file.read, CHUNK), b""))
        if likely := recognised_encoding(sample or b""):
            hint = f"it looks like {likely}: --encoding {likely}"
    return DataError(
        f"{source.name} is not {encoding} at {place}",
        f"{hint}; or replace such bytes: --errors replace",
    )
