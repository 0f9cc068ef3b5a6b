"""``nanogpt chat``."""

import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nanogpt_cli.cli import ui
from nanogpt_cli.cli.options import JsonFlag, print_json, with_settings
from nanogpt_cli.config import SampleConfig
from nanogpt_cli.errors import MachineError, NanoGPTError, UsageError
from nanogpt_cli.text import printable, valid_text

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession

    from nanogpt_cli.inference.session import Session
    from nanogpt_cli.inference.text_stream import Reply


@with_settings(sampling=SampleConfig)
def chat(
    model: Annotated[
        str | None,
        typer.Argument(help="A run's name, its folder or a checkpoint; by default the newest run."),
    ] = None,
    *,
    prompt: Annotated[
        str | None, typer.Option("--prompt", "-p", help="Answer this once and leave.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, mps, cuda or cuda:N.")] = "auto",
    data_dir: Annotated[
        Path | None,
        typer.Option("--data-dir", help="Where an old checkpoint's tokenizer is (meta.pkl)."),
    ] = None,
    as_json: JsonFlag = False,
    given: dict[str, Any],
) -> int:
    """Talk to a model: in the terminal, with -p, or through a pipe."""
    from nanogpt_cli.checkpoint.load import load
    from nanogpt_cli.inference.session import Session
    from nanogpt_cli.runs import find_checkpoint, unsaved_run

    config = SampleConfig(**given)
    interactive = prompt is None and sys.stdin.isatty() and sys.stdout.isatty()
    if as_json and interactive:
        raise UsageError("--json needs one question", "add -p TEXT, or pipe it in")
    path = find_checkpoint(model)
    if model is None and (newer := unsaved_run()):
        ui.note(f"{newer} has no checkpoint yet, this is {path}")
    loaded = load(path, device, data_dir)
    talk = Session(loaded, config)
    if interactive:
        return _Terminal(talk).run()
    text = sys.stdin.read().removesuffix("\n") if prompt is None else valid_text(prompt)
    if not text.strip():
        if prompt is None:
            return 0  # nothing was asked
        raise UsageError("the prompt is empty", "write something after -p")
    return _answer_once(talk, text, as_json)


def _answer_once(talk: "Session", text: str, as_json: bool) -> int:
    """Print the reply to ``text`` alone on stdout."""
    reply = _stream(talk, text, show=not as_json)
    if not as_json:
        print(flush=True)
    for note in talk.notes:
        ui.note(note)
    if as_json:
        print_json(
            {
                "reply": reply.text,
                "tokens": reply.tokens,
                "tokens_per_sec": reply.tokens_per_sec,
                "stop_reason": reply.stop_reason,
                "model": str(talk.loaded.path),
            }
        )
    return 130 if reply.stop_reason == "interrupted" else 0


def _stream(talk: "Session", text: str, show: bool = True) -> "Reply":
    """Print the reply to ``text`` as it comes; Ctrl-C ends it wherever it lands."""
    pieces = talk.reply(text)
    interrupted = False
    try:
        for piece in pieces:
            if show:
                sys.stdout.write(_plain(piece))
                sys.stdout.flush()
    except KeyboardInterrupt:
        interrupted = True
        pieces.close()
    assert talk.last is not None
    if interrupted:
        talk.last.stop_reason = "interrupted"
    return talk.last


def _plain(text: str) -> str:
    """Keep control sequences in a model's output from reaching the terminal."""
    return "".join(c for c in text if c.isprintable() or c in "\n\t")


@dataclass(frozen=True)
class _Slash:
    """A /command of the terminal chat."""

    usage: str
    help: str
    run: Callable[["_Terminal", list[str]], None]


