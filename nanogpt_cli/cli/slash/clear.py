"""``/clear``."""

from nanogpt_cli.cli import ui
from nanogpt_cli.cli.saved_chats import Keeper
from nanogpt_cli.cli.slash.base import Chat, SlashCommand


def run(chat: Chat, arguments: list[str]) -> None:
    """Forget the conversation; what was kept of it stays."""
    chat.session.clear()
    if chat.keeper:
        chat.keeper = Keeper()
    ui.say("conversation cleared")


COMMAND = SlashCommand("clear", "/clear", "start a new conversation", run, aliases=("new",))
