"""A run's folder: held by one run at a time, which starts over in it or continues.

A run that starts over leaves the one before it as it is until a whole state of its own is on the
disk: its files have names until then that no reader looks for. Then the run before is moved to a
folder inside, ``old-1``. So at no moment can a file of one be taken for the other's.

A run that was asked to stop may leave a model from where it stopped. One that continues it takes
back the model before, so that it ends as if it had not been stopped.
"""

import os
import platform
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import filelock

from nanogpt_cli import files
from nanogpt_cli.errors import MachineError, UsageError
from nanogpt_cli.logs import metrics
from nanogpt_cli.runs import BEST, LAST, LOCK, METRICS, saved_states, state_folders
from nanogpt_cli.text import shell_word
from nanogpt_cli.training.run import Run
from nanogpt_cli.training.state import TrainState

_OLD = "old"
_ASIDE = f".{BEST}.before-stop"
"""The best model of the evaluations that a resumed run knows of."""


class RunFolder:
    """Where a run writes. It is found again where it is renamed meanwhile."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.replacing = False
        """Whether another run is still here, and this one has saved nothing yet."""
        self._notes: list[str] = []
        self._log: metrics.MetricsLog | None = None
        self._descriptor: int | None = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other runs out, and know the folder by more than its name.

        Raises UsageError where another run is in it, MachineError where it cannot be written.
        """
        with files.machine_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        with _locked(self.path):
            with suppress(OSError):  # Windows, where a folder in use is not renamed
                self._descriptor = os.open(self.path, os.O_RDONLY)
            try:
                self._remove_unfinished()
                yield
            finally:
                self._remove_unfinished()
                if self._descriptor is not None:
                    os.close(self._descriptor)

    def start_over(self) -> None:
        """Let the run that is here, if one is, be replaced by the first state that is saved."""
        self.replacing = bool(_files_of_run(self.path))
        if self.replacing:
            kept = self.path / self._name_for_old()
            self._notes.append(f"the run in {self.path} is kept as {kept} when this one has saved")

    def take_notes(self) -> list[str]:
        """Return what there is to tell the user, once."""
        notes, self._notes = self._notes, []
        return notes

    def open_log(self) -> metrics.MetricsLog:
        """Open the log for appending."""
        self._log = metrics.MetricsLog(self.path / self._current(METRICS))
        return self._log

    def write(self, name: str, save: Callable[[Path], None]) -> None:
        """Let ``save`` write the file ``name``. Raises MachineError."""
        self.change(lambda folder: save(folder / self._current(name)))
        if self.replacing:
            self._replace(name)

    def change(self, act: Callable[[Path], None]) -> None:
        """Let ``act`` change the folder, once more where it was renamed meanwhile.

        Raises MachineError.
        """
        folder = None
        while folder != self.find():
            folder = self.path
            try:
                act(folder)
            except MachineError:
                if folder == self.find():
                    raise

    def set_best_aside(self) -> None:
        """Keep the best model under another name too, until the run is resumed."""
        folder = self.find()
        with files.machine_errors(folder):
            if (folder / BEST).is_file():
                (folder / _ASIDE).unlink(missing_ok=True)
                files.keep_copy(folder / BEST, folder / _ASIDE)

    def take_best_back(self) -> None:
        """Undo ``set_best_aside``, and what was saved since."""
        with files.machine_errors(self.path), suppress(FileNotFoundError):
            (self.path / _ASIDE).replace(self.path / BEST)

    def find(self) -> Path:
        """Return the folder's path, which is another one where it was renamed.

        Raises MachineError where it is gone: what it held is not to be continued elsewhere.
        """
        if self._descriptor is None or files.is_open_as(self._descriptor, self.path):
            return self.path
        moved = files.path_of(self._descriptor)
        if moved is None:
            raise MachineError(
                f"the folder of the run, {self.path}, was moved or removed while it trained",
                "resume it where it is now: --init-from resume --out-dir FOLDER",
            )
        with suppress(OSError, ValueError):
            moved = moved.relative_to(Path.cwd())
        self._notes.append(f"{self.path} was renamed: the run continues in {moved}")
        self.path = moved
        return moved

    def _current(self, name: str) -> str:
        return _unfinished(name) if self.replacing else name

    def _name_for_old(self) -> str:
        names = (f"{_OLD}-{number}" for number in count(1))
        return next(name for name in names if not os.path.lexists(self.path / name))

    def _replace(self, name: str) -> None:
        """Keep the other run, and give this one's log and state ``name`` their names.

        The other is complete in one of the two folders at every moment.
        """
        assert self._log is not None
        old = self.path / _unfinished(_OLD)
        with files.machine_errors(self.path):
            old.mkdir()
            for path in state_folders(self.path):
                path.rename(old / path.name)
            for path in _files_of_run(self.path):
                if path.is_symlink():
                    (old / path.name).symlink_to(path.resolve())
                else:
                    files.keep_copy(path, old / path.name)
            files.sync_folder(old)
            old.rename(self.path / self._name_for_old())
            files.sync_folder(self.path)
            for path in _files_of_run(self.path):
                path.unlink()
            self._log.rename(self.path / _unfinished(METRICS), self.path / METRICS)
            (self.path / _unfinished(name)).replace(self.path / name)
            self.replacing = False
            files.sync_folder(self.path)

    def _remove_unfinished(self) -> None:
        """Remove what a run that replaces another left when it ended before its first state."""
        shutil.rmtree(self.path / _unfinished(_OLD), ignore_errors=True)
        for name in (BEST, LAST, METRICS):
            with suppress(OSError):
                (self.path / _unfinished(name)).unlink()


