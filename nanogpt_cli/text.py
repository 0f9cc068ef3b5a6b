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
