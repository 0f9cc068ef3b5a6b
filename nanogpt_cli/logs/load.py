"""Find a log by the name a user typed, and read it whichever of the two formats it has."""

import io
from collections.abc import Sequence
from pathlib import Path

from nanogpt_cli import runs
from nanogpt_cli.errors import CheckpointError, DataError
from nanogpt_cli.logs import console, metrics
from nanogpt_cli.logs.events import Log


def find(name: str | None) -> Path:
    """Return the log file of a run by name, folder or file; without a name, the newest run's.

    Raises DataError where there is none.
    """
    if name is not None and Path(name).is_file():
        return Path(name)
    try:
        return runs.find_run(name) / runs.METRICS
    except CheckpointError as error:  # here a run is a log
        raise DataError(error.message, error.hint) from error


def load(path: Path) -> Log:
    """Read a metrics.jsonl or a console log. Raises DataError where it cannot be read."""
    with metrics.reading(path) as file:
        return parse(file.read())


def parse(log: bytes) -> Log:
    """Return the events of a metrics.jsonl or, where there are none, of a console log."""
    found = metrics.parse(io.BytesIO(log))
    return found if found.events else console.parse(log)


def display_names(paths: Sequence[Path]) -> list[str]:
    """Name logs after their runs; those with the same name are told apart by their paths."""
    names = [display_name(path) for path in paths]
    return [
        name if names.count(name) == 1 else str(path)
        for name, path in zip(names, paths, strict=True)
    ]


def display_name(path: Path) -> str:
    """Name a metrics.jsonl after its run's folder, any other log after its file."""
    return path.resolve().parent.name if path.name == runs.METRICS else path.name
