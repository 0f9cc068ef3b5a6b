"""From a scheduler's tokens to text for clients that wait in an event loop.

A ``TextRequest`` runs in the engine's thread and finds the end of its text there; a ``Mailbox``
carries what came over to the event loop, as much at a time as the client takes.
"""

import asyncio
import codecs
import math
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from nanogpt_cli.config import SampleConfig
from nanogpt_cli.inference.requests import EndReason, Request
from nanogpt_cli.inference.sampling import Token
from nanogpt_cli.inference.text_stream import Stripper, TextStream
from nanogpt_cli.tokenizer.load import Tokenizer


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """A token of a prompt or a text, and the likeliest others, with log-probabilities in nats."""

    data: bytes
    logprob: float | None
    top: list[tuple[bytes, float]]


@dataclass
class Piece:
    """Text that came, and the tokens that it is made of, where these were asked for."""

    text: str = ""
    tokens: list[TokenInfo] = field(default_factory=list)
    end: EndReason | None = None
    error: Exception | None = None


class Mailbox:
    """Takes pieces from a thread, and gives them to a coroutine.

    Where they come faster than ``every`` seconds, several are given together, so that many streams
    do not cost more than the texts themselves. Without ``every`` all wait for an end.
    """

    def __init__(self, every: float | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._items: deque[tuple[int, Piece]] = deque()
        self._event = asyncio.Event()
        self._signalled = False
        self._every, self._given = every, -math.inf

    def put(self, index: int, piece: Piece) -> None:
        """Add a piece of the text with some index. To be called in the engine's thread."""
        self._items.append((index, piece))
        if not self._signalled and (piece.end or self._every is not None):
            self._signalled = True
            with suppress(RuntimeError):  # the server has ended
                self._loop.call_soon_threadsafe(self._event.set)

    async def get(self) -> list[tuple[int, Piece]]:
        """Wait for pieces, and return all that are there: one for each text, in no order."""
        await self._event.wait()
        if self._every and (wait := self._given + self._every - self._loop.time()) > 0:
            await asyncio.sleep(wait)
        self._given = self._loop.time()
        self._event.clear()
        self._signalled = False  # before looking, so that nothing is missed
        merged: dict[int, Piece] = {}
        while self._items:
            index, piece = self._items.popleft()
            known = merged.setdefault(index, Piece())
            known.text += piece.text
            known.tokens += piece.tokens
            known.end, known.error = piece.end, piece.error
        return list(merged.items())


@dataclass(frozen=True)
class Stops:
    """What ends a text, and whether white space around it is dropped."""

    ids: Set[int]
    strings: Sequence[str]
    strip: bool


class TextRequest(Request):
    """A text that is generated for a client."""

    def __init__(
        self,
        prompt: Sequence[int],
        config: SampleConfig,
        tokenizer: Tokenizer,
        stops: Stops,
        put: Callable[[Piece], None],
        *,
        new_tokens: int,
        logprobs: int | None = None,
        echo: bool = False,
        client: Hashable = None,
        seconds: float = float("inf"),
    ) -> None:
        """Describe each token and its ``logprobs`` likeliest others; with ``echo`` the prompt's."""
        super().__init__(prompt, config, new_tokens=new_tokens, client=client, seconds=seconds)
        self.wants_prompt = echo and logprobs is not None
        self.tokens = 0
        """How many were drawn, the one that ends the text left out."""
        self.begin = time.perf_counter()
        self.first: float | None = None
        """Seconds until the first token."""
        self.seconds = 0.0
        """Seconds until the last one."""
        self._tokenizer, self._put, self._logprobs = tokenizer, put, logprobs
        self._stream = TextStream(tokenizer, stops.ids, stops.strings)
        self._strip = Stripper() if stops.strip else None
        self._infos: deque[tuple[int, TokenInfo]] = deque()  # with where in the text each begins
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        self._drawn = self._shown = 0  # characters
        self._prompt_read = 0

    def on_prompt(self, logits: Tensor) -> None:
        """Score the prompt's next tokens."""
        logprobs = logits.log_softmax(-1)  # T, V
        infos = [] if self._prompt_read else [TokenInfo(self._bytes(self.prompt[0]), None, [])]
        first = self._prompt_read + 1
        for row, token in zip(logprobs, self.prompt[first:], strict=False):
            infos.append(self._info(token, row))
        self._prompt_read += len(logits)
        self._put(Piece(tokens=infos))

    def on_token(self, token: Token) -> bool:
        """Add a token to the text; return whether it ends there."""
        self.seconds = time.perf_counter() - self.begin
        if self.first is None:
            self.first = self.seconds
        text = self._stream.push(token.id)
        ended = self._stream.stopped
        self.tokens += not ended
        if self._logprobs is not None:
            info = self._info(token.id, token.logits.log_softmax(-1))
            self._infos.append((self._drawn, info))
            self._drawn += len(self._utf8.decode(info.data))
        self._show(text)
        return ended

    def on_end(self, reason: EndReason, error: Exception | None = None) -> None:
        """Give what was held back, and the end."""
        if not self._stream.stopped:
            self._show(self._stream.finish())
        self._put(Piece(end=reason, error=error))

    def _show(self, text: str) -> None:
        """Give a part of the text, and its tokens: those of a tag that ends it stay here."""
        self._shown += len(text)
        infos = []
        while self._infos and self._infos[0][0] < self._shown:
            infos.append(self._infos.popleft()[1])
        shown = self._strip.push(text) if self._strip else text
        if shown or infos:
            self._put(Piece(shown, infos))

    def _bytes(self, token: int) -> bytes:
        return self._tokenizer.token_bytes(token)

    def _info(self, token: int, logprobs: Tensor) -> TokenInfo:
        """Describe a token, given the log-probabilities (V,) of all."""
        count = min(self._logprobs or 0, logprobs.numel())
        best = logprobs.topk(count) if count else None
        top = (
            zip(best.indices.tolist(), best.values.tolist(), strict=True)
            if best is not None
            else ()
        )
        others = [(self._bytes(other), value) for other, value in top]
        return TokenInfo(self._bytes(token), float(logprobs[token]), others)

    def timing(self) -> dict[str, Any]:
        """Return how fast it was, for the answer."""
        speed = self.tokens / self.seconds if self.seconds > 0 else None
        return {"first_token_seconds": self.first, "tokens_per_sec": speed}
