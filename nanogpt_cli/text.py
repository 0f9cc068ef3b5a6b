"""Text of any origin, made safe to encode, to show and to type."""

import shlex


def valid_text(text: str) -> str:
    """Replace unpaired surrogates, which UTF-8 cannot encode, by U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def printable(text: object) -> str:
    """Return untrusted text as one safe line: control characters are shown as escapes."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(text))


def without_controls(text: str) -> str:
    """Return untrusted text without control characters; line breaks and tabs are kept."""
    return "".join(c for c in text if c.isprintable() or c in "\n\t")


def shortened(value: object, longest: int = 80) -> str:
    """Return a value of any size as the start of its text, for a message."""
    try:
        text = str(value)
    except ValueError:  # Python writes no integer of more than 4,300 digits
        return "with thousands of digits"
    return text if len(text) <= longest else f"{text[:longest]}..."


def whole_number(text: str, most: int) -> int | None:
    """Read a text of decimal digits alone, at most ``most``; None for any other."""
    digits = text.isascii() and text.isdecimal() and len(text) <= len(str(most))
    return int(text) if digits and int(text) <= most else None


def counted(number: int, noun: str) -> str:
    """Return ``1 layer`` or ``1,200 layers``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


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
