"""The line in which a message is typed: history, completion, several lines, an editor.

Knows prompt_toolkit, but neither a model nor what is done with a message.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nanogpt_cli.cli.slash.base import all_commands, find_command

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

    from nanogpt_cli.cli.history import ChatHistory

QUOTES = '"""'
"""What stands before and after a message of several lines."""


def is_open(text: str) -> bool:
    """Whether a message begins with quotes that are not closed yet."""
    text = text.strip()
    return text.startswith(QUOTES) and (len(text) < 2 * len(QUOTES) or not text.endswith(QUOTES))


def unquoted(text: str) -> str:
    """Return a message without the quotes around it."""
    if text.startswith(QUOTES) and not is_open(text):
        return text[len(QUOTES) : -len(QUOTES)].strip()
    return text


def complete(text: str) -> Iterable[tuple[str, int]]:
    """Yield what may stand in the place of the last word of ``text``, and where it begins.

    A place is 0 or less, counted from the end. Only /commands are completed.
    """
    if not text.startswith("/") or text.startswith("//"):
        return
    name, space, argument = text[1:].partition(" ")
    if not space:
        for command in all_commands():
            for known in (command.name, *command.aliases):
                if known.startswith(name):
                    yield f"/{known}", -len(text)
        return
    found = find_command(name)
    for known in () if found is None else found.complete(argument):
        yield known, -len(argument)


@contextmanager
def typing_ahead() -> Iterator[None]:
    """Keep what is typed while no line is read for the next one, Enter as Enter, unseen.

    A terminal else shows it in the middle of a reply, and turns Enter into Ctrl-J.
    """
    if sys.platform == "win32" or not sys.stdin.isatty():
        yield
        return
    import termios

    stdin = sys.stdin.fileno()
    before = termios.tcgetattr(stdin)
    inputs, outputs, control, local, *rest = termios.tcgetattr(stdin)
    inputs, local = inputs & ~termios.ICRNL, local & ~termios.ECHO
    termios.tcsetattr(stdin, termios.TCSANOW, [inputs, outputs, control, local, *rest])
    try:
        yield
    finally:
        with suppress(termios.error):  # it is gone
            termios.tcsetattr(stdin, termios.TCSANOW, before)


def line_editor(
    history: "ChatHistory",
    on_clear: Callable[[], None],
    status: Callable[[], str] = lambda: "",
) -> "PromptSession[str]":
    """Return a line editor with history, completion and a bottom line that shows ``status``.

    Ctrl-J starts a new line, and so does Enter inside of quotes. Ctrl-C on a line that is not empty
    clears it and calls ``on_clear``.
    """
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import Completer, Completion
    from prompt_toolkit.formatted_text import FormattedText
    from prompt_toolkit.styles import Style

    class Commands(Completer):
        def get_completions(self, document: Any, complete_event: Any) -> Iterable[Completion]:
            for text, start in complete(document.text_before_cursor):
                yield Completion(text, start)

    return PromptSession(
        message=FormattedText([("bold", "> ")]),
        placeholder=FormattedText([("fg:ansibrightblack", "Send a message (/? for help)")]),
        prompt_continuation=FormattedText([("fg:ansibrightblack", ". ")]),
        history=history,
        key_bindings=_key_bindings(on_clear),
        completer=Commands(),
        complete_while_typing=False,
        enable_open_in_editor=True,
        tempfile_suffix=".txt",
        bottom_toolbar=lambda: FormattedText([("", status())]),
        style=Style([("bottom-toolbar", "noreverse fg:ansibrightblack")]),
        reserve_space_for_menu=4,
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

    @keys.add("c-g", filter=has_focus(DEFAULT_BUFFER))
    def _(event: "KeyPressEvent") -> None:
        event.current_buffer.open_in_editor()

    written = has_focus(DEFAULT_BUFFER) & Condition(lambda: bool(get_app().current_buffer.text))
    quoting = has_focus(DEFAULT_BUFFER) & Condition(lambda: is_open(get_app().current_buffer.text))

    @keys.add("enter", filter=quoting)
    def _(event: "KeyPressEvent") -> None:
        event.current_buffer.newline()

    @keys.add("c-c", filter=written)
    @keys.add("<sigint>", filter=written)
    def _(event: "KeyPressEvent") -> None:
        event.current_buffer.reset()
        on_clear()

    return keys


def chat_history() -> "ChatHistory":
    """Return what was typed in chats before, from the user's state folder."""
    import platformdirs

    from nanogpt_cli.cli.history import ChatHistory

    return ChatHistory(Path(platformdirs.user_state_dir("nanogpt")) / "chat_history")
