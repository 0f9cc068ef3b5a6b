"""``nanogpt chat``."""

import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nanogpt_cli.cli import ui
from nanogpt_cli.cli.options import DeviceFlag, JsonFlag, ModelArgument, with_settings
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
from nanogpt_cli.errors import CheckpointError, DataError, UsageError
from nanogpt_cli.runs import find_checkpoint, find_dataset, run_files, unsaved_run
from nanogpt_cli.text import valid_text

if TYPE_CHECKING:
    from nanogpt_cli.checkpoint.load import LoadedModel
    from nanogpt_cli.inference.session import Session


@with_settings(sampling=SampleConfig)
def chat(
    model: ModelArgument = None,
    *,
    prompt: Annotated[
        str | None,
        typer.Option(
            "--prompt",
            "-p",
            metavar="TEXT",
            help="Answer this text and exit; what comes on stdin is its context.",
        ),
    ] = None,
    number: Annotated[
        int, typer.Option("--n", "-n", metavar="N", help="So many replies to one text.")
    ] = 1,
    batch: Annotated[
        str | None,
        typer.Option(
            "--batch",
            metavar="FILE",
            help="Answer each line of a .jsonl file (- is stdin): a text, or an object with "
            "prompt or messages. Prints a line of JSON for each.",
        ),
    ] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="Continue the text, also with a model that answers.")
    ] = False,
    stop: Annotated[
        list[str] | None,
        typer.Option(
            "--stop",
            metavar="TEXT",
            help=r"End a reply before this text; can be repeated, and \n is a line break.",
        ),
    ] = None,
    system: Annotated[
        str | None,
        typer.Option(
            "--system",
            metavar="TEXT",
            help="What the conversation is about, for models trained --with-context.",
        ),
    ] = None,
    emotion: Annotated[
        str | None,
        typer.Option(
            "--emotion", metavar="NAME", help="How you feel, for models trained --with-emotion."
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--continue", "-c", help="Resume the newest conversation.")
    ] = False,
    save: Annotated[
        bool, typer.Option("--save/--no-save", help="Keep the conversation, for --continue.")
    ] = True,
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
    config, stops = SampleConfig(**given), stop_texts(stop or [])
    alone = prompt is None and batch is None and not as_json
    address = web_address(web, host, port, token, no_browser, alone=alone)
    if address is not None:
        return serve_chat(model, config, address, device, data_dir)
    interactive = prompt is None and batch is None and sys.stdin.isatty() and sys.stdout.isatty()
    _check(interactive, prompt=prompt, batch=batch, number=number, json=as_json, resume=resume)

    def open_model(path: Path) -> "LoadedModel":
        from nanogpt_cli.checkpoint.load import load

        loaded = load(path, device, data_dir)
        return replace(loaded, chat_format=None) if raw else loaded

    def open_session(path: Path) -> "Session":
        from nanogpt_cli.inference.session import FRONT, Session

        session = Session(open_model(path), config, stop=stops)
        for role, text in zip(FRONT, (system, emotion), strict=True):
            if text:
                session.set_front(role, valid_text(text))
        return session

    if interactive:
        from nanogpt_cli.cli.chat_start import talk

        return talk(model, open_session, open_model, given, resume=resume, save=save)
    from nanogpt_cli.cli.chat_once import answer, read_questions

    path = find_model(model)
    questions = read_questions(prompt, batch, number)
    return answer(open_session(path), questions, as_json)


def _check(interactive: bool, **asked: Any) -> None:
    """Raise UsageError where what is asked for does not go together."""
    if asked["number"] < 1:
        raise UsageError(f"--n {asked['number']} is out of range", "it must be at least 1")
    if asked["batch"] is not None and asked["prompt"] is not None:
        raise UsageError("--batch and --prompt cannot be used together", "leave one of them out")
    if asked["batch"] is not None and asked["number"] > 1:
        raise UsageError("--batch and --n cannot be used together", "repeat the lines of the file")
    if not interactive and asked["resume"]:
        raise UsageError("--continue needs a terminal", "leave it out, or start it in a terminal")
    for flag, is_asked in (("--json", asked["json"]), ("--n", asked["number"] > 1)):
        if interactive and is_asked:
            raise UsageError(f"{flag} needs a prompt", "add -p TEXT, or pipe it in")


def stop_texts(texts: Sequence[str]) -> tuple[str, ...]:
    r"""Return what was typed after ``--stop``, with \n and \t as they are in most languages.

    Raises UsageError for an empty one.
    """
    escapes = {r"\n": "\n", r"\t": "\t", r"\\": "\\"}
    read = [re.sub(r"\\[nt\\]", lambda found: escapes[found[0]], valid_text(t)) for t in texts]
    if "" in read:
        raise UsageError("--stop needs a text", "write the text before which a reply ends")
    return tuple(read)


def find_model(name: str | None) -> Path:
    """Return the checkpoint of a run, by default the newest. Raises CheckpointError for none."""
    try:
        path = find_checkpoint(name)
    except CheckpointError as error:
        if name is None and not run_files():
            raise CheckpointError(error.message, f"make one: {_first_steps()}") from error
        raise
    if name is None and (newer := unsaved_run()):
        ui.note(f"{newer} has no checkpoint yet; using {path}")
    return path


def _first_steps() -> str:
    """Return the commands that make a model from what there is."""
    try:
        find_dataset()
    except DataError:
        return "nanogpt prepare YOUR.txt, then nanogpt train"
    return "nanogpt train"
