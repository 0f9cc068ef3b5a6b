"""What a /command is, and how one is found by what was typed."""

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from nanogpt_cli.registry import SLASH_COMMANDS

if TYPE_CHECKING:
    from nanogpt_cli.checkpoint.load import LoadedModel
    from nanogpt_cli.cli.saved_chats import Keeper
    from nanogpt_cli.dialogue import Turn
    from nanogpt_cli.inference.session import Session


class Chat(Protocol):
    """The conversation in a terminal, as far as a /command needs it."""

    @property
    def session(self) -> "Session":
        """The turns so far, and how replies are sampled."""

    @property
    def open_model(self) -> "Callable[[str], LoadedModel]":
        """Loads another run by its name."""

    @property
    def keeper(self) -> "Keeper | None":
        """Saves the conversation after each reply; None where it is not kept."""

    @keeper.setter
    def keeper(self, keeper: "Keeper | None") -> None: ...

    def use(self, session: "Session") -> None:
        """Continue with another session."""

    def leave(self) -> None:
        """End the conversation."""

    def answer(self, pieces: Generator[str, None, None]) -> None:
        """Print a reply of the session as it comes."""

    def recall(self, turns: "Iterable[Turn]") -> None:
        """Print what was said before."""

    def edit(self, text: str) -> None:
        """Let the user change a message, which then takes the place of the newest one."""


def _nothing(typed: str) -> Iterable[str]:
    return ()


@dataclass(frozen=True)
class SlashCommand:
    """A command of the terminal chat, typed as ``/name`` and arguments."""

    name: str
    usage: str
    """How it is typed, arguments included."""
    help: str
    run: Callable[[Chat, list[str]], None]
    """Carries it out, given what was typed after its name; it prints with ``ui.say``.

    What it raises for users is shown, and the chat continues."""
    aliases: tuple[str, ...] = ()
    complete: Callable[[str], Iterable[str]] = _nothing
    """Returns what its arguments may be, given their beginning."""


def all_commands() -> list[SlashCommand]:
    """Return every command, in the order of registration."""
    return [SLASH_COMMANDS.get(name) for name in SLASH_COMMANDS]


def find_command(name: str) -> SlashCommand | None:
    """Return the command called ``name``, by its own name or an alias; None where there is none."""
    commands = (c for c in all_commands() if name == c.name or name in c.aliases)
    return next(commands, None)
