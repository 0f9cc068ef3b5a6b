"""What exports of chats share: messages of some people become conversations with one of them.

Messages of ``--me`` are the bot's, all others the human's. A conversation is what was written on
one day. This module knows no format.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from nanogpt_cli.data.formats.base import Piece, Report, conversation
from nanogpt_cli.dialogue import Turn
from nanogpt_cli.errors import DataError
from nanogpt_cli.text import printable, shell_word

_SHOWN, _MOST = 8, 1000
"""Names that an error lists, and that are told apart."""


@dataclass(frozen=True)
class Message:
    """What somebody wrote on a day."""

    day: str
    name: str
    text: str


def conversations(
    messages: Iterable[Message], names: Counter[str], report: Report
) -> Iterator[Piece]:
    """Yield the messages of each day as a conversation; count in ``names`` who has written."""
    me = report.asked.me.strip().casefold()
    day, turns = "", list[Turn]()
    for message in messages:
        if len(names) < _MOST or message.name in names:
            names[message.name] += 1
        if message.day != day:
            yield from conversation(turns)
            day, turns = message.day, []
        mine = message.name.strip().casefold() == me
        turns.append(Turn("bot" if mine else "human", message.text))
    yield from conversation(turns)


def check_me(names: Counter[str], place: str, report: Report) -> None:
    """Raise DataError, naming who has written, where ``me`` was not said or has not."""
    me = report.asked.me.strip().casefold()
    if names and not any(name.strip().casefold() == me for name in names):
        listed = ", ".join(printable(name) for name, _ in names.most_common(_SHOWN))
        problem = f"nobody in it is called {report.asked.me}" if me else "it is a chat of several"
        raise DataError(
            f"{place}: {problem}: {listed}",
            "say whose messages the model learns to write: --me "
            + shell_word(names.most_common(1)[0][0]),
        )
