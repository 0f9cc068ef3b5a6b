"""The texts of one request: handed to an engine, and sent as they come or whole.

They are given up at once where the client has gone.
"""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import aclosing
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from nanogpt_cli.inference.requests import QueueFullError
from nanogpt_cli.inference.server.errors import ApiError, to_api_error
from nanogpt_cli.inference.server.generation import Mailbox, Piece, TextRequest
from nanogpt_cli.inference.server.limits import Limits
from nanogpt_cli.inference.server.metrics import Metrics
from nanogpt_cli.inference.server.worker import Worker

FINISH = {"stop": "stop", "length": "length", "time": "length", "cancelled": "stop"}
"""OpenAI's word for how a text ended."""


class Exchange:
    """The texts of one request, by index, until all have ended or the client has gone."""

    def __init__(
        self, requests: Sequence[TextRequest], mailbox: Mailbox, metrics: Metrics, limits: Limits
    ) -> None:
        self.requests = requests
        self._mailbox, self._metrics, self._limits = mailbox, metrics, limits
        self._left = set(range(len(requests)))

    def submit(self, worker: Worker) -> None:
        """Hand all to an engine, or none. Raises ApiError (429) where too many wait."""
        try:
            for request in self.requests:
                worker.submit(request)
        except QueueFullError:
            self.close()
            scheduler = worker.scheduler
            each = self._metrics.mean("nanogpt_text_seconds")
            wait = math.ceil(each * scheduler.waiting / scheduler.rows)
            raise ApiError(
                429, "too many requests wait; try again later", code="queue_full",
                retry_after=min(60, max(1, wait)),
            ) from None  # fmt: skip
        except Exception:
            self.close()
            raise

    async def pieces(self) -> AsyncIterator[tuple[int, Piece]]:
        """Yield what comes of each text. Raises what one failed with."""
        while self._left:
            async with asyncio.timeout(self._limits.seconds + self._limits.stall_seconds):
                batch = await self._mailbox.get()
            for index, piece in batch:
                if piece.end:
                    self._ended(index, piece.end)
                if piece.error:
                    raise piece.error
                yield index, piece

    def _ended(self, index: int, end: str) -> None:
        self._left.discard(index)
        request = self.requests[index]
        self._metrics.count("nanogpt_texts_total", end=end)
        if request.first is not None:
            self._metrics.observe("nanogpt_first_token_seconds", request.first)
            self._metrics.observe("nanogpt_text_seconds", request.seconds)

    def close(self) -> None:
        """Give up what has not ended: its rows are free before the next step."""
        for index in list(self._left):
            self.requests[index].cancel()
            self._ended(index, "cancelled")


async def whole(
    receive: Receive, exchange: Exchange, work: Coroutine[Any, Any, dict[str, Any]]
) -> Response:
    """Return what ``work`` makes of all texts, unless the client goes before."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_disconnected(receive))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return JSONResponse(task.result())
        return Response(status_code=499)
    finally:
        exchange.close()
        await _end(task, gone)


class EventStream(Response):
    """Server-sent events, one JSON object each, until all have been sent or the client goes.

    An error ends them with an event of its own.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        exchange: Exchange,
        events: Callable[[], AsyncIterator[dict[str, Any]]],
        limits: Limits,
    ) -> None:
        super().__init__(headers={"x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._exchange, self._events, self._limits = exchange, events, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events."""
        task = asyncio.ensure_future(self._send_all(send))
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()
        except TimeoutError:  # the client takes nothing, so nothing can be said to it
            return
        finally:
            self._exchange.close()
            await _end(task, gone)

    async def _send_all(self, send: Send) -> None:
        async def put(text: str, more: bool = True) -> None:
            async with asyncio.timeout(self._limits.send_seconds):
                body = {"type": "http.response.body", "body": text.encode(), "more_body": more}
                await send(body)

        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        stream = self._events()
        async with aclosing(stream) as events:  # type: ignore[type-var]
            while True:
                try:
                    event = await anext(events)
                except StopAsyncIteration:
                    break
                except Exception as error:
                    await put(_event(to_api_error(error).content()), more=False)
                    return
                await put(_event(event))
        await put("data: [DONE]\n\n", more=False)


def _event(content: dict[str, Any]) -> str:
    return f"data: {json.dumps(content, ensure_ascii=False, allow_nan=False)}\n\n"


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _end(*tasks: "asyncio.Future[Any]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
