"""``/emotion``."""

from nanogpt_cli.cli.slash.base import Chat, SlashCommand
from nanogpt_cli.cli.slash.front import show_or_set


def run(chat: Chat, arguments: list[str]) -> None:
    """Show or set how the human feels."""
    show_or_set(chat, "emotion", arguments)


COMMAND = SlashCommand("emotion", "/emotion [NAME|off]", "how you feel", run)
