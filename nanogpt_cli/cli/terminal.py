"""The conversation in a terminal: what is typed becomes messages and /commands."""

import signal
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from nanogpt_cli.cli import ui
from nanogpt_cli.cli.background import Background
from nanogpt_cli.cli.chat_view import (
    bottom_line,
    describe,
    is_untrained,
    speed,
    stream,
    untrained_note,
)
from nanogpt_cli.cli.line_editor import chat_history, line_editor, typing_ahead, unquoted
from nanogpt_cli.cli.saved_chats import Keeper
from nanogpt_cli.cli.slash.base import find_command
from nanogpt_cli.cli.wrapping import terminal_width
from nanogpt_cli.dialogue import Turn
from nanogpt_cli.errors import NanoGPTError, UsageError
from nanogpt_cli.text import printable, without_controls

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession

    from nanogpt_cli.checkpoint.load import LoadedModel
    from nanogpt_cli.cli.history import ChatHistory
    from nanogpt_cli.inference.session import Session


LEAVING = ("exit", "quit")
"""What leaves without a slash too, as in other programs that have a prompt."""


def _no_other(name: str) -> "LoadedModel":
    raise UsageError(f"cannot open {name}", "this chat has one model")


class Terminal:
    """A conversation that a user types; its model may still be loading when it begins."""

    def __init__(
        self,
        session: "Session | Background[Session]",
        name: str = "",
        open_model: "Callable[[str], LoadedModel]" = _no_other,
        keeper: Keeper | None = None,
    ) -> None:
        self._loading: Background[Session] = (
            session if isinstance(session, Background) else Background.of(session)
        )
        self._name = name
        """What the model is called before it is loaded."""
        self.open_model = open_model
        """Loads another run by its name."""
        self.keeper = keeper
        """Saves the conversation after each reply; None where it is not kept."""
        self.is_leaving = False
        self._interrupts = 0
        """Ctrl-C typed on an empty line, one after the other."""
        self._problems: set[str] = set()
        """What was said to be not kept."""
        self._is_announced = False
        self._line = ""
        """What the next line begins with."""
        self._is_editing = False
        """Whether the next message takes the place of the newest one."""
        self._status: list[str] = []

    # --- what a /command can do -----------------------------------------------------------------

    @property
    def session(self) -> "Session":
        """The turns so far; waits for the model. Raises what its loading raised."""
        if not self._loading.is_over:
            with ui.working("loading the model"):
                self._loading.get()
        return self._loading.get()

    def use(self, session: "Session") -> None:
        """Continue with another session."""
        self._loading = Background.of(session)
        self._note_status()

    def leave(self) -> None:
        """End the conversation before the next prompt."""
        self.is_leaving = True

    def answer(self, pieces: Generator[str, None, None]) -> None:
        """Print a reply of the session as it comes, and what there is to say about it."""
        session = self.session
        stream(session, pieces)
        print("\n", flush=True)
        for note in session.notes:
            ui.note(note)
        if self.keeper:
            self.keeper.keep(session)

    def edit(self, text: str) -> None:
        """Put a message into the line, to take the place of the newest one when it is sent."""
        self._line, self._is_editing = text, True

    def recall(self, turns: Iterable[Turn]) -> None:
        """Print what was said before, as it looked then."""
        for turn in turns:
            shown = without_controls(turn.text)
            marked = turn.role if turn.role in ("context", "emotion") else ""
            is_mine = turn.role == "human"
            ui.say(
                f"{marked}: {shown}" if marked else f"> {shown}" if is_mine else f"{shown}\n",
                style=None if turn.role == "bot" else "dim",
            )

    # --- the loop -------------------------------------------------------------------------------

    def run(self) -> int:
        """Talk until the user leaves, and return the exit code."""
        # a parent that ignores Ctrl-C hands that down, and then a reply could not be stopped
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with typing_ahead():
            return self._talk()

    def _talk(self) -> int:
        ui.say(f"{printable(self._name)}: /? for help, Ctrl-D leaves.", style="dim")
        history = chat_history()
        editor = line_editor(history, on_clear=self._on_clear, status=self.status)
        while not self.is_leaving:
            self._note_problems(history)
            try:
                text = self._prompt(editor)
            except EOFError:
                break
            except KeyboardInterrupt:
                self._interrupts += 1
                if self._interrupts == 2:
                    return 130
                ui.say("(Ctrl-C again or Ctrl-D to leave)", style="dim")
                continue
            self._interrupts = 0
            self.enter(text)
        return 0

    def _prompt(self, editor: "PromptSession[str]") -> str:
        """Return a line; the model is loaded meanwhile, from when the prompt is there.

        Raises what its loading raises.
        """
        if self._loading.is_over:
            self._announce()
        line, self._line = self._line, ""
        app = editor.app

        def on_end() -> None:  # in the thread
            if app.is_running and app.loop:
                with suppress(RuntimeError):  # the line was entered meanwhile
                    app.loop.call_soon_threadsafe(self._loaded_while_typing, editor)

        def begin(_: object = None) -> None:
            self._loading.start(on_end)
            if self._loading.is_over:
                self._loaded_while_typing(editor)

        if self._is_announced:
            return editor.prompt(default=line)
        app.after_render += begin
        try:
            return editor.prompt(default=line)
        finally:
            app.after_render -= begin

    def _loaded_while_typing(self, editor: "PromptSession[str]") -> None:
        """Say above the line what was loaded, or end the prompt with what went wrong."""
        from prompt_toolkit.application import run_in_terminal

        if self._is_announced or not editor.app.is_running:
            return
        if error := self._loading.error:
            if not editor.app.is_done:
                editor.app.exit(exception=error)
        else:
            run_in_terminal(self._announce)

    def _announce(self) -> None:
        """Say once which model answers. Raises what its loading raised."""
        loaded = self._loading.get().loaded
        if self._is_announced:
            return
        self._is_announced = True
        self._note_status()
        does = "answers you" if loaded.chat_format else "continues your text"
        ui.say(f"{printable(loaded.path)} ({describe(loaded)}) {does}.", style="dim")
        if is_untrained(loaded):
            ui.note(untrained_note(loaded))

    def _note_problems(self, history: "ChatHistory") -> None:
        """Say once why what is typed, or what is said, is not kept."""
        kept = self.keeper.problem if self.keeper else None
        for what, problem in (
            ("the chat history", history.problem), ("the conversation", kept and kept.message)
        ):  # fmt: skip
            if problem and what not in self._problems:
                self._problems.add(what)
                ui.note(f"{what} is not saved: {problem}")

    def _on_clear(self) -> None:
        self._interrupts = 0
        self._is_editing = False

    def enter(self, text: str) -> None:
        """Take a line of input: run a /command, leave, or print the reply to a message.

        Two slashes begin a message that starts with one.
        """
        text = text.strip()
        is_edited, self._is_editing = self._is_editing, False
        try:
            if text.startswith("/") and not text.startswith("//"):
                self._command(text[1:])
            elif text in LEAVING:
                ui.say(f"left the chat: {text} does that, as /bye and Ctrl-D do", style="dim")
                self.leave()
            elif message := unquoted(text.removeprefix("/") if text.startswith("//") else text):
                session = self.session
                self._announce()
                if is_edited:
                    session.undo()
                self.answer(session.reply(message))
        except KeyboardInterrupt:  # outside of a reply: while the model loads, or in a command
            self._line = "" if self._loading.is_over else text
            ui.say("[stopped]", style="dim")
        finally:
            self._note_status()

    def _command(self, typed: str) -> None:
        name, _, rest = typed.partition(" ")
        command = find_command(name)
        if command is None:
            ui.say(f"unknown command /{printable(name)}")
            ui.say("/help lists the commands; // begins a message with a slash")
            return
        try:
            command.run(self, rest.split())
        except NanoGPTError as error:
            if self._loading.error is not None:
                raise
            ui.show_error(error)

    # --- the bottom line ------------------------------------------------------------------------

    def _note_status(self) -> None:
        """Keep what the bottom line shows, which is drawn at each key."""
        if not self._loading.is_over or self._loading.error is not None:
            return
        session = self._loading.get()
        path = session.loaded.path
        use = session.context()
        said = session.last or session.totals
        self._status = [
            printable(path.parent.name if path.suffix == ".pt" else path.name),
            f"context {use.used}/{use.limit}",
            speed(said.tokens_per_sec),
        ]

    def status(self) -> str:
        """Return the bottom line: the run, how much of its context is used, the last speed."""
        if not self._loading.is_over:
            return bottom_line(["loading the model", printable(self._name)], terminal_width())
        return bottom_line(self._status, terminal_width())
