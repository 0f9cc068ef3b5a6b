"""Text of any origin, made safe to encode, to show and to type."""

import difflib
import re
import shlex
from collections.abc import Collection

_OBEYED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters but \t and \n, Escape among them
    "\u202a-\u202e\u2066-\u2069"  # embeddings, overrides and isolates of writing direction
    "\ud800-\udfff]"  # halves of characters, which UTF-8 cannot encode
)
"""What a terminal obeys instead of showing it."""


def valid_text(text: str) -> str:
    """Replace unpaired surrogates, which UTF-8 cannot encode, by U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def utf8(text: str) -> bytes:
    """Return a text in UTF-8, with U+FFFD for unpaired surrogates."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return valid_text(text).encode()


def printable(text: object) -> str:
    """Return untrusted text as one safe line: control characters are shown as escapes."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(text))


def without_controls(text: str) -> str:
    """Return untrusted text without what a terminal would obey; line breaks and tabs are kept.

    So are characters that are part of writing: no-break spaces, soft hyphens, joined emoji.
    """
    return _OBEYED.sub("", text)


def nearest(name: str, known: Collection[str]) -> str | None:
    """Return the known name that ``name`` begins or is almost; None where all are unrelated.

    Dashes do not count: two flags are not alike because both begin with them.
    """
    plain = {other.strip("-").replace("_", "-"): other for other in known}
    word = name.strip("-").replace("_", "-")
    begun = [other for other in plain if len(word) > 1 and other.startswith(word)]
    near = begun or difflib.get_close_matches(word, plain, n=1, cutoff=0.7)
    return plain[near[0]] if near else None


def shortened(value: object, longest: int = 80) -> str:
    """Return a value of any size as the start of its text, for a message."""
    try:
        text = str(value)
    except ValueError:  # Python writes no integer of more than 4,300 digits
        return "with thousands of digits"
    return text if len(text) <= longest else f"{text[:longest]}..."


def byte_size(count: int) -> str:
    """Return a number of bytes with a unit, as short as it is to be read: ``4.5 MB``."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            number = count / size
            return f"{number:.1f} {unit}" if number < 10 else f"{number:,.0f} {unit}"
    return f"{count} byte{'' if count == 1 else 's'}"


def whole_number(text: str, most: int) -> int | None:
    """Read a text of decimal digits alone, at most ``most``; None for any other."""
    digits = text.isascii() and text.isdecimal() and len(text) <= len(str(most))
    return int(text) if digits and int(text) <= most else None


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return ``1 layer`` or ``1,200 layers``; ``plural`` is where it does not end in s alone."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def duration(seconds: float) -> str:
    """Return a time as it is typed after ``--time``: ``90s``, ``10m`` or ``1.5h``."""
    if seconds >= 3600 and seconds % 1800 == 0:
        return f"{seconds / 3600:g}h"
    return f"{seconds / 60:g}m" if seconds and seconds % 60 == 0 else f"{seconds:g}s"


def shell_word(argument: object) -> str:
    r"""Return a name as it is typed in a POSIX shell: one printable word that is not a flag.

    Control and bidirectional characters and bytes that are not text are written as ``$'\ooo'``.
    """
    text = str(argument)
    if text.startswith("-"):
        text = f"./{text}"
    if text.isprintable():
        return shlex.quote(text)
    return f"$'{''.join(map(_in_quotes, text))}'"


def _in_quotes(character: str) -> str:
    if character in "\\'":
        return f"\\{character}"
    if character.isprintable():
        return character
    errors = "surrogateescape" if "\udc80" <= character <= "\udcff" else "surrogatepass"
    return "".join(f"\\{byte:03o}" for byte in character.encode(errors=errors))
