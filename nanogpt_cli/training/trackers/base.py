"""What a tracker is, and all those of a run at once.

A tracker shows the events of metrics.jsonl elsewhere. It never stops a run: one that fails is left
out from there on, with one note. A new tracker is one file beside this one with a ``TRACKER``, and
one line in ``registry``.
"""

import contextlib
import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from nanogpt_cli.errors import UsageError
from nanogpt_cli.registry import TRACKERS

NONE = "none"
"""What ``--log-to`` is called with to leave out the trackers of a configuration."""

_NOT_CURVES = {"step", "time", "tokens", "val_tokens"}


@dataclass(frozen=True)
class Place:
    """Which run is tracked."""

    log: Path
    """Its metrics.jsonl, in the run's folder."""
    step: int
    """The step after which it begins, or is resumed."""
    resumed: bool
    note: Callable[[str], None]
    """Tells the user something."""

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self.log.parent

    @property
    def name(self) -> str:
        """What the run is called."""
        return self.folder.resolve().name


class Tracker:
    """A run that is shown elsewhere; any exception of its methods ends that, not the run."""

    def write(self, event: str, fields: Mapping[str, Any]) -> None:
        """Take an event as metrics.jsonl has it; the first one is ``run``, with all settings."""

    def close(self) -> None:
        """End it: the run is over."""


@dataclass(frozen=True)
class TrackerKind:
    """How a tracker is begun, and which package it needs."""

    open: Callable[[Place], Tracker]
    package: str | None = None
    """The package to import, of the extra ``trackers``."""


class Trackers:
    """The trackers of a run, each until its first failure."""

    def __init__(self, names: Iterable[str], place: Place) -> None:
        self._place = place
        self._open: dict[str, Tracker] = {}
        for name in names:
            kind: TrackerKind = TRACKERS.get(name)
            if (tracker := self._guarded(name, partial(kind.open, place))) is not None:
                self._open[name] = tracker

    def write(self, event: str, fields: Mapping[str, Any]) -> None:
        """Pass an event to each."""
        for name, tracker in list(self._open.items()):
            self._guarded(name, partial(tracker.write, event, fields))

    def close(self) -> None:
        """End them; closing twice is harmless."""
        for name, tracker in list(self._open.items()):
            self._guarded(name, tracker.close)
        self._open.clear()

    def _guarded(self, name: str, act: Callable[[], Any]) -> Any:
        """Call a package's code without its output; where that fails, drop the tracker."""
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # which --json has for itself
                return act()
        except (Exception, SystemExit) as error:
            self._open.pop(name, None)
            said = " ".join(str(error).split())[:200]
            self._place.note(
                f"--log-to {name} failed and is left out: {type(error).__name__}: {said}"
            )
            return None


def tracker_names(log_to: str) -> list[str]:
    """Return the trackers that a setting names, each once. Raises UsageError for unknown ones."""
    names = dict.fromkeys(filter(None, map(str.strip, log_to.split(","))))
    names.pop(NONE, None)
    for name in names:
        TRACKERS.check(name)
    return list(names)


def check_trackers(log_to: str) -> None:
    """Raise UsageError where a tracker is unknown or its package is missing."""
    for name in tracker_names(log_to):
        package = TRACKERS.get(name).package
        if package and find_spec(package) is None:
            raise UsageError(
                f"--log-to {name} needs the package {package}, which is not installed",
                f"pip install {package}, or leave it out: --log-to {NONE}",
            )


def scalars(event: str, fields: Mapping[str, Any]) -> dict[str, float]:
    """Return what is drawn as curves of a training step or an evaluation: train/loss, say."""
    if event not in ("train", "eval"):
        return {}
    return {
        f"{event}/{name}": float(value)
        for name, value in fields.items()
        if name not in _NOT_CURVES and isinstance(value, int | float)
    }
