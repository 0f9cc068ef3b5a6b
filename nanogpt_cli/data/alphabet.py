"""Which characters occur in a text, found at the speed at which bytes can be removed from it."""

from nanogpt_cli.text import utf8


class Alphabet(set[str]):
    """The characters of all texts that were added."""

    def __init__(self) -> None:
        super().__init__()
        self._ascii = b""

    def add_text(self, text: str) -> None:
        """Add the characters of a text.

        In UTF-8, ASCII is no part of other characters: what is left without the ASCII that
        occurred before is new, or not ASCII.
        """
        if rest := utf8(text).translate(None, self._ascii):
            self.update(rest.decode())
            self._ascii = "".join(filter(str.isascii, self)).encode()
