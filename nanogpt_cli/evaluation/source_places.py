"""In which file, and on which line of it, a part of the training text stands.

A dataset knows the names of the files that it was made of; where they are still there, they are
read until the part is found. This module knows neither models nor how the part was found.
"""

import json
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from nanogpt_cli.data.sources import find_sources, read_chunks
from nanogpt_cli.errors import DataError
from nanogpt_cli.evaluation.text_index import TextIndex
from nanogpt_cli.files import open_regular
from nanogpt_cli.runs import dataset_file

AROUND = 200
"""Bytes on both sides by which a part is told from a copy of it elsewhere."""
_DEMO = "the demo corpus"


@dataclass(frozen=True)
class Place:
    """Where a text stands."""

    file: str
    line: int
    """The first is 1."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


def source_place(folder: Path, index: TextIndex, place: int, length: int) -> Place | None:
    """Return where a part of the training text stands in the files that ``folder`` was made of.

    ``place`` and ``length`` are bytes of the indexed text. None where the files are gone, or hold
    the part in another form: the turns of a dialogue in a table, for instance.
    """
    names = _source_names(folder)
    around, before = index.context(place, length, AROUND)
    exact, _ = index.context(place, length)
    for needle, skipped in ((around, around[:before].count(b"\n")), (exact, 0)):
        for name in names:
            if (line := _line_in_file(name, needle)) is not None:
                return Place(name, line + skipped)
    return None


def _source_names(folder: Path) -> list[str]:
    """Return the names of the files that a dataset was made of, as far as they are known."""
    try:
        with open_regular(dataset_file(folder, "meta.json")) as file:
            names = json.loads(file.read()).get("sources")
    except (OSError, ValueError, AttributeError, RecursionError):
        return []
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _line_in_file(name: str, needle: bytes) -> int | None:
    """Return the line of a file on which ``needle`` begins; None where it is not there."""
    try:
        with ExitStack() as stack:
            inputs = [] if name == _DEMO else [name]
            if inputs and not Path(name).is_file():
                return None
            sources, _ = find_sources(inputs, "auto", stack)
            return _line_of(needle, read_chunks(sources[0], "replace", lambda count: None))
    except (DataError, OSError, ValueError):
        return None


def _line_of(needle: bytes, chunks: Iterable[str]) -> int | None:
    """Return the line of a text on which ``needle`` begins; its line ends may be CR LF."""
    held, lines = b"", 1
    for chunk in chunks:
        held = (held + chunk.encode(errors="replace")).replace(b"\r\n", b"\n")
        at = held.find(needle)
        if at >= 0:
            return lines + held.count(b"\n", 0, at)
        cut = max(0, len(held) - len(needle))
        lines += held.count(b"\n", 0, cut)
        held = held[cut:]
    return None
