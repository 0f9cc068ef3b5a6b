"""``/save``."""

from nanogpt_cli.cli import saved_chats, ui
from nanogpt_cli.cli.slash.base import Chat, SlashCommand
from nanogpt_cli.text import counted, printable


def run(chat: Chat, arguments: list[str]) -> None:
    """Save the conversation under a name or in a file, or say where it is kept anyway."""
    session = chat.session
    if not session.transcript:
        ui.say("there is nothing to save yet")
    elif arguments:
        path = saved_chats.place(" ".join(arguments))
        saved_chats.save(session, path)
        ui.say(f"saved {counted(len(session.transcript), 'turn')} in {printable(path)}")
    elif chat.keeper and chat.keeper.problem is None:
        ui.say(f"it is kept in {printable(chat.keeper.path)}")
    else:
        ui.say("usage: /save NAME, or /save FILE.jsonl")


COMMAND = SlashCommand("save", "/save [NAME|FILE]", "save the conversation", run)
