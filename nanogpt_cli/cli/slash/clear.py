"""``/clear``."""

from nanogpt_cli.cli import ui
from nanogpt_cli.cli.slash.base import Chat, SlashCommand


def run(chat: Chat, arguments: list[str]) -> None:
    """Forget the conversation."""
    chat.session.clear()
    ui.say("conversation cleared")


COMMAND = SlashCommand("clear", "/clear", "forget the conversation", run)
