"""``/retry``."""

from nanogpt_cli.cli.slash.base import Chat, SlashCommand


def run(chat: Chat, arguments: list[str]) -> None:
    """Replace the last reply by another one."""
    chat.answer(chat.session.retry())


COMMAND = SlashCommand("retry", "/retry", "another reply to the last message", run, ("again",))
