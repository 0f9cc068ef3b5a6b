"""What is kept of a preparation that is interrupted, so that ``--resume`` goes on with it.

It is a folder beside the dataset's, in which the files grow, with a note of how far they are good.
Only what was prepared of the same input in the same way is continued. This module does not know
how text becomes tokens.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nanogpt_cli.config import PrepareConfig
from nanogpt_cli.data.sources import Source
from nanogpt_cli.errors import UsageError
from nanogpt_cli.files import TEMPORARY, atomic_write, machine_errors
from nanogpt_cli.version import __version__

_STATE = "state.json"
_FREE = ("force", "resume", "workers", "show", "strict")
"""Settings that change no token."""
EVERY = 15.0
"""Seconds between two notes of how far it is."""


def kept_folder(out: Path) -> Path:
    """Return where an unfinished dataset is kept; the name is no dataset's and is not swept."""
    return out.with_name(f"{out.name[:32] or 'dataset'}.resume{TEMPORARY}")


@contextmanager
def resumable_folder(out: Path) -> Iterator[Path]:
    """Yield the folder for an unfinished dataset, which stays if it is not published.

    Raises UsageError where another process works in it, and OSError where it cannot be made.
    """
    import filelock

    folder = kept_folder(out)
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder.with_name(folder.name + ".lock"), timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise UsageError(
            f"another process prepares {out} with --resume", "wait until it ends"
        ) from error
    try:
        folder.mkdir(exist_ok=True)
        yield folder
    finally:
        lock.release()
        Path(lock.lock_file).unlink(missing_ok=True)


def discard_kept(out: Path) -> None:
    """Remove what an earlier preparation of a dataset that is now there has kept."""
    shutil.rmtree(kept_folder(out), ignore_errors=True)


def key_of(config: PrepareConfig, sources: list[Source]) -> str:
    """Return a hash of all that decides the tokens: settings, and the files with their stamps."""
    settings = {name: value for name, value in asdict(config).items() if name not in _FREE}
    for name in ("inputs", "out"):
        settings.pop(name, None)
    files = []
    for source in sources:
        found = source.path.stat()
        about = [source.format, source.encoding, found.st_size, found.st_mtime_ns, found.st_ino]
        files.append([source.name, *about])
    text = json.dumps([__version__, settings, files], default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def kept_tokenizer(out: Path, key: str) -> Mapping[str, Any] | None:
    """Return the tokenizer that was learned for an unfinished dataset; None where there is none."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        read = json.loads((kept_folder(out) / _STATE).read_bytes())
        if read["key"] == key and isinstance(read["tokenizer"], dict):
            return dict(read["tokenizer"])
    return None


class Kept:
    """How far an unfinished dataset is, in its folder."""

    def __init__(self, folder: Path, key: str, tokenizer: Mapping[str, Any]) -> None:
        """Read it; what was kept of something else, or with another tokenizer, is removed."""
        self._folder, self._key, self._tokenizer = folder, key, tokenizer
        self._saved = time.monotonic()
        self.state: Mapping[str, Any] = {}
        """What ``save`` was given last; empty at the beginning."""
        self.resumed = 0
        """The tokens that were there at the beginning."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            read = json.loads((folder / _STATE).read_bytes())
            if read["key"] == key and read["tokenizer"] == tokenizer:
                self.resumed = sum(read["state"][split]["tokens"] for split in ("train", "val"))
                self.state = dict(read["state"])
        if not self.state:
            self.discard()

    def discard(self) -> None:
        """Begin anew."""
        self.state, self.resumed = {}, 0
        with machine_errors(self._folder):
            for path in self._folder.iterdir():
                path.unlink()

    def due(self) -> bool:
        """Whether it is time to note how far it is."""
        return time.monotonic() - self._saved >= EVERY

    def save(self, state: Mapping[str, Any]) -> None:
        """Note how far it is, after all that this says has reached the disk.

        Raises MachineError where the disk is full.
        """
        self.state = state
        content = {"key": self._key, "state": state, "tokenizer": self._tokenizer}
        with atomic_write(self._folder / _STATE) as file:
            file.write(json.dumps(content).encode())
        self._saved = time.monotonic()

    def finish(self) -> None:
        """Remove the note: the dataset is complete, and is to be published."""
        (self._folder / _STATE).unlink(missing_ok=True)
