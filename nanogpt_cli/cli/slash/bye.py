"""``/bye``."""

from nanogpt_cli.cli.slash.base import Chat, SlashCommand


def run(chat: Chat, arguments: list[str]) -> None:
    """Leave."""
    chat.leave()


COMMAND = SlashCommand("bye", "/bye", "leave", run, aliases=("exit", "quit"))
