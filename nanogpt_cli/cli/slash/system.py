"""``/system``."""

from nanogpt_cli.cli.slash.base import Chat, SlashCommand
from nanogpt_cli.cli.slash.front import show_or_set


def run(chat: Chat, arguments: list[str]) -> None:
    """Show or set what the conversation is about."""
    show_or_set(chat, "context", arguments)


COMMAND = SlashCommand("system", "/system [TEXT|off]", "what the conversation is about", run)
