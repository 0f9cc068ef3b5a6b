"""Listening on a port until a signal ends it."""

import os
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable

import uvicorn

from nanogpt_cli.checkpoint.load import LoadedModel
from nanogpt_cli.config import SampleConfig
from nanogpt_cli.errors import MachineError, UsageError
from nanogpt_cli.inference.server.app import make_app
from nanogpt_cli.inference.server.limits import Limits
from nanogpt_cli.inference.server.security import is_loopback

SHORTEST = 16
"""Characters of a token: what is shorter could be guessed."""


def check_access(host: str, token: str | None) -> None:
    """Raise UsageError for a server that others could use, and for a token that is none."""
    if token is not None and not (token.isascii() and token.isprintable() and " " not in token):
        raise UsageError("the token may have letters, digits and signs only", _make_token())
    if token is not None and len(token) < SHORTEST:
        raise UsageError(f"the token has fewer than {SHORTEST} characters", _make_token())
    if token is None and not is_loopback(host):
        raise UsageError(
            f"--host {host} lets other machines in, and there is no token", _make_token()
        )


def _make_token() -> str:
    return "set one in NANOGPT_TOKEN: export NANOGPT_TOKEN=$(openssl rand -hex 16)"


def open_socket(host: str, port: int) -> socket.socket:
    """Listen on a port, on a free one for 0. Raises MachineError where that cannot be."""
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, socket.SOCK_STREAM)
        try:
            if os.name == "posix":
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(128)
        except BaseException:
            listening.close()
            raise
    except (OSError, OverflowError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise MachineError(
            f"cannot listen on {host}:{port}: {reason}",
            "choose another --port (0 takes a free one) or --host",
        ) from None
    return listening


def url_of(listening: socket.socket, host: str, token: str | None) -> str:
    """Return where the page is. The token stands behind #, which is sent to no server."""
    port = listening.getsockname()[1]
    name = socket.gethostname() if host in ("0.0.0.0", "::") else host  # noqa: S104
    shown = f"[{name}]" if ":" in name else name
    return f"http://{shown}:{port}/" + (f"#token={token}" if token else "")


class _Server(uvicorn.Server):
    """A server that says when it is ready."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer, and say so."""
        await super().startup(sockets)
        if self.started:
            self._on_ready()


def serve(
    loaded: LoadedModel,
    sampling: SampleConfig,
    listening: socket.socket,
    *,
    host: str,
    token: str | None = None,
    device: str = "auto",
    on_ready: Callable[[], None] = lambda: None,
    limits: Limits | None = None,
) -> None:
    """Serve a model on a socket until SIGINT or SIGTERM, which is raised again afterwards."""
    limits = limits or Limits()
    sys.setswitchinterval(0.0005)  # else an engine waits 5 ms whenever a stream is written
    app = make_app(loaded, sampling, host=host, token=token, device=device, limits=limits)
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        limit_concurrency=limits.connections,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=1,
        h11_max_incomplete_event_size=64 << 10,
    )
    _Server(config, on_ready).run(sockets=[listening])


def open_browser(url: str) -> None:
    """Show the page, where there is a screen; a browser in the terminal would take that over."""
    screen = sys.platform in ("darwin", "win32") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
    if screen and not os.environ.get("SSH_CONNECTION"):
        threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
