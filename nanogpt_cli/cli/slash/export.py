"""``/export``."""

from pathlib import Path

from nanogpt_cli.cli import saved_chats, ui
from nanogpt_cli.cli.slash.base import Chat, SlashCommand
from nanogpt_cli.inference.conversation import SUFFIX, write_markdown
from nanogpt_cli.text import printable


def run(chat: Chat, arguments: list[str]) -> None:
    """Write the conversation as Markdown, or as JSON lines where the name ends in .jsonl."""
    session = chat.session
    if not arguments:
        ui.say("usage: /export FILE.md, or /export FILE.jsonl")
        return
    if not session.transcript:
        ui.say("there is nothing to export yet")
        return
    path = Path(" ".join(arguments)).expanduser()
    if path.suffix == SUFFIX:
        saved_chats.save(session, path)
    else:
        path = path if path.suffix else path.with_name(f"{path.name}.md")
        write_markdown(path, saved_chats.conversation_of(session))
    ui.say(f"written: {printable(path)}")


COMMAND = SlashCommand("export", "/export FILE", "write it as Markdown", run)
