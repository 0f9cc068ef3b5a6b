"""SIGINT, SIGTERM and SIGHUP while a run is under way.

The first asks to stop, a second SIGINT leaves. What follows the stop is interrupted by any other.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STOPPING: tuple[int, ...] = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
"""What asks a process to stop; Windows has no SIGHUP."""


def heeded(*also: int) -> list[int]:
    """Return which signals of STOPPING and ``also`` this process should handle.

    Those that its parent has it ignore, as nohup does, stay ignored. Python delivers signals to the
    main thread only; in another one nothing is heard.
    """
    if threading.current_thread() is not threading.main_thread():
        return []
    foreign = signal.SIG_IGN, None
    return [number for number in (*STOPPING, *also) if signal.getsignal(number) not in foreign]


class StopRequestedError(BaseException):
    """Raised inside an evaluation, a sample or a compilation when the run has been asked to stop.

    Not an ``Exception``, so that nothing takes it for a failure of what it interrupts.
    """


class StopSignals:
    """Listens for the signals of STOPPING, and for those in ``also``."""

    def __init__(self, *also: int) -> None:
        self.received = 0
        """The signal's number, once one has come."""
        self._also = also
        self._pending = False
        self._raising = False

    @contextmanager
    def listening(self) -> Iterator["StopSignals"]:
        """Listen within this context, then restore the handlers."""
        before = {s: signal.signal(s, self._on_signal) for s in heeded(*self._also)}
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
        """Raise StopRequestedError if a signal has come, and was not acknowledged."""
        if self._pending:
            raise StopRequestedError

    def acknowledge(self) -> None:
        """Let only another signal interrupt what follows."""
        self._pending = False

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.received and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received, self._pending = number, True
        if self._raising:
            raise StopRequestedError
