"""Loss curves into a file, whose name's suffix chooses the kind."""

from collections.abc import Callable, Sequence
from pathlib import Path

from nanogpt_cli.errors import UsageError
from nanogpt_cli.files import atomic_write
from nanogpt_cli.logs.curves import Curve
from nanogpt_cli.plot.figure import png, svg
from nanogpt_cli.plot.page import page

KINDS: dict[str, Callable[[Sequence[Curve]], bytes]] = {".png": png, ".svg": svg, ".html": page}
"""How each kind of file is drawn, by its suffix."""


def save(curves: Sequence[Curve], path: Path) -> None:
    """Draw curves into a file of one of the ``KINDS``, whole or not at all.

    Raises UsageError for another suffix, MachineError where the file cannot be written.
    """
    content = KINDS[check_suffix(path)](curves)
    with atomic_write(path) as file:
        file.write(content)


def check_suffix(path: Path) -> str:
    """Return the kind of file that a name asks for. Raises UsageError for an unknown one."""
    suffix = path.suffix.lower()
    if suffix not in KINDS:
        raise UsageError(
            f"cannot draw into {path}: unknown suffix {suffix or '(none)'}",
            f"use a name that ends in one of: {', '.join(KINDS)}",
        )
    return suffix
