"""What is asked of a scheduler, and the queue in which it waits. Nothing here knows a model.

Shape letters: T tokens, V vocabulary.
"""

import threading
import time
from collections import deque
from collections.abc import Hashable, Sequence
from typing import Literal

import torch
from torch import Tensor

from nanogpt_cli.config import SampleConfig
from nanogpt_cli.inference.sampling import Token, sampling_generator

EndReason = Literal["stop", "length", "time", "cancelled", "error"]


class Request:
    """A prompt to be continued; a subclass takes what comes of it, in the scheduler's thread.

    ``new_tokens`` is how many are drawn at most, 0 to only read the prompt. Requests of one
    ``client`` wait for each other, not for those of other clients. A request that is not finished
    ``seconds`` after it was submitted ends there.
    """

    wants_prompt: bool = False
    """Whether ``on_prompt`` is to be called."""

    def __init__(
        self,
        prompt: Sequence[int],
        config: SampleConfig,
        *,
        generator: torch.Generator | None = None,
        new_tokens: int | None = None,
        client: Hashable = None,
        seconds: float = float("inf"),
    ) -> None:
        self.prompt, self.config, self.client = list(prompt), config, client
        self.generator = generator or sampling_generator(config.seed)
        self.new_tokens = config.max_tokens if new_tokens is None else new_tokens
        self.deadline = time.monotonic() + seconds
        self.cancelled = False

    def on_prompt(self, logits: Tensor) -> None:
        """Take the logits (T, V) that follow each of the next T tokens of the prompt."""

    def on_token(self, token: Token) -> bool:
        """Take a token that was drawn; return whether it is the last."""
        return False

    def on_end(self, reason: EndReason, error: Exception | None = None) -> None:
        """Take the end, which comes exactly once; ``error`` is what failed, for reason error."""

    def over(self) -> EndReason | None:
        """Return why it ends before its next token, if it does."""
        if self.cancelled:
            return "cancelled"
        return "time" if time.monotonic() > self.deadline else None

    def cancel(self) -> None:
        """End this request before the next step. To be called from any thread."""
        self.cancelled = True


class QueueFullError(Exception):
    """Too many requests wait."""


class FairQueue:
    """Requests that wait: each client's in their order, one of each client in turn.

    For any number of threads.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._queues: dict[Hashable, deque[Request]] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        with self._lock:
            return sum(map(len, self._queues.values()))

    def add(self, request: Request) -> None:
        """Put a request behind its client's others. Raises QueueFullError."""
        with self._lock:
            if sum(map(len, self._queues.values())) >= self.most:
                raise QueueFullError
            self._queues.setdefault(request.client, deque()).append(request)

    def take(self, count: int | None = None) -> list[Request]:
        """Remove and return the next ``count`` requests, all by default."""
        taken: list[Request] = []
        with self._lock:
            while self._queues and (count is None or len(taken) < count):
                client, queue = next(iter(self._queues.items()))
                taken.append(queue.popleft())
                del self._queues[client]
                if queue:
                    self._queues[client] = queue  # behind the others
        return taken

    def remove_over(self) -> list[tuple[Request, EndReason]]:
        """Remove and return the requests that are over before they began, and why."""
        removed: list[tuple[Request, EndReason]] = []
        with self._lock:
            for client, queue in list(self._queues.items()):
                over = [(request, why) for request in queue if (why := request.over())]
                removed += over
                for request, _ in over:
                    queue.remove(request)
                if not queue:
                    del self._queues[client]
        return removed
