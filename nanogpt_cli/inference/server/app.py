"""The routes, what watches over them, and their errors."""

import contextlib
import logging
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nanogpt_cli.checkpoint.load import LoadedModel
from nanogpt_cli.config import SampleConfig
from nanogpt_cli.inference.server.errors import ApiError, to_api_error
from nanogpt_cli.inference.server.limits import Limits
from nanogpt_cli.inference.server.models import Models
from nanogpt_cli.inference.server.openai_api import (
    chat_completions,
    completions,
    list_models,
    one_model,
)
from nanogpt_cli.inference.server.page import curve, page, settings
from nanogpt_cli.inference.server.security import Guard
from nanogpt_cli.inference.server.state import State, state_of

log = logging.getLogger("nanogpt")


async def health(request: Request) -> Response:
    """Say whether the engines run: 200, or 503 where one died."""
    states = {engine.name: engine.worker.state for engine in state_of(request).models.engines}
    well = all(state == "ok" for state in states.values())
    return JSONResponse({"status": "ok" if well else "error"}, 200 if well else 503)


async def metrics(request: Request) -> Response:
    """Return what was counted, for Prometheus."""
    state = state_of(request)
    text = state.metrics.text(state.gauges())
    return PlainTextResponse(text, media_type="text/plain; version=0.0.4; charset=utf-8")


async def no_icon(request: Request) -> Response:
    """Return nothing: the page has its icon in itself."""
    return Response(status_code=204)


async def _refused(request: Request, error: Exception) -> Response:
    """Answer with an error; a bug's traceback goes to the log."""
    if isinstance(error, HTTPException):
        return ApiError(error.status_code, error.detail).response()
    shown = to_api_error(error)
    if shown.status == 500:
        log.error("a request failed", exc_info=error)
    return shown.response()


ROUTES = [
    Route("/", page),
    Route("/favicon.ico", no_icon),
    Route("/health", health),
    Route("/metrics", metrics),
    Route("/api/settings", settings),
    Route("/api/curve", curve),
    Route("/v1/models", list_models),
    Route("/v1/models/{name:path}", one_model),
    Route("/v1/chat/completions", chat_completions, methods=["POST"]),
    Route("/v1/completions", completions, methods=["POST"]),
]


def make_app(
    loaded: LoadedModel,
    sampling: SampleConfig | None = None,
    *,
    host: str = "127.0.0.1",
    token: str | None = None,
    device: str = "auto",
    limits: Limits | None = None,
) -> ASGIApp:
    """Return the app that serves a model, and the runs beside it by name.

    ``host`` is what it listens on. Clients must send ``token``, where there is one.
    """
    limits = limits or Limits()

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        models = Models(loaded, limits, device)
        app.state.nanogpt = State(models, sampling or SampleConfig(), limits)
        try:
            yield
        finally:
            models.stop()

    handlers = {Exception: _refused, HTTPException: _refused, ApiError: _refused}
    app = Starlette(routes=ROUTES, lifespan=lifespan, exception_handlers=handlers)
    app.router.redirect_slashes = False
    return Guard(_Counted(app), host, token)


class _Counted:
    """Counts answers, by path and status."""

    def __init__(self, app: Starlette) -> None:
        self._app = app
        self._paths = {route.path for route in ROUTES}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                path = scope["path"] if scope["path"] in self._paths else "other"
                state: State = self._app.state.nanogpt
                status = str(message["status"])
                state.metrics.count("nanogpt_requests_total", path=path, status=status)
            await send(message)

        await self._app(scope, receive, counted)
