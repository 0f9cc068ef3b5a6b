"""What is loaded in a thread while the user types.

Nothing here knows a model. A thread in the middle of importing a library cannot be stopped, and a
process that ends meanwhile may crash: who leaves early calls ``abandon``.
"""

import os
import sys
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Result = TypeVar("Result")


class Background(Generic[Result]):
    """A result that a thread makes."""

    def __init__(self, make: Callable[[], Result]) -> None:
        self._make = make
        self._thread: threading.Thread | None = None
        self._over = threading.Event()
        self._result: Result | None = None
        self._error: BaseException | None = None
        self._on_end: Callable[[], None] = lambda: None

    @classmethod
    def of(cls, result: Result) -> "Background[Result]":
        """Return one that is done."""
        done = cls(lambda: result)
        done._result = result
        done._over.set()
        return done

    def start(self, on_end: Callable[[], None] = lambda: None) -> None:
        """Start the thread, once; ``on_end`` is called in it at its end."""
        if self._thread is None and not self._over.is_set():
            self._on_end = on_end
            self._thread = threading.Thread(target=self._run, name="loading", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        try:
            self._result = self._make()
        except BaseException as error:  # raised again where the result is asked for
            self._error = error
        self._over.set()
        self._on_end()

    @property
    def is_over(self) -> bool:
        """Whether there is a result or an error."""
        return self._over.is_set()

    @property
    def error(self) -> BaseException | None:
        """What ended it without a result."""
        return self._error

    def get(self) -> Result:
        """Wait for the result and return it. Raises what the thread raised."""
        self.start()
        self._over.wait()
        if self._error is not None:
            raise self._error
        return self._result  # type: ignore[return-value]

    def abandon(self, code: int) -> None:
        """End the process with an exit code, where the thread is still at work."""
        if self._thread is not None and not self.is_over:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
