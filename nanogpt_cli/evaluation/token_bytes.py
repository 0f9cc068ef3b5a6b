"""Tokens as the bytes of their text, many at a time: for what reads text rather than tokens.

This module knows neither files nor models.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from nanogpt_cli.data.store import Tokens
from nanogpt_cli.tokenizer.load import Tokenizer

Bytes = npt.NDArray[np.uint8]

CHUNK = 1 << 20
"""Tokens that are worked on at a time."""
_FIRST, _LAST = 0xF8, 0xFF
"""UTF-8 has none of these bytes, so they can stand for special tokens."""


def special_codes(number: int) -> bytes:
    """Return the bytes of the special token ``number``: one for the first seven, else three.

    No two have the same, and UTF-8 text has none of them.
    """
    if number < _LAST - _FIRST:
        return bytes([_FIRST + number])
    return bytes([_LAST, 0x80 + (number >> 7) % 0x80, 0x80 + number % 0x80])


class TokenBytes:
    """The bytes of each token of a vocabulary.

    ``special`` returns what stands for the special token number 0, 1, 2, ... in the order of ids.
    """

    def __init__(
        self, tokenizer: Tokenizer, vocab_size: int, special: Callable[[int], bytes] = special_codes
    ) -> None:
        numbers = {id: i for i, id in enumerate(sorted(tokenizer.special_tokens.values()))}
        pieces = [
            special(numbers[token]) if token in numbers else tokenizer.token_bytes(token)
            for token in range(max(vocab_size, tokenizer.vocab_size))
        ]
        self._lengths = np.array([len(piece) for piece in pieces], dtype=np.int64)  # V
        self._starts = np.cumsum(self._lengths) - self._lengths  # V
        self._flat = np.frombuffer(b"".join(pieces), dtype=np.uint8)

    def lengths(self, tokens: Tokens) -> npt.NDArray[np.int64]:
        """Return the number of bytes of each token (N,)."""
        return self._lengths[tokens]

    def size(self, tokens: Tokens) -> int:
        """Return the number of bytes of all tokens together."""
        chunks = range(0, len(tokens), CHUNK)
        return sum(int(self._lengths[tokens[at : at + CHUNK]].sum()) for at in chunks)

    def render(self, tokens: Tokens, out: Bytes | None = None) -> Bytes:
        """Return the bytes of all tokens, written to the start of ``out`` where that is given."""
        if out is None:
            out = np.empty(self.size(tokens), dtype=np.uint8)
        filled = 0
        for at in range(0, len(tokens), CHUNK):
            ids = tokens[at : at + CHUNK]
            lengths = self._lengths[ids]
            ends = np.cumsum(lengths)
            total = int(ends[-1])
            source = np.repeat(self._starts[ids] - (ends - lengths), lengths) + np.arange(total)
            out[filled : filled + total] = self._flat[source]
            filled += total
        return out[:filled]
