"""Which tokenizer suits a text, by its size. This module knows tokenizers by name alone."""

AUTO = "auto"
"""What ``--tokenizer`` is called where the text decides."""

_UP_TO = (
    (256_000, "char"),
    (512_000, "bpe:512"),
    (2_000_000, "bpe:1024"),
    (12_000_000, "bpe:2048"),
    (50_000_000, "bpe:4096"),
    (500_000_000, "bpe:8192"),
)
"""Bytes of text, and what suits a text of up to so many."""
_BEYOND = "gpt2"

_FEW_CHARACTERS = 256
"""Different characters beyond which a small text has too few of each: Chinese, for example."""


def suited_tokenizer(size: int, characters: int = 0) -> str:
    """Name what suits ``size`` bytes of text with so many different ``characters``.

    A larger vocabulary makes the text shorter, but each of its tokens must occur often enough to be
    learned.
    """
    name = next((name for most, name in _UP_TO if size <= most), _BEYOND)
    return _UP_TO[1][1] if name == "char" and characters > _FEW_CHARACTERS else name
