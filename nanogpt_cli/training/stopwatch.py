"""Time in which this process ran: while it is stopped, or its machine sleeps, nothing counts.

This module does not know what is timed.
"""

import threading
import time
from collections.abc import Callable
from typing import Any, Self

BEAT = 0.1
"""Seconds between two looks at the time."""
PAUSE = 1.0
"""A gap between two looks that is shorter than this many seconds is a busy machine's."""


class Stopwatch:
    """Counts seconds; within its context, those of a process that does not run are left out.

    A thread looks at the time every ``beat`` seconds. Where it could not for more than ``PAUSE``,
    and the process used no processor meanwhile either, the process did not run: SIGSTOP, Ctrl-Z, a
    frozen container, a laptop that was closed. What it computed in such a gap still counts.
    """

    def __init__(
        self,
        now: Callable[[], float] = time.perf_counter,
        computed: Callable[[], float] = time.process_time,
        beat: float = BEAT,
    ) -> None:
        self._now, self._computed, self._every = now, computed, beat
        self._seen, self._busy = now(), computed()
        """The time, and that of the processor, when they were looked at last."""
        self._paused = 0.0
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._beats = threading.Thread(target=self._beat, name="stopwatch", daemon=True)

    def __enter__(self) -> Self:
        self.seconds()
        self._beats.start()
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self._over.set()
        self._beats.join()

    def seconds(self) -> float:
        """Return the time so far, from an arbitrary beginning, without what is left out."""
        with self._lock:
            now, busy = self._now(), self._computed()
            idle = now - self._seen - (busy - self._busy)
            if idle > PAUSE and self._beats.is_alive():
                self._paused += idle
            self._seen, self._busy = now, busy
            return now - self._paused

    def _beat(self) -> None:
        while not self._over.wait(self._every):
            self.seconds()
