"""One id per byte of UTF-8: 256 ids, and nothing to learn."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from nanogpt_cli.text import utf8
from nanogpt_cli.tokenizer.base import TokenizerKind, Vocabulary

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class ByteTokenizer(Vocabulary):
    """One id per byte of UTF-8."""

    def __init__(self, special_tokens: Mapping[str, int] | None = None) -> None:
        super().__init__("byte", [bytes([i]) for i in range(256)], special_tokens or {})

    def encode(self, text: str) -> list[int]:
        """Return the bytes."""
        return list(utf8(text))

    def encode_array(self, text: str) -> "npt.NDArray[np.uint8]":
        """Return the bytes as an array."""
        import numpy as np

        return np.frombuffer(utf8(text), np.uint8)

    def to_dict(self) -> dict[str, Any]:
        """Return the special tokens, the only thing that can differ."""
        return {"kind": "byte", "special_tokens": self.special_tokens}

    def replace_special(self, special_tokens: Mapping[str, int]) -> Self:
        """Keep the bytes."""
        return type(self)(special_tokens)


def _rebuild(content: Mapping[str, Any], special: Mapping[str, int]) -> ByteTokenizer:
    return ByteTokenizer(special)


BYTE = TokenizerKind(make=ByteTokenizer, rebuild=_rebuild)
