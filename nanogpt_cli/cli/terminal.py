"""The conversation in a terminal: a line editor, streamed replies and /commands."""

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from nanogpt_cli.cli import ui
from nanogpt_cli.cli.slash.base import all_commands, find_command
from nanogpt_cli.text import printable, without_controls

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

    from nanogpt_cli.cli.history import ChatHistory
    from nanogpt_cli.inference.session import Session
    from nanogpt_cli.inference.text_stream import Reply


def stream(session: "Session", text: str, show: bool = True) -> "Reply":
    """Print the reply to ``text`` as it is generated; Ctrl-C ends it at any point."""
    pieces = session.reply(text)
    interrupted = False
    try:
        for piece in pieces:
            if show:
                sys.stdout.write(without_controls(piece))
                sys.stdout.flush()
    except KeyboardInterrupt:
        interrupted = True
        pieces.close()
    assert session.last is not None
    if interrupted:
        session.last.stop_reason = "interrupted"
    return session.last


class Terminal:
    """A conversation that a user types."""

    def __init__(self, session: "Session") -> None:
        self.session = session
        self._leaving = False
        self._interrupts = 0
        """Ctrl-C typed on an empty line, one after the other."""
        self._history_noted = False

    def leave(self) -> None:
        """End the conversation before the next prompt."""
        self._leaving = True

    def run(self) -> int:
        """Talk until the user leaves, and return the exit code."""
        # a parent that ignores Ctrl-C hands that down, and then a reply could not be stopped
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self._greet()
        history = _history()
        editor = line_editor(history, on_clear=self._forget_interrupts)
        while not self._leaving:
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
        size = f"{loaded.model.parameter_count() / 1e6:.1f} M parameters"
        ui.say(f"{printable(loaded.path)} ({size}) {does}.", style="dim")
        ui.say("/? for help, Ctrl-D leaves.", style="dim")

    def _note_problem(self, history: "ChatHistory") -> None:
        """Say once why what is typed is not kept."""
        if history.problem and not self._history_noted:
            self._history_noted = True
            ui.note(f"the chat history is not saved: {history.problem}")

    def _forget_interrupts(self) -> None:
        self._interrupts = 0

    def enter(self, text: str) -> None:
        """Take a line of input: run a /command, or print the reply to a message.

        Two slashes begin a message that starts with one.
        """
        text = text.strip()
        if text.startswith("/") and not text.startswith("//"):
            self._command(text[1:].split())
        elif text:
            self._answer(text.removeprefix("/") if text.startswith("//") else text)

    def _answer(self, text: str) -> None:
        reply = stream(self.session, text)
        print(" [stopped]\n" if reply.stop_reason == "interrupted" else "\n", flush=True)
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
