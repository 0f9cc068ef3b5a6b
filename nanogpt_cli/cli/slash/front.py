"""What stands in front of a conversation, as ``/system`` and ``/emotion`` show and set it."""

from nanogpt_cli.cli import ui
from nanogpt_cli.cli.slash.base import Chat
from nanogpt_cli.dialogue import Role
from nanogpt_cli.text import printable, valid_text


def show_or_set(chat: Chat, role: Role, arguments: list[str]) -> None:
    """Show, set or remove it; ``off`` removes. Raises UsageError where the model knows none."""
    session = chat.session
    if arguments:
        text = valid_text(" ".join(arguments))
        session.set_front(role, None if text == "off" else text)
    said = session.front(role)
    ui.say(f"  {role}: {printable(said) if said else 'none'}")
