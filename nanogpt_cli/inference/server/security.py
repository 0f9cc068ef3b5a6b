"""Who may ask: the server's own page and programs, on this machine or with the token.

A page of another site can make a browser send requests here. It cannot set an Authorization header
or a JSON content-type without asking first, which is never granted; its Origin is not ours; and
where it renames itself to this machine (DNS rebinding) the Host is not ours either.
"""

import hmac
import ipaddress
import socket
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nanogpt_cli.inference.server.errors import ApiError

OPEN = ("/", "/health", "/favicon.ico")
"""What needs no token: the page has nothing in it but itself."""

HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a host that a server listens on."""
    address = _address(host)
    return host == "localhost" if address is None else address.is_loopback


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None


class Guard:
    """Wraps an app, and answers what must not reach it."""

    def __init__(self, app: ASGIApp, host: str, token: str | None) -> None:
        self._app, self._host = app, host.lower()
        self._token = token.encode() if token else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or refuse it."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        error = self._refusal(scope["method"], scope["path"], Headers(scope=scope))
        app = self._app if error is None else error.response()
        await app(scope, receive, send_safely)

    def _refusal(self, method: str, path: str, headers: Headers) -> ApiError | None:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._is_ours(_name(hosts[0])):
            return ApiError(421, "this server does not go by that name", code="host")
        for origin in headers.getlist("origin"):
            if urlsplit(origin).netloc.lower() != hosts[0].lower():
                return ApiError(403, "requests from other sites are refused", code="origin")
        if headers.get("sec-fetch-site") == "cross-site" and (method != "GET" or path != "/"):
            return ApiError(403, "requests from other sites are refused", code="origin")
        if path not in OPEN and not self._is_authorized(headers.getlist("authorization")):
            return ApiError(401, "the token is missing or wrong", code="invalid_api_key")
        return None

    def _is_ours(self, name: str) -> bool:
        """Whether a Host is this machine: an address cannot be rebound, and names are known."""
        if name in ("localhost", self._host):
            return True
        address = _address(name)
        if is_loopback(self._host):
            return address is not None and address.is_loopback
        return address is not None or name in _own_names()

    def _is_authorized(self, values: Collection[str]) -> bool:
        if self._token is None:
            return True
        given = [value.partition(" ") for value in values]
        return len(given) == 1 and all(
            scheme.lower() == "bearer"
            and hmac.compare_digest(token.strip().encode("latin-1", "replace"), self._token)
            for scheme, _, token in given
        )


def _name(host: str) -> str:
    """Return the name in a Host header, without its port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _own_names() -> set[str]:
    name = socket.gethostname().lower()
    return {name, f"{name}.local"}
