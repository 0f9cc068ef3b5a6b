"""One id per character, as in nanoGPT's shakespeare_char."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from nanogpt_cli.text import valid_text
from nanogpt_cli.tokenizer.base import TokenizerKind, Vocabulary, corrupt, text_field

if TYPE_CHECKING:
    from nanogpt_cli.tokenizer.base import Ids

_CODE_POINTS = 0x110000


class CharTokenizer(Vocabulary):
    """One id per character of a fixed set; other characters have none."""

    open_vocabulary = False

    def __init__(self, characters: str, special_tokens: Mapping[str, int] | None = None) -> None:
        super().__init__("char", [c.encode() for c in characters], special_tokens or {})
        self._characters = characters
        self._ids = {c: i for i, c in enumerate(characters)}

    def encode(self, text: str) -> list[int]:
        """Return the id of each character, leaving unknown ones out."""
        ids = self._ids
        try:
            return [ids[c] for c in text]
        except KeyError:
            return [ids[c] for c in text if c in ids]

    def encode_array(self, text: str) -> "Ids":
        """Look the characters up in a table."""
        import numpy as np

        narrow, wide = self._tables
        if narrow and text.isascii():
            none, ids = 255, np.frombuffer(text.encode().translate(narrow), np.uint8)
        else:
            none = int(np.iinfo(wide.dtype).max)
            ids = wide[np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")]
        known = ids != none
        return ids if known.all() else ids[known]

    @cached_property
    def _tables(self) -> "tuple[bytes, Ids]":
        """Return the ids of ASCII in bytes, where they fit, and those of all code points.

        The largest number stands for no id.
        """
        import numpy as np

        small = len(self._characters) < 255
        ascii_ids = (self._ids.get(chr(i), 255) if i < 128 else 255 for i in range(256))
        none = 2**16 - 1 if len(self._characters) < 2**16 - 1 else 2**32 - 1
        wide: Ids = np.full(_CODE_POINTS, none, np.uint16 if none < 2**16 else np.uint32)
        wide[[ord(c) for c in self._characters]] = np.arange(len(self._characters))
        return bytes(ascii_ids) if small else b"", wide

    def unknown(self, text: str) -> list[str]:
        """Return the characters that are not in the vocabulary."""
        return [c for c in dict.fromkeys(text) if c not in self._ids]

    def to_dict(self) -> dict[str, Any]:
        """Return the characters in the order of their ids."""
        return {
            "kind": "char",
            "characters": self._characters,
            "special_tokens": self.special_tokens,
        }

    def replace_special(self, special_tokens: Mapping[str, int]) -> Self:
        """Keep the characters."""
        return type(self)(self._characters, special_tokens)


def train_char(texts: Iterable[str]) -> CharTokenizer:
    """Return a tokenizer of the characters that occur, in the order of their code points."""
    characters: set[str] = set()
    for text in texts:
        characters.update(text)
    return CharTokenizer("".join(sorted(characters)))


def _learn(texts: Iterable[str], argument: str, special: Sequence[str]) -> CharTokenizer:
    return train_char(texts).with_special(special)


def _rebuild(content: Mapping[str, Any], special: Mapping[str, int]) -> CharTokenizer:
    characters = text_field(content, "characters")
    if len(set(characters)) != len(characters) or valid_text(characters) != characters:
        raise corrupt("its characters are not a set of characters")
    return CharTokenizer(characters, special)


CHAR = TokenizerKind(learn=_learn, rebuild=_rebuild, learns_from="characters")
