"""Files, folders, globs and pipes in, decoded text and the pieces that formats make of it out.

Reading streams, whatever the size of a file. This module knows neither tokenizers nor what the
pieces are for, and of formats only what ``registry.FORMATS`` says.
"""

import codecs
import glob
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from importlib import resources
from itertools import chain
from pathlib import Path
from typing import IO

from nanogpt_cli.data.formats.base import Piece, Report
from nanogpt_cli.errors import DataError
from nanogpt_cli.files import machine_errors
from nanogpt_cli.registry import FORMATS

CHUNK = 2**20
"""Bytes that are read at a time."""

_HEAD = 2**16
"""Bytes at the start of a file by which its format is recognised."""

_TEXT_SUFFIXES = {
    ".txt", ".text", ".md", ".markdown", ".rst", ".org", ".tex", ".adoc", ".html", ".htm", ".xml",
    ".log", ".srt", ".vtt", ".py", ".js", ".ts", ".c", ".h", ".cpp", ".hpp", ".rs", ".go", ".java",
    ".rb", ".sh", ".sql", ".css",
}  # fmt: skip
"""What is taken for text in a folder, beside the suffixes of the formats."""

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
    """Return the files to read, in a stable order, and notes on the files left out.

    No input is the demo corpus, and ``form`` may be auto. ``stack`` removes the copy of stdin.
    Raises DataError for an input that is missing or a folder with nothing to read.
    """
    files: list[tuple[Path, str]] = []
    notes: list[str] = []
    for name in inputs:
        files += _files_of(name, stack, notes)
    if not inputs:
        files.append((demo_corpus(), "the demo corpus"))
    return [
        Source(path, name, recognise(path, name) if form == "auto" else form)
        for path, name in files
    ], notes


def _files_of(name: str, stack: ExitStack, notes: list[str]) -> list[tuple[Path, str]]:
    """Return the files of one input under the names to show."""
    path = Path(name)
    if name == "-":
        return [(_spool(sys.stdin.buffer, stack), "stdin")]
    if path.is_dir():
        found, skipped = _files_in(path)
        if not found:
            raise DataError(
                f"there is no text file in {name}", "name a folder that holds .txt files"
            )
        if skipped:
            notes.append(f"{skipped} files of {name} are not text and were left out")
        return [(file, str(file)) for file in found]
    if path.is_file():
        return [(path, name)]
    if path.exists():  # a pipe, as the shell's <(command) is
        return [(_spool(stack.enter_context(path.open("rb")), stack), name)]
    if matches := [m for m in sorted(glob.glob(name, recursive=True)) if Path(m).is_file()]:
        return [(Path(match), match) for match in matches]
    raise DataError(f"there is no file or folder {name}", "check the name and the folder")


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


def _files_in(folder: Path) -> tuple[list[Path], int]:
    """Return the text files in a folder and its subfolders, and the number of other files."""
    suffixes = _TEXT_SUFFIXES.union(*(FORMATS.get(name).suffixes for name in FORMATS))
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    texts = [
        path for path in files if path.suffix.lower() in suffixes and b"\0" not in _head(path, 8192)
    ]
    return texts, len(files) - len(texts)


def recognise(path: Path, name: str) -> str:
    """Return the name of a file's format, by its suffix or its first 64 KiB; the last is text."""
    suffix = Path(name).suffix.lower()
    for form in FORMATS:
        if suffix in FORMATS.get(form).suffixes:
            return form
    head = _head(path, _HEAD).decode("utf-8", "ignore").removeprefix("\ufeff")
    return next((form for form in FORMATS if FORMATS.get(form).sniff(head)), "text")


def _head(path: Path, size: int) -> bytes:
    """Read the first bytes of a file."""
    try:
        with path.open("rb") as file:
            return file.read(size)
    except OSError as error:
        raise _unreadable(str(path), error) from error


def _unreadable(name: str, error: OSError) -> DataError:
    return DataError(f"cannot read {name}: {error.strerror}", "check the file and its permissions")


def _spool(pipe: IO[bytes], stack: ExitStack) -> Path:
    """Copy what can be read only once to a temporary file."""
    with machine_errors(Path(tempfile.gettempdir())):
        path = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nanogpt-"))) / "text"
        with path.open("wb") as file:
            shutil.copyfileobj(pipe, file)
    return path


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
        with source.path.open("rb") as file:
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
        raise _unreadable(source.name, error) from error
