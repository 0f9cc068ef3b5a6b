"""Which tokenizer suits a text, by its size. This module knows tokenizers by name alone."""

from nanogpt_cli.text import byte_size

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

_BYTES_PER_TOKEN = 3
"""About what a token of a vocabulary learned from a text stands for; one of gpt2's is longer."""
_GPT2 = 50_257


def candidates(suited: str) -> list[str]:
    """Return what may suit a text beside what is said to: its neighbours, characters and gpt2."""
    ladder = [*(name for _, name in _UP_TO), _BEYOND]
    at = ladder.index(suited)
    near = {ladder[0], *ladder[max(0, at - 1) : at + 2], _BEYOND}
    return [name for name in ladder if name in near]


def why_suited(name: str, size: int) -> str:
    """Say why a tokenizer suits ``size`` bytes of text."""
    text = byte_size(size)
    of_gpt2 = size / (_BYTES_PER_TOKEN + 1) / _GPT2
    if name == _BEYOND:
        return f"each of its {_GPT2:,} tokens occurs about {of_gpt2:,.0f} times in {text} of text"
    if name == "char":
        return f"{text} of text is too little to learn more than characters from"
    tokens = int(name.partition(":")[2])
    often = size / _BYTES_PER_TOKEN / tokens
    rare = f"{of_gpt2:,.0f} times" if of_gpt2 >= 2 else "once or never"
    return (
        f"in {text} of text each of its tokens occurs about {often:,.0f} times, and each of "
        f"gpt2's {_GPT2:,} {rare}"
    )


def suited_tokenizer(size: int, characters: int = 0) -> str:
    """Name what suits ``size`` bytes of text with so many different ``characters``.

    A larger vocabulary makes the text shorter, but each of its tokens must occur often enough to be
    learned.
    """
    name = next((name for most, name in _UP_TO if size <= most), _BEYOND)
    return _UP_TO[1][1] if name == "char" and characters > _FEW_CHARACTERS else name
