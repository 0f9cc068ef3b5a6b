"""From tokens as they come to text that can be shown. Nothing here knows a model."""

import codecs
from collections.abc import Sequence, Set
from dataclasses import dataclass, field

from nanogpt_cli.tokenizer.load import Tokenizer


class TextStream:
    """Turns tokens into text as they come, and finds the end of the reply.

    An incomplete UTF-8 character waits for its other bytes, and what may be the beginning of a stop
    string waits until it is clear.
    """

    def __init__(
        self, tokenizer: Tokenizer, stop_ids: Set[int], stop_strings: Sequence[str] = ()
    ) -> None:
        self._tokenizer, self._stop_ids, self._stop_strings = tokenizer, stop_ids, stop_strings
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        self._first_characters = {s[:1] for s in stop_strings}
        self._pending = ""
        self.stopped = False

    def push(self, token: int) -> str:
        """Take one token; return the text that can be shown now."""
        if token in self._stop_ids:
            return self.finish(stopped=True)
        self._pending += self._utf8.decode(self._tokenizer.token_bytes(token))
        if not any(first in self._pending for first in self._first_characters):
            return self._release(len(self._pending))
        ends = [at for s in self._stop_strings if (at := self._pending.find(s)) >= 0]
        if ends:
            self._pending = self._pending[: min(ends)]
            return self.finish(stopped=True)
        held = max((_overlap(self._pending, s) for s in self._stop_strings), default=0)
        return self._release(len(self._pending) - held)

    def finish(self, stopped: bool = False) -> str:
        """End the text; return what was held back."""
        self.stopped = stopped
        if not stopped:
            self._pending += self._utf8.decode(b"", final=True)
        return self._release(len(self._pending))

    def _release(self, count: int) -> str:
        text, self._pending = self._pending[:count], self._pending[count:]
        return text


def _overlap(text: str, stop: str) -> int:
    """Return how many characters at the end of ``text`` begin ``stop``."""
    longest = min(len(text), len(stop) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(stop[:n])), 0)


class Stripper:
    """Drops white space before and after a text that comes in pieces."""

    def __init__(self) -> None:
        self._begun, self._held = False, ""

    def push(self, piece: str) -> str:
        """Take a piece; return what can be shown now."""
        held = self._held + piece
        text = held.rstrip() if self._begun else held.strip()
        if not text:
            self._held = held if self._begun else ""
            return ""
        self._begun, self._held = True, held[len(held.rstrip()) :]
        return text


@dataclass
class Reply:
    """A reply so far."""

    text: str = ""
    tokens: int = 0
    seconds: float = 0.0
    stop_reason: str = "length"
    """``stop`` at an end tag, ``length`` at max_tokens, ``interrupted`` by the user."""
    first_token_seconds: float | None = None
    """Until the first token was drawn: the reading of the prompt, for the most part."""
    prompt: list[int] = field(default_factory=list, repr=False)
    """What the model read before it."""
    ids: list[int] = field(default_factory=list, repr=False)
    """Every token that was drawn, the one that ended the reply included."""

    @property
    def tokens_per_sec(self) -> float | None:
        """Tokens per second, reading of the prompt included."""
        return self.tokens / self.seconds if self.seconds > 0 else None
