"""Text of any origin, made safe to encode and safe to show."""


def valid_text(text: str) -> str:
    """Replace lone halves of surrogate pairs, which UTF-8 cannot hold, by U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def printable(text: object) -> str:
    """Make untrusted text safe to show: no control sequences, line breaks visible."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(text))
