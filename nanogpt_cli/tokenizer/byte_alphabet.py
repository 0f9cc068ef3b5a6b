"""The printable characters by which GPT-2's files write bytes."""

from collections.abc import Mapping
from functools import cache


@cache
def byte_alphabet() -> Mapping[str, bytes]:
    """Return what each character stands for, in the order of GPT-2's first 256 tokens.

    A byte is written as itself where that is a printable character, else as one from 256 on.
    Radford et al. 2019, https://github.com/openai/gpt-2, ``encoder.py``.
    """
    printable = [i for i in range(256) if chr(i).isprintable() and chr(i) != " "]
    others = [i for i in range(256) if i not in printable]
    alphabet = {chr(i): bytes([i]) for i in printable}
    return alphabet | {chr(256 + n): bytes([i]) for n, i in enumerate(others)}
