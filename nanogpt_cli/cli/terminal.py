"""The conversation in a terminal: a line editor, streamed replies and /commands."""

import math
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from nanogpt_cli.cli import ui
from nanogpt_cli.cli.slash.base import all_commands, find_command
from nanogpt_cli.cli.wrapping import WordWrap
from nanogpt_cli.runs import BEST, LAST
from nanogpt_cli.text import printable, shell_word, without_controls

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

    from nanogpt_cli.checkpoint.load import LoadedModel
    from nanogpt_cli.cli.history import ChatHistory
    from nanogpt_cli.inference.session import Session
    from nanogpt_cli.inference.text_stream import Reply


LEAVING = ("exit", "quit")
"""What leaves without a slash too, as in other programs that have a prompt."""


def stream(session: "Session", text: str, show: bool = True) -> "Reply":
    """Print the reply to ``text`` as it is generated; Ctrl-C ends it at any point.

    A terminal's lines end between words; a pipe or a file gets the text as it is.
    """
    pieces = session.reply(text)
    wrap = WordWrap() if sys.stdout.isatty() else None

    def write(piece: str) -> None:
        if show:
            sys.stdout.write(wrap.push(piece) if wrap else piece)
            sys.stdout.flush()

    interrupted = False
    try:
        for piece in pieces:
            write(without_controls(piece))
    except KeyboardInterrupt:
        interrupted = True
        pieces.close()
        if wrap:
            write(" [stopped]")
    if show and wrap:
        sys.stdout.write(wrap.finish())
    assert session.last is not None
    if interrupted:
        session.last.stop_reason = "interrupted"
    return session.last


def is_untrained(loaded: "LoadedModel") -> bool:
    """Whether a model is as it was before its first step: no better than guessing any token.

    A model that is being fine-tuned is better than that at its step 0.
    """
    loss = loaded.about["val_loss"]
    guessing = math.log(loaded.config.vocab_size)
    return loaded.about["step"] == 0 and loss is not None and loss > 0.9 * guessing


def untrained_note(loaded: "LoadedModel") -> str:
    """Return what to say about an untrained model, and how to train it."""
    path = loaded.path
    more = f" --init-from resume --out-dir {shell_word(path.parent)}"
    command = f"nanogpt train{more if path.name in (BEST, LAST) else ''}"
    return f"{path} is untrained (step 0), so its replies are noise; train it: {command}"


def _describe(loaded: "LoadedModel") -> str:
    """Return a model's size, and how far it was trained where that is known."""
    facts = [f"{loaded.model.parameter_count() / 1e6:.1f} M parameters"]
    step, loss = loaded.about["step"], loaded.about["val_loss"]
    if step:
        facts.append(f"step {step:,}")
    if loss is not None and math.isfinite(loss):
        facts.append(f"validation loss {loss:.4f}")
    return ", ".join(facts)


class Terminal:
    """A conversation that a user types."""

    def __init__(self, session: "Session") -> None:
        self.session = session
        self.is_leaving = False
        self._interrupts = 0
        """Ctrl-C typed on an empty line, one after the other."""
        self._history_noted = False

    def leave(self) -> None:
        """End the conversation before the next prompt."""
        self.is_leaving = True

    def run(self) -> int:
        """Talk until the user leaves, and return the exit code."""
        # a parent that ignores Ctrl-C hands that down, and then a reply could not be stopped
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self._greet()
        history = _history()
        editor = line_editor(history, on_clear=self._forget_interrupts)
        while not self.is_leaving:
            self._note_problem(history)
            try:
                text = editor.prompt()
            except EOFError:
                break
            except KeyboardInterrupt:
                self._interrupts += 1
                if self._interrupts == 2:
                    return 130
                ui.say("(Ctrl-C again or Ctrl-D to leave)", style="dim")
                continue
            self._forget_interrupts()
            self.enter(text)
        return 0

    def _greet(self) -> None:
        loaded = self.session.loaded
        does = "answers you" if loaded.chat_format else "continues your text"
        ui.say(f"{printable(loaded.path)} ({_describe(loaded)}) {does}.", style="dim")
        if is_untrained(loaded):
            ui.note(untrained_note(loaded))
        ui.say("/? for help, Ctrl-D leaves.", style="dim")

    def _note_problem(self, history: "ChatHistory") -> None:
        """Say once why what is typed is not kept."""
        if history.problem and not self._history_noted:
            self._history_noted = True
            ui.note(f"the chat history is not saved: {history.problem}")

    def _forget_interrupts(self) -> None:
        self._interrupts = 0

    def enter(self, text: str) -> None:
        """Take a line of input: run a /command, leave, or print the reply to a message.

        Two slashes begin a message that starts with one.
        """
        text = text.strip()
        if text.startswith("/") and not text.startswith("//"):
            self._command(text[1:].split())
        elif text in LEAVING:
            ui.say(f"left the chat: {text} does that, as /bye and Ctrl-D do", style="dim")
            self.leave()
        elif text:
            self._answer(text.removeprefix("/") if text.startswith("//") else text)

    def _answer(self, text: str) -> None:
        stream(self.session, text)
        print("\n", flush=True)
        for note in self.session.notes:
            ui.note(note)

    def _command(self, typed: list[str]) -> None:
        name, arguments = (typed[0] if typed else ""), typed[1:]
        command = find_command(name)
        if command is None:
            ui.say(f"unknown command /{printable(name)}")
            ui.say("/help lists the commands; // begins a message with a slash")
            return
        command.run(self, arguments)


def line_editor(history: "ChatHistory", on_clear: Callable[[], None]) -> "PromptSession[str]":
    """Return a line editor with history, completion of /commands and Ctrl-J for a new line.

    Ctrl-C on a line that is not empty clears it and calls ``on_clear``.
    """
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import WordCompleter
    from prompt_toolkit.formatted_text import FormattedText

    names = [f"/{name}" for command in all_commands() for name in (command.name, *command.aliases)]
    return PromptSession(
        message=FormattedText([("bold", "> ")]),
        placeholder=FormattedText([("fg:ansibrightblack", "Send a message (/? for help)")]),
        prompt_continuation=FormattedText([("fg:ansibrightblack", ". ")]),
        history=history,
        key_bindings=_key_bindings(on_clear),
        completer=WordCompleter(names, sentence=True),
        complete_while_typing=False,
        enable_open_in_editor=True,
    )


def _key_bindings(on_clear: Callable[[], None]) -> "KeyBindings":
    from prompt_toolkit.application import get_app
    from prompt_toolkit.enums import DEFAULT_BUFFER
    from prompt_toolkit.filters import Condition, has_focus
    from prompt_toolkit.key_binding import KeyBindings

    keys = KeyBindings()

    @keys.add("c-j")
    def _(event: "KeyPressEvent") -> None:
        event.current_buffer.newline()

    written = has_focus(DEFAULT_BUFFER) & Condition(lambda: bool(get_app().current_buffer.text))

    @keys.add("c-c", filter=written)
    @keys.add("<sigint>", filter=written)
    def _(event: "KeyPressEvent") -> None:
        event.current_buffer.reset()
        on_clear()

    return keys


def _history() -> "ChatHistory":
    import platformdirs

    from nanogpt_cli.cli.history import ChatHistory

    return ChatHistory(Path(platformdirs.user_state_dir("nanogpt")) / "chat_history")
