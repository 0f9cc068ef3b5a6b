"""The thread that generates, and its supervision. It knows a scheduler, and no network.

An error that is not one request's ends all that are being generated, and the engine begins anew;
where that happens again and again it is given up, and says so to everyone who asks.
"""

import logging
import threading
import time

from nanogpt_cli.inference.requests import Request
from nanogpt_cli.inference.scheduler import Scheduler

RESTARTS, WITHIN = 3, 60.0
"""So many failures in so many seconds are survived."""

log = logging.getLogger("nanogpt")


class EngineDiedError(Exception):
    """The engine does not run any more."""


class Worker:
    """Steps a scheduler in a thread of its own as long as there is something to do."""

    def __init__(self, scheduler: Scheduler, name: str, stall_seconds: float = 120.0) -> None:
        self.scheduler = scheduler
        self.problem: str | None = None
        """Why it is dead."""
        self.restarts = 0
        self._failures: list[float] = []
        self._stall_seconds = stall_seconds
        self._beat = time.monotonic()
        self._lock = threading.Lock()  # so that nothing is submitted once it is dead
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=f"engine {name}", daemon=True)
        self._thread.start()

    @property
    def state(self) -> str:
        """What is wrong, or ``ok``."""
        if self.problem is not None:
            return f"died: {self.problem}"
        if not self._thread.is_alive():
            return "stopped"
        busy = self.scheduler.active + self.scheduler.waiting > 0
        if busy and time.monotonic() - self._beat > self._stall_seconds:
            return "stalled"
        return "ok"

    @property
    def idle(self) -> bool:
        """Whether nothing is generated and nothing waits."""
        return self.scheduler.active + self.scheduler.waiting == 0

    def submit(self, request: Request) -> None:
        """Hand a request to the engine. Raises EngineDiedError, or as the scheduler does."""
        with self._lock:
            if self.state != "ok":
                raise EngineDiedError(self.state)
            if self.idle:
                self._beat = time.monotonic()
            self.scheduler.submit(request)
        self._wake.set()

    def stop(self) -> None:
        """End the thread once nothing is left to do."""
        self._stopping = True
        self._wake.set()

    def _run(self) -> None:
        try:
            while True:
                self._beat = time.monotonic()
                try:
                    busy = self.scheduler.step()
                except Exception as error:
                    self._begin_anew(error)
                    continue
                if not busy:
                    if self._stopping:
                        return
                    self._wake.wait(1.0)
                    self._wake.clear()
        except BaseException as error:
            self._die(error)

    def _begin_anew(self, error: Exception) -> None:
        """End all requests. Raises the error where that was done too often."""
        log.exception("the engine failed and begins anew")
        now = time.monotonic()
        self._failures = [at for at in self._failures if now - at < WITHIN] + [now]
        if len(self._failures) > RESTARTS:
            raise error
        self.restarts += 1
        self.scheduler.fail_all(error)

    def _die(self, error: BaseException) -> None:
        with self._lock:
            self.problem = type(error).__name__
        log.error("the engine died: %s", self.problem)
        self.scheduler.fail_all(EngineDiedError(self.state))
