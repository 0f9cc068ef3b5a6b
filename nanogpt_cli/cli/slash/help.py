"""``/help``."""

from nanogpt_cli.cli import ui
from nanogpt_cli.cli.slash.base import Chat, SlashCommand, all_commands

_KEYS = (
    ("Ctrl-J", "start a new line"),
    ("Ctrl-C", "stop a reply, or clear the line"),
    ("Ctrl-D", "leave"),
)


def run(chat: Chat, arguments: list[str]) -> None:
    """List the commands and the keys."""
    rows = [
        *(
            (", ".join([command.usage, *(f"/{alias}" for alias in command.aliases)]), command.help)
            for command in all_commands()
        ),
        *_KEYS,
    ]
    width = max(len(usage) for usage, _ in rows)
    for usage, text in rows:
        ui.say(f"  {usage:<{width}}  {text}")


COMMAND = SlashCommand("help", "/help", "list the commands", run, aliases=("?",))
