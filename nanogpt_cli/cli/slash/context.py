"""``/context``."""

from nanogpt_cli.cli import ui
from nanogpt_cli.cli.slash.base import Chat, SlashCommand
from nanogpt_cli.text import counted

_BAR = 30


def run(chat: Chat, arguments: list[str]) -> None:
    """Show how much of the model's context the conversation takes."""
    use = chat.session.context()
    filled = round(_BAR * use.used / use.limit)
    ui.say(f"  [{'#' * filled}{'.' * (_BAR - filled)}] {use.used} of {use.limit} tokens")
    if use.room:
        ui.say(f"  {use.room} of them are left free for an answer")
    if use.forgotten_turns:
        ui.say(f"  {counted(use.forgotten_turns, 'turn')}, the oldest, no longer fit")


COMMAND = SlashCommand("context", "/context", "how much of the context is used", run)
