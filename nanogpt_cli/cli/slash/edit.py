"""``/edit``."""

from nanogpt_cli.cli import ui
from nanogpt_cli.cli.slash.base import Chat, SlashCommand


def run(chat: Chat, arguments: list[str]) -> None:
    """Change the last message, here or in the line that comes next, and send it again."""
    session = chat.session
    if (question := session.question) is None:
        ui.say("there is no message to change")
    elif arguments:
        session.undo()
        chat.answer(session.reply(" ".join(arguments)))
    else:
        chat.edit(question)


COMMAND = SlashCommand("edit", "/edit [TEXT]", "change the last message and send it again", run)
