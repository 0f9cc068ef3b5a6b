"""Text of any origin, made safe to encode and safe to show."""


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
