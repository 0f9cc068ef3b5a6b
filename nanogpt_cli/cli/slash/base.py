"""What a /command is, and how one is found by what was typed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from nanogpt_cli.registry import SLASH_COMMANDS

if TYPE_CHECKING:
    from nanogpt_cli.inference.session import Session


class Chat(Protocol):
    """The conversation in a terminal, as far as a /command needs it."""

    @property
    def session(self) -> "Session":
        """The turns so far, and how replies are sampled."""

    def leave(self) -> None:
        """End the conversation."""


@dataclass(frozen=True)
class SlashCommand:
    """A command of the terminal chat, typed as ``/name`` and arguments."""

    name: str
    usage: str
    """How it is typed, arguments included."""
    help: str
    run: Callable[[Chat, list[str]], None]
    """Carries it out, given what was typed after its name; it prints with ``ui.say``."""
    aliases: tuple[str, ...] = ()


def all_commands() -> list[SlashCommand]:
    """Return every command, in the order of registration."""
    return [SLASH_COMMANDS.get(name) for name in SLASH_COMMANDS]


def find_command(name: str) -> SlashCommand | None:
    """Return the command called ``name``, by its own name or an alias; None where there is none."""
    commands = (c for c in all_commands() if name == c.name or name in c.aliases)
    return next(commands, None)
