"""Noticing that steps have become several times slower than they were.

This module does not know what a step is, and looks at no clock.
"""

from collections import deque
from statistics import median

WINDOW = 8
"""Steps in a row that are compared."""
SLOWER = 3.0
"""How many times as long as before is worth a note."""


class Pace:
    """The time that steps take; within a run of one process."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=WINDOW)
        self._best = float("inf")
        """The smallest median of a window so far: a run may begin on a busy machine."""
        self._noticed = False

    def add(self, seconds: float) -> tuple[float, float] | None:
        """Add a step; once, where steps have become slow, return how long they took and take."""
        self._recent.append(seconds)
        if self._noticed or len(self._recent) < WINDOW:
            return None
        now = median(self._recent)
        self._best = min(self._best, now)
        self._noticed = now > SLOWER * self._best
        return (self._best, now) if self._noticed else None
