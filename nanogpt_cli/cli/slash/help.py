"""``/help``."""

from nanogpt_cli.cli import ui
from nanogpt_cli.cli.slash.base import Chat, SlashCommand, all_commands


def run(chat: Chat, arguments: list[str]) -> None:
    """List the commands."""
    rows = [
        (", ".join([command.usage, *(f"/{alias}" for alias in command.aliases)]), command.help)
        for command in all_commands()
    ]
    width = max(len(usage) for usage, _ in rows)
    for usage, text in rows:
        ui.say(f"  {usage:<{width}}  {text}")
    ui.say("Ctrl-J starts a new line. Ctrl-C stops a reply or clears the line.")
    ui.say("Ctrl-D leaves.")


COMMAND = SlashCommand("help", "/help", "list the commands", run, aliases=("?",))
