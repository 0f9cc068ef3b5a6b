"""``/undo``."""

from nanogpt_cli.cli import ui
from nanogpt_cli.cli.slash.base import Chat, SlashCommand
from nanogpt_cli.text import printable, shortened


def run(chat: Chat, arguments: list[str]) -> None:
    """Remove the last message and its reply."""
    message = chat.session.undo()
    if message is None:
        ui.say("there is nothing to undo")
    else:
        ui.say(f"removed: {shortened(printable(message), 60)}")


COMMAND = SlashCommand("undo", "/undo", "remove the last message and its reply", run)
