"""How much a client may ask for, and reading a request's body within that."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any, NoReturn

from starlette.requests import ClientDisconnect, Request

from nanogpt_cli.inference.server.errors import ApiError


@dataclass(frozen=True)
class Limits:
    """Sizes, counts and times."""

    body: int = 4 << 20
    """Bytes of a request."""
    body_seconds: float = 30.0
    """In which a request must have come."""
    rows: int = 32
    """Texts that one model generates at a time."""
    cache: int = 1 << 30
    """Bytes of keys and values of one model; with large models there are fewer rows."""
    waiting: int = 256
    """Texts that wait for a row."""
    choices: int = 128
    """Texts that one request may ask for: its prompts times ``n``."""
    new_tokens: int = 4096
    """Of one text."""
    seconds: float = 600.0
    """After which a text ends as it is, waiting included."""
    send_seconds: float = 60.0
    """In which a client must take what is sent to it."""
    send_every: float = 0.02
    """Seconds between two pieces of a stream."""
    connections: int = 512
    """At a time."""
    models: int = 4
    """In memory at a time."""
    stall_seconds: float = 120.0
    """Without a step after which a busy engine counts as dead."""


async def read_json(request: Request, limits: Limits) -> dict[str, Any]:
    """Return a request's body, a JSON object.

    Raises ApiError where it is too large (413), too slow (408), of another type (415) or not JSON.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":  # what a form of another page could send without being asked
        raise ApiError(415, "the content-type must be application/json")
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > limits.body:
        raise _too_large(limits)
    try:
        async with asyncio.timeout(limits.body_seconds):
            body = await _read(request, limits)
    except TimeoutError:
        raise ApiError(408, f"no whole request came in {limits.body_seconds:g} s") from None
    except ClientDisconnect:
        raise ApiError(400, "the request was cut short") from None
    try:
        content = json.loads(body, parse_constant=_not_json)
    except (ValueError, RecursionError):
        raise ApiError(400, "the body is not JSON") from None
    if not isinstance(content, dict):
        raise ApiError(400, "the body must be a JSON object")
    return content


async def _read(request: Request, limits: Limits) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > limits.body:
            raise _too_large(limits)
        parts.append(part)
    return b"".join(parts)


def _too_large(limits: Limits) -> ApiError:
    return ApiError(413, f"a request may have {limits.body:,} bytes")


def _not_json(constant: str) -> NoReturn:
    raise ValueError(constant)
