"""``nanogpt chat --web``: flags, and the server started and announced."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from nanogpt_cli.cli import ui
from nanogpt_cli.config import SampleConfig
from nanogpt_cli.errors import UsageError
from nanogpt_cli.text import printable

WebFlag = Annotated[bool, typer.Option("--web", help="Chat in the browser, and serve an API.")]
HostFlag = Annotated[
    str | None,
    typer.Option("--host", help="With --web: where to listen; 127.0.0.1, this machine alone."),
]
PortFlag = Annotated[
    int | None, typer.Option("--port", help="With --web: 8000, or 0 for a free one.")
]
TokenFlag = Annotated[
    str | None,
    typer.Option(
        "--token",
        envvar="NANOGPT_TOKEN",
        show_envvar=False,
        help="With --web: what clients must send; better in the environment: NANOGPT_TOKEN.",
    ),
]
NoBrowserFlag = Annotated[
    bool, typer.Option("--no-browser", help="With --web: print the URL and open nothing.")
]


@dataclass(frozen=True)
class Address:
    """Where the server listens, for whom, and whether a browser is opened."""

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    browser: bool = True


def web_address(
    web: bool, host: str | None, port: int | None, token: str | None, no_browser: bool, alone: bool
) -> Address | None:
    """Return where to serve, or None for a chat in the terminal; ``alone``: without -p and --json.

    Raises UsageError for flags that do not go together.
    """
    typed = {"--host": host is not None, "--port": port is not None, "--no-browser": no_browser}
    if not web:
        if extra := [name for name, is_typed in typed.items() if is_typed]:
            raise UsageError(f"{extra[0]} needs --web", "add --web, or leave it out")
        return None
    if not alone:
        raise UsageError("--web does not go with -p or --json", "leave one of them out")
    if port is not None and not 0 <= port <= 65535:
        raise UsageError(f"--port {port} is out of range", "it must be 0 to 65535")
    if missing := [name for name in ("starlette", "uvicorn") if find_spec(name) is None]:
        raise UsageError(
            f"--web needs {missing[0]}, which is not installed",
            "install the extra: pip install 'nanogpt-cli[web]'",
        )
    return Address(
        Address.host if host is None else host,
        Address.port if port is None else port,
        token or None,
        not no_browser,
    )


def serve_chat(
    model: str | None,
    config: SampleConfig,
    address: Address,
    device: str,
    data_dir: Path | None,
) -> int:
    """Load a model and serve it until a signal comes; say where on a line of its own on stderr."""
    from nanogpt_cli.checkpoint.load import load
    from nanogpt_cli.inference.server import serve
    from nanogpt_cli.runs import find_checkpoint

    serve.check_access(address.host, address.token)
    path = find_checkpoint(model)
    with serve.open_socket(address.host, address.port) as listening:
        loaded = load(path, device, data_dir)
        url = serve.url_of(listening, address.host, address.token)

        def ready() -> None:
            ui.say(url)
            ui.say(f"{printable(path)} answers there; Ctrl-C ends it.", style="dim")
            if address.browser:
                serve.open_browser(url)

        serve.serve(
            loaded,
            config,
            listening,
            host=address.host,
            token=address.token,
            device=device,
            on_ready=ready,
        )
    return 0
