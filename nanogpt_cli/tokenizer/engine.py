"""Byte pair encoding of much text by gigatoken, which is some twenty times faster than tiktoken.

It is young, so what it returns is checked: the bytes of all ids, and a sample of every piece of
text against tiktoken. This module knows neither files of users nor special tokens.
"""

import base64
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nanogpt_cli.errors import raise_unrelated
from nanogpt_cli.tokenizer.patterns import PATTERNS

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Ids = npt.NDArray[np.uint32]

_SCHEMES = {
    PATTERNS["gpt2"]: "gpt2",
    PATTERNS["rustbpe"]: "gpt4",
    PATTERNS["cl100k_base"]: "gpt4",
    PATTERNS["o200k_base"]: "o200k",
}
"""What gigatoken calls the patterns that it knows."""

_RENEWED = 2**26
"""Bytes of text after which it is made anew, because it keeps each word that it has seen."""

_SAMPLE = 2**12
"""Characters of each piece of text that tiktoken encodes too."""


class EnginesDiffer(Exception):  # noqa: N818  # it is not an error of anything that users gave
    """gigatoken returned other ids than tiktoken; ``fall_back`` makes the tokenizer use that."""

    def __init__(self, fall_back: Callable[[], None]) -> None:
        super().__init__("gigatoken and tiktoken return different ids")
        self.fall_back = fall_back


class FastEngine:
    """gigatoken for the tokens of one vocabulary, in the order of their ranks."""

    def __init__(self, tokens: Sequence[bytes], pattern: str) -> None:
        """Make it. Raises ValueError where gigatoken does not know the pattern."""
        import numpy as np

        if pattern not in _SCHEMES:
            raise ValueError("gigatoken does not know this pattern")
        self._scheme = _SCHEMES[pattern]
        self._ranks = b"".join(base64.b64encode(t) + b" %d\n" % i for i, t in enumerate(tokens))
        self._lengths = np.array([len(token) for token in tokens], np.uint32)
        self._engine = self._make()
        self._seen = self._pieces = 0

    def _make(self) -> Any:
        from gigatoken.gigatoken_rs import BPETokenizer

        with tempfile.TemporaryDirectory(prefix="nanogpt-") as folder:
            path = Path(folder, "ranks")
            path.write_bytes(self._ranks)
            return BPETokenizer.from_tiktoken(str(path), self._scheme, None)

    def encode(self, text: str, reference: Callable[[str], "Ids"]) -> "Ids | None":
        """Return the ranks of a text (N,); None where they are not ``reference``'s."""
        data = text.encode()
        if self._seen > _RENEWED:
            self._engine, self._seen = self._make(), 0
        self._seen += len(data)
        ranks: Ids = self._engine.encode(data)
        if int(self._lengths[ranks].sum(dtype="u8")) != len(data):
            return None
        self._pieces += 1
        start = self._pieces * 7919 * _SAMPLE % max(1, len(text) - _SAMPLE)
        sample = text[start : start + _SAMPLE]
        found, expected = self._engine.encode(sample.encode()), reference(sample)
        same = len(found) == len(expected) and bool((found == expected).all())
        return ranks if same else None

    def encode_many(
        self, texts: Sequence[str], reference: Callable[[str], "Ids"]
    ) -> "list[Ids] | None":
        """Return the ranks of each of several short texts; None where they are not ``reference``'s.

        Together they are checked as one piece of text is.
        """
        import numpy as np

        datas = [text.encode() for text in texts]
        size = sum(map(len, datas))
        if self._seen > _RENEWED:
            self._engine, self._seen = self._make(), 0
        self._seen += size
        encode = self._engine.encode
        ranks: list[Ids] = [encode(data) for data in datas]
        if not ranks:
            return ranks
        if int(self._lengths[np.concatenate(ranks)].sum(dtype="u8")) != size:
            return None
        self._pieces += 1
        at, left = self._pieces * 7919 % len(texts), _SAMPLE
        while left > 0 and at < len(texts):
            expected = reference(texts[at])
            if len(ranks[at]) != len(expected) or bool((ranks[at] != expected).any()):
                return None
            left -= len(texts[at]) + 1
            at += 1
        return ranks


def fast_engine(tokens: Sequence[bytes], pattern: str) -> FastEngine | None:
    """Return gigatoken for a vocabulary; None where it is not installed or cannot run it."""
    try:
        return FastEngine(tokens, pattern)
    except Exception as error:  # it has no exceptions of its own
        raise_unrelated(error)
        return None