def refuse_existing(folder: Path) -> None:
    """Raise UsageError where ``folder`` holds a run."""
    if _files_of_run(folder):
        resume = f"--init-from resume --out-dir {shell_word(folder)}"
        resumable = f"resume it: {resume}; or " if saved_states(folder) else ""
        raise UsageError(f"{folder} holds a run already", f"{resumable}start over: --force")


@contextmanager
def claimed(run: Run) -> Iterator[RunFolder]:
    """Hold the folder of a run while it trains.

    Raises UsageError where another run holds it, or has changed it since this one was planned.
    """
    folder = RunFolder(run.out_dir)
    with folder.held():
        if run.fresh:
            refuse_existing(run.out_dir)
        if run.loaded and files.identity(run.loaded[0]) != run.loaded[1]:
            raise UsageError(
                f"{run.loaded[0]} was replaced by another run just now", "run the command again"
            )
        files.sweep(run.out_dir)
        if run.backup:
            files.keep_copy(*run.backup)
        if not run.resume:
            folder.start_over()
        elif run.start and run.start.training is not None:
            folder.take_best_back()
        yield folder


def open_log(
    run: Run, folder: RunFolder, state: TrainState
) -> tuple[metrics.MetricsLog, list[str]]:
    """Open metrics.jsonl where the state continues it; return notes on what becomes of the old."""
    path, notes = folder.path / METRICS, folder.take_notes()
    if run.resume:
        cut = metrics.truncate(path, state.step, evaluated=state.evaluated_at == state.step)
        if cut:
            notes.append(f"{cut} lines of {path} were past the checkpoint and were cut")
        if run.start and run.start.training is None:
            state.seconds = metrics.last_time(path)
    return folder.open_log(), notes


def _files_of_run(folder: Path) -> list[Path]:
    """List what a run has saved; its log, by which it is known, is the last."""
    others = (path for path in (folder / _ASIDE, folder / METRICS) if os.path.lexists(path))
    return [*reversed(saved_states(folder)), *others]


def _unfinished(name: str) -> str:
    """Return what a file of a run is called while another run is still in the folder."""
    return f".{name}.new"


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock. Raises UsageError where another run has it, naming its process."""
    holder = ""
    with files.machine_errors(folder):
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
