"""What all tokenizers share: the protocol, special tokens, and checks of untrusted descriptions.

Text is always ordinary text: a literal ``<|endoftext|>`` in it never becomes a special token; take
the id of one from ``special_tokens``. A kind of tokenizer is one file with a ``TokenizerKind`` and
one line in ``registry.TOKENIZERS``. This module knows neither files nor any particular kind.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

from nanogpt_cli.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Ids = npt.NDArray[np.unsignedinteger[Any]]

END_OF_TEXT = "<|endoftext|>"
MAX_SPECIAL, LONGEST_SPECIAL = 4096, 256
"""Special tokens, and characters in the name of one; tiktoken makes a regular expression of all."""
MAX_VOCAB = 2**22
"""More tokens than any tokenizer has; a file that claims more is corrupt."""


class Tokenizer(Protocol):
    """Turns text into ids below ``vocab_size`` and back."""

    @property
    def name(self) -> str:
        """What users call it: gpt2, char, byte, bpe:2048, cl100k_base or o200k_base."""

    @property
    def vocab_size(self) -> int:
        """The number of ids, special tokens included (the highest id + 1)."""

    @property
    def special_tokens(self) -> Mapping[str, int]:
        """The special tokens' ids, which no text encodes to."""

    @property
    def open_vocabulary(self) -> bool:
        """Whether every text can be encoded, so that ``unknown`` never returns anything."""

    def encode(self, text: str) -> list[int]:
        """Return the ids of ordinary text; characters without a token (see unknown) are left out.

        Lone halves of surrogate pairs are encoded as U+FFFD, where the vocabulary has it.
        """

    def encode_array(self, text: str) -> "Ids":
        """Return the same ids (N,) as an array of an unsigned type: faster for much text.

        Raises EnginesDiffer where a faster way turned out to be wrong: ids of earlier calls may be
        wrong too.
        """

    def encode_many(self, texts: Sequence[str]) -> "list[Ids]":
        """Return the ids of each text, as ``encode_array`` does: faster for many short ones."""

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of these ids; bytes that are not UTF-8 become U+FFFD."""

    def token_bytes(self, token: int) -> bytes:
        """Return the UTF-8 bytes of one id, possibly half a character; a special token's tag.

        An id without a token has no bytes: models may have more ids than their tokenizer.
        """

    def unknown(self, text: str) -> list[str]:
        """Return the characters of ``text`` that have no token, each once, in order."""

    def with_special(self, names: Iterable[str]) -> "Tokenizer":
        """Return this tokenizer with those of ``names`` it lacks added after its last id."""

    def to_dict(self) -> dict[str, Any]:
        """Return everything needed to rebuild it with ``load.from_dict``, in JSON's types.

        ``kind`` is the name under which its kind is registered.
        """


@dataclass(frozen=True)
class TokenizerKind:
    """How tokenizers of one kind come about; what a kind cannot do is None."""

    make: Callable[[], Tokenizer] | None = None
    """Returns the one that ``--tokenizer NAME`` asks for."""
    learn: Callable[[Iterable[str], str, Sequence[str]], Tokenizer] | None = None
    """Learns one from texts, given what follows ``NAME:`` and the special tokens it must have."""
    rebuild: Callable[[Mapping[str, Any], Mapping[str, int]], Tokenizer] | None = None
    """Rebuilds one from ``to_dict``'s untrusted output and its checked special tokens."""
    learns_from: Literal["characters", "text"] = "text"
    """What ``learn`` receives: each character that occurs in the whole input, or training text."""
    argument: str = ""
    """What follows ``NAME:``, as it is shown in help and errors; empty where nothing may."""


class Vocabulary(ABC):
    """Ordinary tokens, at 0, 1, 2, ... or at ids of their own, and special ones: a base for all.

    Raises DataError for a special token that has an ordinary token's id.
    """

    open_vocabulary: bool = True

    def __init__(
        self,
        name: str,
        tokens: Sequence[bytes] | Mapping[int, bytes],
        special_tokens: Mapping[str, int],
    ) -> None:
        self.name = name
        self.special_tokens = dict(special_tokens)
        self._bytes = dict(tokens if isinstance(tokens, Mapping) else enumerate(tokens))
        if not self._bytes.keys().isdisjoint(special_tokens.values()):
            raise corrupt("a special token has the id of an ordinary token")
        self._bytes.update((token, tag.encode()) for tag, token in special_tokens.items())
        self.vocab_size = 1 + max(self._bytes)

    @abstractmethod
    def encode(self, text: str) -> list[int]:
        """Return the ids of ordinary text."""

    def encode_array(self, text: str) -> "Ids":
        """Return the same ids as an array."""
        import numpy as np

        return np.array(self.encode(text), np.uint32)

    def encode_many(self, texts: Sequence[str]) -> "list[Ids]":
        """Return the ids of each text."""
        return [self.encode_array(text) for text in texts]

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Return everything needed to rebuild it, in JSON's types."""

    @abstractmethod
    def replace_special(self, special_tokens: Mapping[str, int]) -> Self:
        """Return a tokenizer with the same ordinary tokens and these special ones."""

    def decode(self, ids: Iterable[int]) -> str:
        """Join the tokens' bytes."""
        return b"".join(map(self.token_bytes, ids)).decode("utf-8", "replace")

    def token_bytes(self, token: int) -> bytes:
        """Return the bytes of one id."""
        return self._bytes.get(token, b"")

    def unknown(self, text: str) -> list[str]:
        """Return no characters: the vocabulary is open."""
        return []

    def with_special(self, names: Iterable[str]) -> Self:
        """Add special tokens at the end."""
        new = dict.fromkeys(name for name in names if name not in self.special_tokens)
        if not new:
            return self
        return self.replace_special(
            self.special_tokens | {name: self.vocab_size + i for i, name in enumerate(new)}
        )


def corrupt(problem: str) -> DataError:
    """Return the error for a description that cannot be one of a tokenizer."""
    return DataError(
        f"the tokenizer is corrupt: {problem}", "prepare the data again, or use another copy"
    )


def text_field(content: Mapping[str, Any], key: str) -> str:
    """Return a text out of an untrusted description. Raises DataError where there is none."""
    value = content.get(key)
    if not isinstance(value, str) or not value:
        raise corrupt(f"it has no {key}")
    return value


def check_special(content: object) -> dict[str, int]:
    """Return the special tokens of an untrusted description, name -> id.

    Raises DataError for what cannot be special tokens.
    """
    if not isinstance(content, dict):
        raise corrupt("it has no special_tokens")
    if len(content) > MAX_SPECIAL:
        raise corrupt(f"it has {len(content):,} special tokens")
    for name, token in content.items():
        valid = isinstance(name, str) and name.isprintable() and name
        if not valid or len(name) > LONGEST_SPECIAL:
            raise corrupt("the name of a special token is not text")
        if type(token) is not int or not 0 <= token < MAX_VOCAB:
            raise corrupt(f"the id of {name} is not an id")
    if len(set(content.values())) != len(content):
        raise corrupt("two special tokens have the same id")
    return content
