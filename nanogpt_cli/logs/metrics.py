"""metrics.jsonl, the log of a run: one JSON object a line, ``event`` first.

    run         config, data, machine, versions
    train       step, time, tokens, loss, lr, grad_norm, tokens_per_sec
    eval        step, time, tokens, train_loss, val_loss, bits_per_byte
    sample, checkpoint
    spike       step, loss, mean: a loss far above those before it
    skipped     step, loss, windows, norms: a gradient that was no number moved nothing
    diverged    the same, and the losses that led there
    memory      step, batch_size, gradient_accumulation_steps from here on
    end         reason

``time`` is seconds of training so far, across resumes. A number that is not finite is null. The
file grows by whole lines; one that a killed process left torn is dropped by ``read`` and cut by
``truncate``. This module knows the lines, not what they mean: ``plot`` draws them.
"""

import json
import math
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

from nanogpt_cli.errors import DataError
from nanogpt_cli.files import atomic_write, machine_errors

Event = dict[str, Any]


class MetricsLog:
    """A metrics.jsonl open for appending; each event is on its way to the disk when written.

    Raises MachineError where the disk refuses.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with machine_errors(path):
            self._file = open(path, "a+b", buffering=0, opener=_no_link)  # noqa: SIM115
            if size := self._file.seek(0, os.SEEK_END):
                self._file.seek(size - 1)
                if self._file.read(1) != b"\n":
                    self._append(b"\n")  # a torn line must not swallow the next one

    def write(self, event: str, **fields: Any) -> None:
        """Append one line; numbers that are not finite become null."""
        self._append(dump_line({"event": event, **fields}))

    def sync(self) -> None:
        """Wait until all that was written is on the disk."""
        with machine_errors(self.path):
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file; closing twice is harmless."""
        with machine_errors(self.path):
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _append(self, line: bytes) -> None:
        with machine_errors(self.path):
            while line:  # an unbuffered write may take only a part
                line = line[self._file.write(line) :]


def _no_link(path: str, flags: int) -> int:
    """Open a file unless it is a link, which may point anywhere."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)


@dataclass(frozen=True)
class Metrics:
    """What a metrics.jsonl holds: its events in order, and how many lines could not be read."""

    events: list[Event]
    dropped: int


def read(path: Path) -> Metrics:
    """Read a log, whatever bytes are in it; torn and corrupt lines are dropped and counted.

    Raises DataError where the file cannot be opened or read.
    """
    with reading(path) as file:
        return parse(file)


def parse(lines: Iterable[bytes]) -> Metrics:
    """Read the lines of a log; torn and corrupt ones are dropped and counted."""
    events, dropped = [], 0
    for line in filter(bytes.strip, lines):
        if (event := _parse(line)) is not None:
            events.append(event)
        else:
            dropped += 1
    return Metrics(events, dropped)


def truncate(path: Path, step: int, evaluated: bool = True) -> int:
    """Cut a log back to a checkpoint's ``step`` and return how many lines were lost.

    Later steps go, and lines that cannot be read; ``end`` goes too, as the run is not over. So does
    an evaluation of that very step unless it was ``evaluated`` when the checkpoint was written. A
    missing log is left so.
    """
    repeated = () if evaluated else ("checkpoint", "eval", "sample")
    kept, ends, cut = [], 0, 0
    with machine_errors(path), suppress(FileNotFoundError), path.open("rb") as file:
        for line in file:
            event = _parse(line)
            if event is not None and event["event"] == "end":
                ends += 1
            elif event is None or _step(event) > step - (event["event"] in repeated):
                cut += 1
            else:
                kept.append(line)
    if cut or ends:
        with atomic_write(path) as file:
            file.writelines(kept)
    return cut


def last_time(path: Path) -> float:
    """Give the seconds of training that a log speaks of; 0 where it is missing or silent."""
    events = read(path).events if path.exists() else []
    times = [e["time"] for e in events if isinstance(e.get("time"), int | float)]
    return float(max(times, default=0.0))


@contextmanager
def reading(path: Path) -> Iterator[IO[bytes]]:
    """Open a log to read; raises DataError where the system refuses."""
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise DataError(
            f"cannot read {path}: {error.strerror or error}",
            "name a run, its folder or its metrics.jsonl",
        ) from error


def dump_line(event: Event) -> bytes:
    """Encode an event as its line; numbers that are not finite become null."""
    return json.dumps(finite(event)).encode() + b"\n"


def _parse(line: bytes) -> Event | None:
    """Read one line; an object is valid JSON only once it is whole, so no torn line passes."""
    try:
        event = finite(json.loads(line.decode()))
    except (ValueError, RecursionError):  # ValueError also covers bad UTF-8 and endless integers
        return None
    return event if isinstance(event, dict) and isinstance(event.get("event"), str) else None


def finite(value: Any) -> Any:
    """Replace NaN and infinities by None, however deep."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {key: finite(inner) for key, inner in value.items()}
        case list() | tuple():
            return [finite(inner) for inner in value]
    return value


def _step(event: Event) -> float:
    """Give the step an event belongs to; ``run`` and other events without one are never late."""
    step = event.get("step")
    return step if isinstance(step, int | float) else -math.inf
