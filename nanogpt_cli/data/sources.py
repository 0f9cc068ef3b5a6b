"""Files, folders, globs and stdin in, a stream of events out: text, turns, ends of documents.

Reading streams, whatever the size of a file. This module knows the formats of text, but neither
tokenizers nor what the events are for.
"""

import codecs
import csv
import glob
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from importlib import resources
from io import StringIO
from itertools import chain
from pathlib import Path
from typing import IO, Any, Literal

from nanogpt_cli.dialogue import ChatFormat, ParseReport, Turn, parse_turns
from nanogpt_cli.errors import DataError
from nanogpt_cli.files import machine_errors
from nanogpt_cli.text import valid_text

Format = Literal["auto", "text", "dialogue", "jsonl", "csv"]
Errors = Literal["strict", "replace"]
Event = str | Turn | None
"""A piece of a plain document, a turn of a conversation, or the end of either."""

CHUNK = 2**20
"""Bytes, or characters, that are worked on at a time."""

LONGEST_LINE = 2**27
"""Characters of a line of JSON or of a table's cell."""

_OPENING_TAG = re.compile(
    rf"^\s*({'|'.join(map(re.escape, ChatFormat().tags[:2]))})", re.IGNORECASE | re.MULTILINE
)
_TEXT_ENDINGS = {
    ".txt", ".text", ".md", ".markdown", ".rst", ".org", ".tex", ".adoc", ".html", ".htm", ".xml",
    ".log", ".srt", ".vtt", ".jsonl", ".ndjson", ".csv", ".tsv", ".py", ".js", ".ts", ".c", ".h",
    ".cpp", ".hpp", ".rs", ".go", ".java", ".rb", ".sh", ".sql", ".css",
}  # fmt: skip
_FORMATS: dict[str, Format] = {
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "csv",
}  # fmt: skip
_PAIRS = (
    ("human", "bot"), ("prompt", "completion"), ("prompt", "response"), ("question", "answer"),
    ("instruction", "output"), ("instruction", "response"),
)  # fmt: skip
_ROLES: dict[object, Literal["human", "bot", "system"]] = {
    "human": "human", "user": "human", "bot": "bot", "assistant": "bot", "gpt": "bot",
    "system": "system",
}  # fmt: skip
_ENCODING_HINT = "save it as UTF-8, or replace such bytes: --errors replace"


@dataclass(frozen=True)
class Source:
    """One file to read, under the name that the user knows."""

    path: Path
    name: str
    format: Format


def find_sources(
    inputs: Sequence[str], form: Format, stack: ExitStack
) -> tuple[list[Source], list[str]]:
    """Give the files to read, in a stable order, and what there is to say about the others.

    No input is the demo corpus. ``stack`` removes what stdin was copied to. Raises DataError for
    an input that is missing or a folder with nothing to read.
    """
    notes = []
    files: list[tuple[Path, str]] = []
    for name in inputs:
        path = Path(name)
        if name == "-":
            files.append((_spool(sys.stdin.buffer, stack), "stdin"))
        elif path.is_dir():
            found, skipped = _files_in(path)
            if not found:
                raise DataError(
                    f"there is no text file in {name}", "give a folder that holds .txt files"
                )
            if skipped:
                notes.append(f"{skipped} files of {name} hold no text and were left out")
            files += [(file, str(file)) for file in found]
        elif path.is_file():
            files.append((path, name))
        elif path.exists():  # a pipe, as the shell's <(command) is
            files.append((_spool(stack.enter_context(path.open("rb")), stack), name))
        elif matches := [m for m in sorted(glob.glob(name, recursive=True)) if Path(m).is_file()]:
            files += [(Path(match), match) for match in matches]
        else:
            raise DataError(f"there is no file or folder {name}", "check the name and the folder")
    if not inputs:
        files.append((demo_corpus(), "the demo corpus"))
    return [
        Source(path, name, _format_of(path, name) if form == "auto" else form)
        for path, name in files
    ], notes


def demo_corpus() -> Path:
    """Give the file of the demo corpus, in an installed wheel or in a checkout."""
    package = Path(str(resources.files("nanogpt_cli")))
    for path in (package / "assets/demo_corpus.txt", package.parent / "data/demo_corpus.txt"):
        if path.is_file():
            return path
    raise DataError(
        "the demo corpus is missing from this installation",
        "give a text file: nanogpt prepare FILE",
    )


def _files_in(folder: Path) -> tuple[list[Path], int]:
    """Give the text files in a folder and its subfolders, and the number of other files."""
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    texts = [
        path
        for path in files
        if path.suffix.lower() in _TEXT_ENDINGS and b"\0" not in _head(path, 8192)
    ]
    return texts, len(files) - len(texts)


def _format_of(path: Path, name: str) -> Format:
    """Tell the format of a file by its ending, or by a tag that opens one of its first lines."""
    by_ending = _FORMATS.get(Path(name).suffix.lower())
    if by_ending:
        return by_ending
    head = _head(path, 2**16).decode("utf-8", "ignore").removeprefix("\ufeff")
    return "dialogue" if _OPENING_TAG.search(head) else "text"


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


def read_events(
    sources: Iterable[Source],
    errors: Errors,
    advance: Callable[[int], None] = lambda _: None,
    parsing: ParseReport | None = None,
) -> Iterator[Event]:
    """Read all sources; documents without text do not appear.

    ``advance`` hears of each piece's bytes, ``parsing`` counts what was found in tagged text.
    Raises DataError naming file and place where a file is not what its format says.
    """
    for source in sources:
        chunks = _read_chunks(source, errors, advance)
        match source.format:
            case "jsonl":
                yield from _jsonl_events(chunks, source.name)
            case "csv":
                yield from _csv_events(chunks, source.name)
            case "dialogue":
                yield from _dialogue_events(chunks, parsing)
            case _:
                yield from _text_events(chunks)


