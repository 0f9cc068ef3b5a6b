"""SIGINT, SIGTERM and SIGHUP while a command runs: it unwinds and leaves nothing temporary."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from nanogpt_cli.training.signals import heeded

AGAIN = 2.0
"""Seconds in which a command that was interrupted should have ended."""


class Interruption:
    """Raises an exception at the first signal, and ignores others while that unwinds.

    Training and the chat have handlers of their own.
    """

    def __init__(self) -> None:
        self.received = 0
        """The signal's number, once one has come."""
        self._timer: threading.Timer | None = None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Listen within this context, then restore the handlers."""
        before = {number: signal.signal(number, self._on_signal) for number in heeded()}
        hook, sys.unraisablehook = sys.unraisablehook, self._on_unraisable
        try:
            yield
        finally:
            if self._timer:
                self._timer.cancel()
            sys.unraisablehook = hook
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.received:
            return
        self.received = number
        if sys.platform != "win32":
            self._timer = threading.Timer(AGAIN, self._raise_again)
            self._timer.daemon = True
            self._timer.start()
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)

    if sys.platform != "win32":

        def _raise_again(self) -> None:
            """Raise once more: destructors, and imports in C, lose what is raised in them."""
            number, self.received = self.received, 0
            signal.pthread_kill(threading.main_thread().ident or 0, number)

    @staticmethod
    def _on_unraisable(what: "sys.UnraisableHookArgs") -> None:
        if not isinstance(what.exc_value, KeyboardInterrupt | SystemExit):
            sys.__unraisablehook__(what)
