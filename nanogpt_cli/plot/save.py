"""Loss curves into a file, whose name's suffix chooses the kind."""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from nanogpt_cli.errors import UsageError
from nanogpt_cli.files import atomic_write, check_replaceable, open_regular
from nanogpt_cli.logs.curves import Curve
from nanogpt_cli.plot.canvas import MAKER, Kind
from nanogpt_cli.plot.figure import pdf, png, svg
from nanogpt_cli.plot.measures import Measures, draw_measures
from nanogpt_cli.plot.page import page
from nanogpt_cli.plot.view import PLAIN, View

_MADE = (
    (b"\x89PNG\r\n", b"Software\0" + MAKER.encode()),
    (b"<?xml ", f"<dc:title>{MAKER}</dc:title>".encode()),
    (b"%PDF-", f"/Creator ({MAKER})".encode()),
    (b"<!doctype html>\n", f'<meta name="generator" content="{MAKER}">'.encode()),
)
"""How what is drawn here begins, and what is found in its head or its tail: who made it."""

KINDS: dict[str, Callable[[Sequence[Curve], View], bytes]] = {
    ".png": png,
    ".svg": svg,
    ".pdf": pdf,
    ".html": page,
}
"""How each kind of file is drawn, by its suffix."""
MEASURE_KINDS: dict[str, Kind] = {".png": "png", ".svg": "svg", ".pdf": "pdf"}
"""Those of pictures of what was measured."""


def check_target(
    path: Path, sources: Iterable[Path], force: bool, kinds: Iterable[str] = tuple(KINDS)
) -> None:
    """Raise UsageError where ``path`` has another suffix, or holds what was not drawn here."""
    check_suffix(path, kinds)
    check_replaceable(path, is_drawing, sources, force)


def save(curves: Sequence[Curve], path: Path, view: View = PLAIN) -> None:
    """Draw curves into a file of one of the ``KINDS``, whole or not at all.

    Raises UsageError for another suffix, MachineError where the file cannot be written.
    """
    write(KINDS[check_suffix(path)](curves, view), path)


def save_measures(measures: Measures, path: Path) -> None:
    """Draw what was measured of models into a .png, .svg or .pdf; raises as ``save``."""
    suffix = check_suffix(path, MEASURE_KINDS)
    write(draw_measures(measures, MEASURE_KINDS[suffix]), path)


def write(content: bytes, path: Path) -> None:
    """Write a drawing, whole or not at all."""
    with atomic_write(path) as file:
        file.write(content)


def check_suffix(path: Path, kinds: Iterable[str] = tuple(KINDS)) -> str:
    """Return the kind of file that a name asks for. Raises UsageError for an unknown one."""
    suffix = path.suffix.lower()
    if suffix not in kinds:
        raise UsageError(
            f"cannot draw into {path}: unknown suffix {suffix or '(none)'}",
            f"use a name that ends in one of: {', '.join(kinds)}",
        )
    return suffix


def is_drawing(path: Path) -> bool:
    """Whether a file was drawn here. Raises OSError where it cannot be read."""
    with open_regular(path) as file:
        ends = file.read(4096)
        file.seek(max(4096, os.fstat(file.fileno()).st_size - 16384))
        ends += file.read(16384)
    return any(ends.startswith(start) and maker in ends for start, maker in _MADE)
