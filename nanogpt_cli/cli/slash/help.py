"""``/help``."""

from nanogpt_cli.cli import ui
from nanogpt_cli.cli.slash.base import Chat, SlashCommand, all_commands

_KEYS = (
    ("Ctrl-J", 'start a new line; so does Enter after """'),
    ("Ctrl-G", "write in $EDITOR"),
    ("Ctrl-R", "search what was typed before"),
    ("Tab", "complete a /command or its argument"),
    ("Ctrl-C", "stop a reply, or clear the line"),
    ("Ctrl-D", "leave"),
)
_NARROW = 60
"""Columns below which a meaning stands below what is typed."""


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
    out = ui.console()
    is_narrow = out.is_terminal and out.width < _NARROW
    for usage, text in rows:
        if is_narrow:
            ui.say(f"  {usage}")
            ui.say(f"      {text}", "dim")
        else:
            ui.say(f"  {usage:<{width}}  {text}")


COMMAND = SlashCommand("help", "/help", "list the commands", run, aliases=("?",))
