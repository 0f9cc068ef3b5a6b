"""A run's folder: one run at a time, started over or continued."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import filelock

from nanogpt_cli import files
from nanogpt_cli.errors import UsageError
from nanogpt_cli.logs import metrics
from nanogpt_cli.runs import LOCK, METRICS, saved_states
from nanogpt_cli.training.run import Run
from nanogpt_cli.training.state import TrainState


def refuse_existing(folder: Path) -> None:
    """Raise UsageError where ``folder`` holds a run."""
    saved = saved_states(folder)
    if saved or (folder / METRICS).exists():
        resume = f"resume it: --init-from resume --out-dir {folder}; or " if saved else ""
        raise UsageError(f"{folder} holds a run already", f"{resume}start over: --force")


@contextmanager
def claimed(run: Run) -> Iterator[None]:
    """Hold the folder of a run while it trains.

    Raises UsageError where another run holds it, or has changed it since this one was planned.
    """
    with _locked(run.out_dir):
        if run.fresh:
            refuse_existing(run.out_dir)
        if run.loaded and files.identity(run.loaded[0]) != run.loaded[1]:
            raise UsageError(
                f"{run.loaded[0]} was replaced by another run just now", "run the command again"
            )
        files.sweep(run.out_dir)
        if run.backup:
            files.keep_copy(*run.backup)
        yield


def open_log(run: Run, state: TrainState) -> tuple[metrics.MetricsLog, str | None]:
    """Open metrics.jsonl where the state continues it; return a note on lines that were cut.

    A run that does not resume starts over: what an older one saved is removed.
    """
    path = run.out_dir / METRICS
    note = None
    if run.resume:
        cut = metrics.truncate(path, state.step, evaluated=state.evaluated_at == state.step)
        if cut:
            note = f"{cut} lines of {path} were past the checkpoint and were cut"
        if run.start and run.start.training is None:
            state.seconds = metrics.last_time(path)
    else:
        with files.machine_errors(run.out_dir):
            # its states first: what is left must not be taken for this run's
            for old in (*saved_states(run.out_dir), path):
                old.unlink(missing_ok=True)
    return metrics.MetricsLog(path), note


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock. Raises UsageError where another run has it, naming its process."""
    holder = ""
    with files.machine_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / LOCK)
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout as error:
            with suppress(OSError):  # where a locked file cannot be read
                holder = (folder / LOCK).read_bytes()[:80].decode(errors="replace")
            raise UsageError(
                f"another run is training in {folder}{holder and f' (process {holder})'}",
                "wait for it, or choose --out-dir",
            ) from error
        with suppress(OSError):
            (folder / LOCK).write_text(f"{os.getpid()} on {platform.node()}")
    try:
        yield
    finally:
        lock.release()
