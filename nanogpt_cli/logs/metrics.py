"""metrics.jsonl, the log of a run: one JSON object a line, ``event`` first.

    run         config, data, machine, versions
    train       step, time, tokens, loss, lr, grad_norm, tokens_per_sec
    eval        step, time, tokens, train_loss, val_loss, bits_per_byte
    sample, checkpoint
    spike       step, loss, mean: a loss far above those before it
    skipped     step, loss, windows, norms: gradients that were not finite; the step was skipped
    diverged    the same, and the losses of the steps before
    memory      step, batch_size, gradient_accumulation_steps from here on
    end         reason
    converted   lines: how many ``plot-log --to-jsonl`` wrote below this first one

``time`` is seconds of training so far, across resumes. A number that is not finite is null. The
file is appended to in whole lines; a line that a killed process left incomplete is dropped by
``read`` and cut by ``truncate``. This module does not interpret the events: ``curves`` does.
"""

import errno
import json
import math
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Self

from nanogpt_cli.errors import DataError
from nanogpt_cli.files import atomic_write, machine_errors, open_regular
from nanogpt_cli.logs.events import Event, Log, finite

LONGEST_RUN = 2**40
"""Seconds of training that no run takes; larger numbers of a file are not believed."""


class MetricsLog:
    """A metrics.jsonl open for appending; each event is passed to the system when written.

    Raises MachineError where the disk refuses.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._access = threading.Lock()
        with machine_errors(path):
            self._file = _open(path)
            if size := self._file.seek(0, os.SEEK_END):
                self._file.seek(size - 1)
                if self._file.read(1) != b"\n":
                    self._append(b"\n")  # an incomplete line must not swallow the next one

    def write(self, event: str, **fields: Any) -> None:
        """Append one line; numbers that are not finite become null."""
        self._append(dump_line({"event": event, **fields}))

    def rename(self, old: Path, new: Path) -> None:
        """Rename the file, which is ``old`` by now, while others may be writing to it."""
        with machine_errors(new), self._access:
            self._file.close()  # Windows renames no open file
            self.path = old
            try:
                self.path = old.replace(new)
            finally:
                self._file = _open(self.path)

    def sync(self) -> None:
        """Wait until everything written is on the disk."""
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
        with machine_errors(self.path), self._access:
            write_all(self._file, line)


def _open(path: Path) -> IO[bytes]:
    """Open a regular file for appending, unless it is a link, which may point anywhere."""
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    return open(path, "a+b", buffering=0, opener=_no_link)


def _no_link(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)


def write_all(file: IO[bytes], data: bytes) -> None:
    """Write all of ``data`` to an unbuffered file, which may accept only a part at a time."""
    while data:
        data = data[file.write(data) :]


def read(path: Path) -> Log:
    """Read a log, whatever bytes are in it; incomplete and corrupt lines are dropped and counted.

    Raises DataError where the file cannot be opened or read.
    """
    with reading(path) as file:
        return parse(file)


def parse(lines: Iterable[bytes]) -> Log:
    """Read the lines of a log; incomplete and corrupt ones are dropped and counted."""
    events, dropped = [], 0
    for line in filter(bytes.strip, lines):
        if (event := _parse(line)) is not None:
            events.append(event)
        else:
            dropped += 1
    return Log(events, dropped)


def truncate(path: Path, step: int, evaluated: bool = True) -> int:
    """Cut a log back to a checkpoint's ``step`` and return how many lines were lost.

    Later steps are removed, and lines that cannot be read; so is what will be written again and is
    not lost: ``end``, as the run is not over, and an evaluation of that very step unless it was
    ``evaluated`` when the checkpoint was written. A missing log stays missing.
    """
    repeated = () if evaluated else ("checkpoint", "eval", "sample")
    kept, again, cut = [], 0, 0
    with machine_errors(path), suppress(FileNotFoundError), open_regular(path) as file:
        for line in file:
            event = _parse(line)
            if event is None or (_step(event) > step and event["event"] != "end"):
                cut += 1
            elif event["event"] == "end" or (event["event"] in repeated and _step(event) == step):
                again += 1
            else:
                kept.append(line)
    if cut or again:
        with atomic_write(path) as file:
            file.writelines(kept)
    return cut


def last_time(path: Path) -> float:
    """Return the seconds of training that a log has reached; 0 where it is missing or has none."""
    events = read(path).events if path.exists() else []
    times = [e["time"] for e in events if isinstance(e.get("time"), int | float)]
    return float(max((t for t in times if 0 <= t <= LONGEST_RUN), default=0.0))


@contextmanager
def reading(path: Path) -> Iterator[IO[bytes]]:
    """Open a log for reading; raises DataError where the system refuses."""
    try:
        with open_regular(path) as file:
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
    """Read one line; a JSON object is valid only when complete, so no incomplete line passes."""
    try:
        event = finite(json.loads(line.decode()))
    except (ValueError, RecursionError):  # ValueError also covers bad UTF-8 and endless integers
        return None
    return event if isinstance(event, dict) and isinstance(event.get("event"), str) else None


def _step(event: Event) -> float:
    """Return the step an event belongs to; ``run`` and others without one are never too late."""
    step = event.get("step")
    return step if isinstance(step, int | float) else -math.inf
