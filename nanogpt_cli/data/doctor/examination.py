"""What is looked at while a text is read: characters, turns, and a sample of its documents.

Memory does not grow with the text. This module knows neither tokenizers nor what is said of it.
"""

from collections import Counter

from nanogpt_cli.data.doctor.characters import Characters
from nanogpt_cli.data.doctor.near import HEAD, Sample
from nanogpt_cli.dialogue import Turn

_STEP, _MOST = 64, 1024


class TurnLengths:
    """How many turns have how many bytes, in steps of 64."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def add(self, size: int) -> None:
        """Count a turn."""
        self._counts[min(size // _STEP, _MOST)] += 1

    def longer_than(self, size: float) -> int:
        """Return how many turns have more bytes, of those in a step all or none."""
        return sum(n for step, n in self._counts.items() if step * _STEP >= size)


class Examination:
    """What was found in the documents so far."""

    def __init__(self) -> None:
        self.characters = Characters()
        self.turn_lengths = TurnLengths()
        self.sample = Sample()
        self.without_reply = 0
        """Conversations in which the bot says nothing."""
        self._documents = 0
        self._head, self._length = bytearray(), 0
        self._roles: set[str] = set()

    def add(self, piece: str | Turn, data: bytes) -> None:
        """Look at a piece, of which ``data`` is the text in UTF-8."""
        if isinstance(piece, Turn):
            self.characters.add(piece.text, data, in_turn=True)
            self.turn_lengths.add(len(data))
            self._roles.add(piece.role)
        else:
            self.characters.add(piece, data, in_turn=False)
        if len(self._head) < HEAD:
            self._head += data[: HEAD - len(self._head)]
        self._length += len(data)

    def end(self, draw: float, kept: bool = True) -> None:
        """End a document with this number in [0, 1), unless it is not ``kept``."""
        self.characters.end()
        if kept:
            self.without_reply += bool(self._roles) and "bot" not in self._roles
            if self.sample.wants(draw):
                self.sample.add(draw, self._documents, bytes(self._head), self._length)
            self._documents += 1
        self._head, self._length, self._roles = bytearray(), 0, set()
