"""``/load``."""

from nanogpt_cli.cli import saved_chats, ui
from nanogpt_cli.cli.saved_chats import Keeper
from nanogpt_cli.cli.slash.base import Chat, SlashCommand
from nanogpt_cli.inference.conversation import load_conversation
from nanogpt_cli.text import counted, printable


def run(chat: Chat, arguments: list[str]) -> None:
    """Continue a saved conversation with this model, or list those that are kept."""
    if not arguments:
        _list()
        return
    path = saved_chats.find(" ".join(arguments))
    found = load_conversation(path)
    session = chat.session
    saved_chats.resume(session, found)
    if chat.keeper:
        chat.keeper = Keeper()  # the loaded one stays as it is
    chat.recall(found.turns)
    ui.say(f"loaded {counted(len(session.transcript), 'turn')} from {printable(path)}")


def _list() -> None:
    known = saved_chats.names()
    for name in known[-20:]:
        ui.say(f"  {printable(name)}")
    ui.say("usage: /load NAME, or /load FILE.jsonl" if known else "no conversation is kept yet")


def _complete(typed: str) -> list[str]:
    return [name for name in saved_chats.names() if name.startswith(typed)]


COMMAND = SlashCommand(
    "load", "/load [NAME|FILE]", "continue a saved conversation", run, complete=_complete
)
