"""How byte pair encodings cut text into words before they merge: the patterns that are known.

A file may name no other pattern: an untrusted regular expression can hang the program. This module
knows neither tokenizers nor files.
"""

from collections.abc import Mapping

_WORDS = r"""'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+"""
_REST = r""" ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"""

PATTERNS: Mapping[str, str] = {
    "gpt2": r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s""",
    "rustbpe": rf"{_WORDS}|\p{{N}}{{1,3}}|{_REST}",
    "cl100k_base": (
        r"""'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+"""
        r"""| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"""
    ),
    "o200k_base": (
        r"""[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"""
        r"""|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"""
        r"""|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
    ),
    "digits": (  # GPT-2's after each digit was cut out, as SmolLM and StarCoder have it
        r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}++|\p{N}| ?[^\s\p{L}\p{N}]++"""
        r"""|\s++$|\s+(?=\p{N})|\s+(?!\S)|\s"""
    ),
    "qwen2": rf"{_WORDS}|\p{{N}}|{_REST}",
}
"""The patterns of checkpoints and datasets, by name."""

NAMED: Mapping[str, str] = {
    "gpt2": "gpt2",
    "cl100k_base": "cl100k_base",
    "o200k_base": "o200k_base",
    "llama3": "rustbpe",
    "qwen2": "qwen2",
}
"""What can be said of a file of ranks, which has no pattern: the name and the pattern's."""

_CONTRACTED = r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+"""
_SPACES = r""" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""

ONIGURUMA: Mapping[str, str] = {
    PATTERNS["gpt2"]: (r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"),
    PATTERNS["rustbpe"]: (
        r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
        r"|\s*[\r\n]|\s+(?!\S)|\s+"
    ),
    PATTERNS["cl100k_base"]: (
        r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
        r"|\s+\z|\s*[\r\n]|\s+(?!\S)|\s"
    ),
    PATTERNS["o200k_base"]: PATTERNS["o200k_base"],
}
"""The patterns for a regular expression engine that reads ``++`` otherwise; none needs it."""

_SPELLED: Mapping[str, str] = {
    r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+""": "gpt2",
    rf"{_CONTRACTED}|\p{{N}}{{1,3}}|{_SPACES}": "rustbpe",
    rf"{_CONTRACTED}|\p{{N}}|{_SPACES}": "qwen2",
    **{ONIGURUMA[pattern]: name for name, pattern in PATTERNS.items() if pattern in ONIGURUMA},
    **{pattern: name for name, pattern in PATTERNS.items()},
}
"""The same patterns as other programs write them, and the names of ours."""


def known_pattern(spelled: object) -> str | None:
    """Return our pattern that cuts text as this one does; None where that is not known."""
    name = _SPELLED.get(spelled) if isinstance(spelled, str) else None
    return None if name is None else PATTERNS[name]
