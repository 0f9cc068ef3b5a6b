"""Which encoding a text has that is neither UTF-8 nor begins with a byte order mark.

This module knows neither files nor what they are for.
"""

import codecs
from collections.abc import Iterable

from nanogpt_cli.errors import UsageError
from nanogpt_cli.text import shortened

AUTO = "auto"

_LIKELY = [
    "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "koi8_r", "shift_jis",
    "euc_jp", "gb18030", "big5", "cp949", "iso8859_2", "mac_roman", "cp437", "cp850",
]  # fmt: skip
"""Encodings in which texts are found; rarer ones can be named."""

_SAMPLE = 2**15
"""Bytes from the first that is not UTF-8 on, by which an encoding is recognised."""
_BEFORE = 64
"""Bytes in which the beginning of its word is looked for."""
_FEW = 12
"""Bytes beyond ASCII by which nothing can be told: it is the most frequent encoding, then."""


def check_encoding(name: str) -> None:
    """Raise UsageError where ``name`` is neither auto, empty, nor an encoding of text."""
    if name in ("", AUTO):
        return
    try:
        "a".encode(name)  # refuses what is an encoding of something else than text
    except (LookupError, ValueError) as error:
        raise UsageError(
            f"unknown --encoding {shortened(name)}", "name one such as cp1252, or auto"
        ) from error


def recognised_encoding(sample: bytes) -> str | None:
    """Return the likeliest encoding of bytes that are not UTF-8; None where there is no such."""
    from charset_normalizer import from_bytes

    if b"\0" in sample:
        return None
    telling = b"\n".join(line for line in sample.splitlines() if not line.isascii())
    if sum(byte >= 0x80 for byte in telling) < _FEW:
        return "cp1252"
    found = from_bytes(telling, cp_isolation=_LIKELY, preemptive_behaviour=False)
    best = max(found, key=lambda match: (match.coherence, -match.chaos), default=None)
    if best is None:
        return None
    text = telling.decode(best.encoding, "replace")
    return next(name for name in _LIKELY if telling.decode(name, "replace") == text)


def undecodable_sample(chunks: Iterable[bytes]) -> bytes | None:
    """Return the bytes around the first that is not UTF-8; None where all are."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    before = b""
    waiting = iter(chunks)
    for chunk in waiting:
        try:
            decoder.decode(chunk)
        except UnicodeDecodeError as error:
            at = len(before) + error.start
            rest = (before + chunk)[max(0, at - _BEFORE) :]
            word = max(rest[: min(at, _BEFORE)].rfind(space) + 1 for space in (b" ", b"\n"))
            return (rest[word:] + next(waiting, b""))[:_SAMPLE]
        before = chunk[-_BEFORE:]
    return None
