"""``nanogpt chat``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nanogpt_cli.cli import ui
from nanogpt_cli.cli.complete import runs
from nanogpt_cli.cli.options import DeviceFlag, JsonFlag, print_json, with_settings
from nanogpt_cli.cli.terminal import Terminal, is_untrained, stream, untrained_note
from nanogpt_cli.cli.web import (
    HostFlag,
    NoBrowserFlag,
    PortFlag,
    TokenFlag,
    WebFlag,
    serve_chat,
    web_address,
)
from nanogpt_cli.config import SampleConfig
from nanogpt_cli.errors import UsageError
from nanogpt_cli.text import valid_text

if TYPE_CHECKING:
    from nanogpt_cli.inference.session import Session


@with_settings(sampling=SampleConfig)
def chat(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL",
            help="A run by name or folder, or a checkpoint; by default the newest run.",
            autocompletion=runs,
        ),
    ] = None,
    *,
    prompt: Annotated[
        str | None,
        typer.Option("--prompt", "-p", metavar="TEXT", help="Answer this text and exit."),
    ] = None,
    device: DeviceFlag = "auto",
    data_dir: Annotated[
        Path | None,
        typer.Option("--data-dir", help="Where an old checkpoint's tokenizer is (meta.pkl)."),
    ] = None,
    as_json: JsonFlag = False,
    web: WebFlag = False,
    host: HostFlag = None,
    port: PortFlag = None,
    token: TokenFlag = None,
    no_browser: NoBrowserFlag = False,
    given: dict[str, Any],
) -> int:
    """Chat with a model in the terminal or the browser, or get one answer with -p or a pipe."""
    from nanogpt_cli.checkpoint.load import load
    from nanogpt_cli.inference.session import Session
    from nanogpt_cli.runs import find_checkpoint, unsaved_run

    config = SampleConfig(**given)
    address = web_address(web, host, port, token, no_browser, alone=prompt is None and not as_json)
    if address is not None:
        return serve_chat(model, config, address, device, data_dir)
    interactive = prompt is None and sys.stdin.isatty() and sys.stdout.isatty()
    if as_json and interactive:
        raise UsageError("--json needs a prompt", "add -p TEXT, or pipe it in")
    path = find_checkpoint(model)
    text = None if interactive else _message(prompt)
    if model is None and (newer := unsaved_run()):
        ui.note(f"{newer} has no checkpoint yet; using {path}")
    loaded = load(path, device, data_dir)
    session = Session(loaded, config)
    if text is None:
        return Terminal(session).run()
    if is_untrained(loaded):
        ui.note(untrained_note(loaded))
    return _answer_once(session, text, as_json)


def _message(prompt: str | None) -> str:
    """Return the text to answer, from stdin without ``-p``. Raises UsageError where it is empty."""
    text = sys.stdin.read().removesuffix("\n") if prompt is None else valid_text(prompt)
    if text.strip():
        return text
    if prompt is None:
        raise UsageError("no message came on stdin", "pipe a text in, or write one after -p")
    raise UsageError("the prompt is empty", "write a text after -p")


def _answer_once(session: "Session", text: str, as_json: bool) -> int:
    """Print the reply to ``text`` alone on stdout."""
    reply = stream(session, text, show=not as_json)
    if not as_json:
        print(flush=True)
    for note in session.notes:
        ui.note(note)
    if as_json:
        print_json(
            {
                "reply": reply.text,
                "tokens": reply.tokens,
                "tokens_per_sec": reply.tokens_per_sec,
                "stop_reason": reply.stop_reason,
                "model": str(session.loaded.path),
            }
        )
    return 130 if reply.stop_reason == "interrupted" else 0