class _Terminal:
    """The conversation in a terminal: a line editor, streamed replies and /commands."""

    def __init__(self, talk: "Session") -> None:
        self.talk = talk
        self.leaving = False
        self.interrupts = 0

    def run(self) -> int:
        """Talk until the user leaves; give the exit code."""
        # a parent that ignores Ctrl-C hands that down, and then a reply could not be stopped
        signal.signal(signal.SIGINT, signal.default_int_handler)
        loaded = self.talk.loaded
        does = "answers you" if loaded.chat_format else "continues your text"
        model = loaded.model
        ui.say(
            f"{printable(loaded.path)} ({model.parameter_count() / 1e6:.1f} M weights) {does}. "
            "/? for help, Ctrl-D leaves.",
            style="dim",
        )
        editor = self._editor()
        while not self.leaving:
            try:
                text = editor.prompt()
            except EOFError:
                break
            except KeyboardInterrupt:
                self.interrupts += 1
                if self.interrupts == 2:
                    return 130
                ui.say("(Ctrl-C again or Ctrl-D to leave)", style="dim")
                continue
            self.interrupts = 0
            self._take(text.strip())
        return 0

    def _take(self, text: str) -> None:
        """Carry out a /command or answer a message."""
        if not text:
            return
        if text.startswith("/") and not text.startswith("//"):
            self._command(text[1:].split())
            return
        self._answer(text.removeprefix("/") if text.startswith("//") else text)

    def _answer(self, text: str) -> None:
        reply = _stream(self.talk, text)
        print(" [stopped]\n" if reply.stop_reason == "interrupted" else "\n", flush=True)
        for note in self.talk.notes:
            ui.note(note)

    def _command(self, words: list[str]) -> None:
        name, arguments = (words[0] if words else ""), words[1:]
        command = _COMMANDS.get(name)
        if command is None:
            ui.say(f"there is no /{printable(name)}; /help lists the commands, // writes a slash")
            return
        command.run(self, arguments)

    def help(self, _: list[str]) -> None:
        """List the commands."""
        for command in dict.fromkeys(_COMMANDS.values()):
            ui.say(f"  {command.usage:<24}{command.help}")
        ui.say("  Ctrl-J makes a new line; Ctrl-C stops a reply or clears the line; Ctrl-D leaves")

    def clear(self, _: list[str]) -> None:
        """Forget the conversation."""
        self.talk.clear()
        ui.say("the conversation is forgotten")

    def bye(self, _: list[str]) -> None:
        """Leave."""
        self.leaving = True

    def set(self, arguments: list[str]) -> None:
        """Show or change how tokens are drawn."""
        names = {f.name: f for f in fields(SampleConfig)}
        if not arguments:
            for name in names:
                ui.say(f"  {name:<16}{getattr(self.talk.config, name)}")
            return
        name, value = arguments[0], " ".join(arguments[1:])
        if name not in names or not value:
            ui.say(f"/set NAME VALUE, where NAME is one of {', '.join(names)}")
            return
        kind = float if isinstance(names[name].default, float) else int
        try:
            change: dict[str, Any] = {name: kind(value)}
            self.talk.set(replace(self.talk.config, **change))
        except NanoGPTError as error:
            ui.say(f"{error.message}; {error.hint}")
        except ValueError:
            ui.say(f"{name} is a number, not {printable(value)!r}")

    def _editor(self) -> "PromptSession[str]":
        """Make the line editor: history, completion of /commands, Ctrl-J for a new line.

        Ctrl-C on a line that is not empty clears it, and only that.
        """
        import platformdirs
        from prompt_toolkit import PromptSession
        from prompt_toolkit.application import get_app
        from prompt_toolkit.completion import WordCompleter
        from prompt_toolkit.enums import DEFAULT_BUFFER
        from prompt_toolkit.filters import Condition, has_focus
        from prompt_toolkit.formatted_text import FormattedText
        from prompt_toolkit.history import FileHistory, History, InMemoryHistory
        from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

        keys = KeyBindings()

        @keys.add("c-j")
        def _(event: KeyPressEvent) -> None:
            event.current_buffer.newline()

        written = has_focus(DEFAULT_BUFFER) & Condition(lambda: bool(get_app().current_buffer.text))

        @keys.add("c-c", filter=written)
        @keys.add("<sigint>", filter=written)
        def _(event: KeyPressEvent) -> None:
            event.current_buffer.reset()
            self.interrupts = 0

        history: History = InMemoryHistory()
        path = Path(platformdirs.user_state_dir("nanogpt")) / "chat_history"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            history = FileHistory(path)
        except OSError as error:
            ui.note(f"the history is not kept: {MachineError(str(error), '').message}")
        commands = WordCompleter([f"/{name}" for name in _COMMANDS], sentence=True)
        return PromptSession(
            message=FormattedText([("bold", "> ")]),
            placeholder=FormattedText([("fg:ansibrightblack", "Send a message (/? for help)")]),
            prompt_continuation=FormattedText([("fg:ansibrightblack", ". ")]),
            history=history,
            key_bindings=keys,
            completer=commands,
            complete_while_typing=False,
            enable_open_in_editor=True,
        )


_HELP = _Slash("/help, /?", "this list", _Terminal.help)
_COMMANDS: dict[str, _Slash] = {
    "help": _HELP,
    "?": _HELP,
    "clear": _Slash("/clear", "forget the conversation", _Terminal.clear),
    "set": _Slash("/set [NAME VALUE]", "show or change temperature, top_k, ...", _Terminal.set),
    "bye": _Slash("/bye", "leave", _Terminal.bye),
}
