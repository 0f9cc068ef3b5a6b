"""``/compare``."""

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

from nanogpt_cli.cli import complete, ui
from nanogpt_cli.cli.chat_view import speed
from nanogpt_cli.cli.slash.base import Chat, SlashCommand
from nanogpt_cli.errors import UsageError
from nanogpt_cli.text import printable, without_controls

if TYPE_CHECKING:
    from nanogpt_cli.inference.session import Session
    from nanogpt_cli.inference.text_stream import Reply

_NARROW = 60
"""Columns below which replies stand one below the other."""


def run(chat: Chat, arguments: list[str]) -> None:
    """Show what two models reply to the same conversation, drawn with the same seed."""
    from nanogpt_cli.inference.session import Session

    if not arguments:
        ui.say("usage: /compare RUN [TEXT]")
        return
    session = chat.session
    turns, question = list(session.transcript), " ".join(arguments[1:])
    if not question:
        if session.question is None:
            raise UsageError("there is no message to compare", "write /compare RUN TEXT")
        question = session.question
        while turns.pop().role != "human":
            pass
    seed = session.config.seed
    config = replace(session.config, seed=secrets.randbelow(2**31) if seed is None else seed)
    with ui.working(f"loading {printable(arguments[0])}") as working:
        both = [session.loaded, chat.open_model(arguments[0])]
        replies = []
        for loaded in both:
            working(f"{printable(loaded.path)} writes")
            other = Session(loaded, config, stop=session.stop)
            other.resume(turns)
            replies.append((other, _reply(other, question)))
    _show(replies, config.seed)


def _reply(session: "Session", question: str) -> "Reply":
    for _ in session.reply(question):
        pass
    assert session.last is not None
    return session.last


def _show(replies: "list[tuple[Session, Reply]]", seed: int | None) -> None:
    """Print the replies side by side, or one below the other on a narrow terminal."""
    from rich.table import Table
    from rich.text import Text

    out = ui.console()
    heads = [printable(session.loaded.path) for session, _ in replies]
    texts = [without_controls(reply.text) for _, reply in replies]
    facts = [
        ", ".join(filter(None, [f"{reply.tokens} tokens", speed(reply.tokens_per_sec)]))
        for _, reply in replies
    ]
    if out.width < _NARROW:
        for head, text, fact in zip(heads, texts, facts, strict=True):
            for line, style in ((head, "bold"), (text, ""), (f"{fact}\n", "dim")):
                ui.say(line, style)
    else:
        table = Table.grid(padding=(0, 2), expand=True)
        for _ in replies:
            table.add_column(ratio=1, overflow="fold")
        for row, style in ((heads, "bold"), (texts, ""), (facts, "dim")):
            table.add_row(*(Text(cell, style) for cell in row))
        out.print(table, soft_wrap=False)
    ui.say(f"both with seed {seed}", "dim")


COMMAND = SlashCommand(
    "compare", "/compare RUN [TEXT]", "what another run replies", run, complete=complete.runs
)