def _read_chunks(source: Source, errors: Errors, advance: Callable[[int], None]) -> Iterator[str]:
    """Decode a file piece by piece; a byte order mark at its start is dropped, all else kept.

    Raises DataError with the offset of a byte that is no UTF-8, unless ``errors`` is replace.
    """
    decoder = codecs.getincrementaldecoder("utf-8")(errors)
    position = 0
    try:
        with source.path.open("rb") as file:
            for data in chain(iter(partial(file.read, CHUNK), b""), [b""]):
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


def _text_events(chunks: Iterable[str]) -> Iterator[Event]:
    """Give a file as one document, unless it is blank."""
    held: list[str] = []
    begun = False
    for chunk in chunks:
        begun = begun or bool(chunk.strip())
        held.append(chunk)
        if begun:
            yield from held
            held.clear()
    if begun:
        yield None


def _dialogue_events(chunks: Iterable[str], parsing: ParseReport | None) -> Iterator[Event]:
    """Give tagged text as turns."""
    lines = (line for chunk in chunks for line in StringIO(chunk, newline="\n"))
    begun = False
    for event in parse_turns(lines, ChatFormat(), parsing):
        begun = True
        yield event
    if begun:
        yield None


def _lines(chunks: Iterable[str], name: str) -> Iterator[str]:
    """Give whole lines with their line breaks. Raises DataError for one that has no end."""
    held: list[str] = []
    length = 0
    for chunk in chunks:
        *lines, rest = chunk.split("\n")
        for line in lines:
            yield "".join([*held, line, "\n"])
            held, length = [], 0
        held.append(rest)
        length += len(rest)
        if length > LONGEST_LINE:
            raise DataError(
                f"{name} has a line of more than {LONGEST_LINE:,} characters",
                "write one document or conversation a line",
            )
    if length:
        yield "".join(held)


def _jsonl_events(chunks: Iterable[str], name: str) -> Iterator[Event]:
    """Give each line as a document or a conversation.

    A line is {"text": ...}, {"messages": [{"role": ..., "content": ...}]}, such a list itself, or
    a pair like {"prompt": ..., "completion": ...}.
    """
    for number, line in enumerate(_lines(chunks, name), 1):
        if not line.strip():
            continue
        try:
            yield from _record_events(json.loads(line))
        except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"{name}, line {number} is no text and no conversation: {line.strip()[:60]}",
                'write {"text": ...}, {"messages": [...]} or {"prompt": ..., "completion": ...}',
            ) from error


def _record_events(record: Any) -> Iterator[Event]:
    """Give one record of JSON; what is none of ours raises KeyError, TypeError or the like."""
    if isinstance(record, dict) and isinstance(record.get("text"), str):
        yield from _text_events([valid_text(record["text"])])
        return
    if isinstance(record, dict) and (pair := _pair_in(record)):
        yield from _conversation_events(
            [Turn("human", record[pair[0]]), Turn("bot", record[pair[1]])]
        )
        return
    messages = record if isinstance(record, list) else record.get("messages")
    yield from _conversation_events(
        _turns_of(record["conversations"] if messages is None else messages)
    )


def _pair_in(names: Collection[str]) -> tuple[str, str] | None:
    """Give the first pair of names that a question and its answer go by."""
    return next((pair for pair in _PAIRS if pair[0] in names and pair[1] in names), None)


def _turns_of(messages: list[dict[str, Any]]) -> Iterator[Turn]:
    """Turn messages into turns; a system message goes before the next human turn."""
    before = ""
    for message in messages:
        role = _ROLES[message.get("role", message.get("from"))]
        text = message["content"] if "content" in message else message["value"]
        if role == "system":
            before += text.strip() + "\n\n"
        elif role == "human":
            yield Turn(role, before + text)
            before = ""
        else:
            yield Turn(role, text)


def _conversation_events(turns: Iterable[Turn]) -> Iterator[Event]:
    """Give the turns that say something, then the end."""
    said = [Turn(turn.role, valid_text(turn.text.strip())) for turn in turns if turn.text.strip()]
    if said:
        yield from said
        yield None


def _csv_events(chunks: Iterable[str], name: str) -> Iterator[Event]:
    """Give each row as a document (column ``text``, or the only one) or a pair of turns."""
    lines = _lines(chunks, name)
    header = next(lines, "")
    csv.field_size_limit(LONGEST_LINE)
    rows = csv.reader(chain([header], lines), delimiter=max(",\t;", key=header.count))
    try:
        columns = [column.strip().lower() for column in next(rows, [])]
    except csv.Error as error:
        raise DataError(f"{name}, line {rows.line_num}: {error}", "check its quotes") from error
    pair = _pair_in(columns)
    if pair is None and "text" not in columns and len(columns) > 1:
        raise DataError(
            f"{name} has neither a column text nor a pair such as human, bot: {', '.join(columns)}",
            "name the columns in its first line",
        )
    try:
        for row in rows:
            cells = dict(zip(columns, row, strict=False))
            if "text" in columns or pair is None:
                yield from _text_events([cells.get("text") or "".join(row[:1])])
            else:
                human, bot = (cells.get(column, "") for column in pair)
                yield from _conversation_events([Turn("human", human), Turn("bot", bot)])
    except csv.Error as error:
        raise DataError(f"{name}, line {rows.line_num}: {error}", "check its quotes") from error
