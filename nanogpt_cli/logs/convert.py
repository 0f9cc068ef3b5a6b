"""A log of any format written as a metrics.jsonl, whose first line says so.

    converted   lines: how many follow

By it a later conversion knows what may be replaced: a run that continued in the file has added
lines to it.
"""

from collections.abc import Iterable
from pathlib import Path

from nanogpt_cli.errors import DataError
from nanogpt_cli.files import atomic_write, check_replaceable
from nanogpt_cli.logs import metrics
from nanogpt_cli.logs.events import Log

_KIND = "converted"


def check_target(path: Path, sources: Iterable[Path], force: bool) -> None:
    """Raise UsageError where ``path`` holds what was not written here."""
    check_replaceable(path, is_converted, sources, force)


def write(log: Log, path: Path) -> None:
    """Write a log, whole or not at all. Raises MachineError where that fails."""
    events = [event for event in log.events if event["event"] != _KIND]
    with atomic_write(path) as file:
        for event in [{"event": _KIND, "lines": len(events)}, *events]:
            file.write(metrics.dump_line(event))


def is_converted(path: Path) -> bool:
    """Whether a file was written here, and is as it was then."""
    try:
        log = metrics.read(path)
    except DataError:
        return False
    first = log.events[0] if log.events else {}
    whole = first.get("lines") == len(log.events) - 1 and not log.dropped
    return whole and first["event"] == _KIND
