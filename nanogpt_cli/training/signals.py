"""SIGINT and SIGTERM while a run is under way: the first asks to stop, a second SIGINT leaves."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopRequestedError(BaseException):
    """Raised inside an evaluation, a sample or a compilation when the run has been asked to stop.

    Not an ``Exception``, so that nothing takes it for a failure of what it interrupts.
    """


class StopSignals:
    """Listens for SIGINT and SIGTERM."""

    def __init__(self) -> None:
        self.received = 0
        """The signal's number, once one has come."""
        self._raising = False

    @contextmanager
    def listening(self) -> Iterator["StopSignals"]:
        """Listen within this context, then restore the handlers.

        Python delivers signals to the main thread only; in another one nothing is heard.
        """
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        before = {s: signal.signal(s, self._on_signal) for s in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def interrupting(self) -> Iterator[None]:
        """Let a signal raise StopRequestedError at once, for what cannot ask ``check``."""
        self.check()
        self._raising = True
        try:
            yield
        finally:
            self._raising = False

    def check(self) -> None:
        """Raise StopRequestedError if a signal has come."""
        if self.received:
            raise StopRequestedError

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.received and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = number
        if self._raising:
            raise StopRequestedError
