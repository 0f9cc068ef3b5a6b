"""Text to token ids and back, four kinds of tokenizer behind one small protocol.

GPT-2's merge table is on board, so nothing here needs the network but cl100k_base and o200k_base.
Text is always ordinary text: a literal ``<|endoftext|>`` in it never becomes a special token; who
wants one takes its id from ``special_tokens``. This module knows neither files of text nor chats.
"""

import base64
import binascii
import json
import lzma
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol, Self

from nanogpt_cli.errors import DataError, UsageError
from nanogpt_cli.runs import dataset_file
from nanogpt_cli.text import valid_text

END_OF_TEXT = "<|endoftext|>"
KINDS = "gpt2, char, byte, bpe:N, cl100k_base, o200k_base, or a file that holds one"
MAX_SPECIAL, LONGEST_SPECIAL = 4096, 256
"""Special tokens, and characters in the name of one; tiktoken makes a regular expression of all."""
MAX_VOCAB = 2**22
"""More tokens than any tokenizer has; a file that claims more is damaged."""

_GPT2 = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"""
_RUSTBPE = (
    r"""'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}"""
    r"""| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"""
)
_CL100K = (
    r"""'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+"""
    r"""| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"""
)
_O200K = (
    r"""[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"""
    r"""|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"""
    r"""|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
)
_PATTERNS = frozenset({_GPT2, _RUSTBPE, _CL100K, _O200K})
"""How text is cut into words before merging. A checkpoint may name no other: a stranger's regular
expression can hang the program."""

_LONG_SPACE = 16_384
"""Characters of white space in a row that the regular expression engine surely bears."""

_TRAINING_BUFFER = 32
"""Texts that rustbpe takes at a time, which bounds its memory."""


class Tokenizer(Protocol):
    """Turns text into ids below ``vocab_size`` and back."""

    @property
    def name(self) -> str:
        """Say which one this is: gpt2, char, byte, bpe:2048, cl100k_base or o200k_base."""

    @property
    def vocab_size(self) -> int:
        """Give the number of ids, special tokens included (the highest id + 1)."""

    @property
    def special_tokens(self) -> Mapping[str, int]:
        """Give the special tokens' ids, which no text encodes to."""

    def encode(self, text: str) -> list[int]:
        """Give the ids of ordinary text; characters without a token (see unknown) are left out."""

    def decode(self, ids: Iterable[int]) -> str:
        """Give the text of these ids; bytes that are no UTF-8 become U+FFFD."""

    def token_bytes(self, token: int) -> bytes:
        """Give the UTF-8 bytes of one id, perhaps half a character; a special token's are its tag.

        An id without a token has no bytes: models may have more ids than their tokenizer.
        """

    def unknown(self, text: str) -> list[str]:
        """Give the characters of ``text`` that have no token, each once, in order."""

    def with_special(self, names: Iterable[str]) -> "Tokenizer":
        """Give this tokenizer with those of ``names`` it lacks added after its last id."""

    def to_dict(self) -> dict[str, Any]:
        """Give everything needed to rebuild it with from_dict, in JSON's types."""


class _Vocabulary:
    """What all kinds share: ordinary tokens at 0, 1, 2, ... and special tokens after them."""

    def __init__(self, name: str, tokens: Sequence[bytes], special_tokens: Mapping[str, int]):
        self.name = name
        self.special_tokens = dict(special_tokens)
        self._bytes = dict(enumerate(tokens))
        self._bytes.update((token, tag.encode()) for tag, token in special_tokens.items())
        self.vocab_size = 1 + max(self._bytes)
        if min(special_tokens.values(), default=len(tokens)) < len(tokens):
            raise _damaged("a special token has an ordinary token's id")

    def decode(self, ids: Iterable[int]) -> str:
        """Join the tokens' bytes."""
        return b"".join(map(self.token_bytes, ids)).decode("utf-8", "replace")

    def token_bytes(self, token: int) -> bytes:
        """Look one id up."""
        return self._bytes.get(token, b"")

    def unknown(self, text: str) -> list[str]:
        """Bytes spell everything."""
        return []

    def with_special(self, names: Iterable[str]) -> Self:
        """Add special tokens at the end."""
        new = dict.fromkeys(name for name in names if name not in self.special_tokens)
        if not new:
            return self
        return self._replace(
            self.special_tokens | {name: self.vocab_size + i for i, name in enumerate(new)}
        )

    def _replace(self, special_tokens: Mapping[str, int]) -> Self:
        """Give the same ordinary tokens with these special ones."""
        raise NotImplementedError


class CharTokenizer(_Vocabulary):
    """One id per character, as in nanoGPT's shakespeare_char."""

    def __init__(self, characters: str, special_tokens: Mapping[str, int] | None = None) -> None:
        super().__init__("char", [c.encode() for c in characters], special_tokens or {})
        self._characters = characters
        self._ids = {c: i for i, c in enumerate(characters)}

    def encode(self, text: str) -> list[int]:
        """Look each character up, leaving unknown ones out."""
        ids = self._ids
        try:
            return [ids[c] for c in text]
        except KeyError:
            return [ids[c] for c in text if c in ids]

    def unknown(self, text: str) -> list[str]:
        """Give the characters that are not in the vocabulary."""
        return [c for c in dict.fromkeys(text) if c not in self._ids]

    def to_dict(self) -> dict[str, Any]:
        """Give the characters in the order of their ids."""
        return {
            "kind": "char",
            "characters": self._characters,
            "special_tokens": self.special_tokens,
        }

    def _replace(self, special_tokens: Mapping[str, int]) -> Self:
        return type(self)(self._characters, special_tokens)


class ByteTokenizer(_Vocabulary):
    """One id per byte of UTF-8."""

    def __init__(self, special_tokens: Mapping[str, int] | None = None) -> None:
        super().__init__("byte", [bytes([i]) for i in range(256)], special_tokens or {})

    def encode(self, text: str) -> list[int]:
        """Give the bytes."""
        return list(valid_text(text).encode())

    def to_dict(self) -> dict[str, Any]:
        """Give the special tokens, all there is to know."""
        return {"kind": "byte", "special_tokens": self.special_tokens}

    def _replace(self, special_tokens: Mapping[str, int]) -> Self:
        return type(self)(special_tokens)


class BPETokenizer(_Vocabulary):
    """Byte pair encoding: ``tokens`` in the order in which their merges are made, run by tiktoken.

    Sennrich et al. 2016, https://arxiv.org/abs/1508.07909, over bytes as in GPT-2.
    """

    def __init__(
        self, name: str, tokens: Sequence[bytes], pattern: str, special_tokens: Mapping[str, int]
    ) -> None:
        import tiktoken

        super().__init__(name, tokens, special_tokens)
        self._tokens = tokens
        self._pattern = pattern
        self._encoding = tiktoken.Encoding(
            name,
            pat_str=pattern,
            mergeable_ranks={token: i for i, token in enumerate(tokens)},
            special_tokens=self.special_tokens,
        )

    def encode(self, text: str) -> list[int]:
        """Cut into words by the pattern, then merge bytes within each."""
        ids: list[int] = []
        for piece in _bearable(text):
            ids += self._encoding.encode_ordinary(piece)
        return ids

    def to_dict(self) -> dict[str, Any]:
        """Give the tokens in order; GPT-2's are on board."""
        if self.name == "gpt2":
            return {"kind": "gpt2", "special_tokens": self.special_tokens}
        return {
            "kind": "bpe",
            "name": self.name,
            "pattern": self._pattern,
            "ranks": " ".join(base64.b64encode(token).decode() for token in self._tokens),
            "special_tokens": self.special_tokens,
        }

    def _replace(self, special_tokens: Mapping[str, int]) -> Self:
        return type(self)(self.name, self._tokens, self._pattern, special_tokens)


def default_gpt2(special_tokens: Mapping[str, int] | None = None) -> BPETokenizer:
    """Give GPT-2's tokenizer from the table on board; ``<|endoftext|>`` is 50256."""
    if special_tokens is None:
        special_tokens = {END_OF_TEXT: 50256}
    return BPETokenizer("gpt2", _gpt2_tokens(), _GPT2, special_tokens)


def train_char(texts: Iterable[str]) -> CharTokenizer:
    """Give each character that occurs an id, in the order of their code points."""
    characters: set[str] = set()
    for text in texts:
        characters.update(text)
    return CharTokenizer("".join(sorted(characters)))


def train_bpe(texts: Iterable[str], size: int, special: Sequence[str] = ()) -> BPETokenizer:
    """Learn a vocabulary of ``size`` ids from ``texts``: 256 bytes, merges and special tokens.

    It comes out smaller where the text has too few different words. The same texts in the same
    order always give the same tokens. Raises UsageError for a size that leaves no room.
    """
    import rustbpe

    least = 256 + len(special)
    if not least <= size <= MAX_VOCAB:
        raise UsageError(
            f"--tokenizer bpe:{size} is out of range",
            f"N counts 256 bytes and {len(special)} special tokens: at least {least}, "
            "for example bpe:2048",
        )
    trainer = rustbpe.Tokenizer()
    pieces = (piece for text in texts for piece in _bearable(valid_text(text)))
    trainer.train_from_iterator(
        pieces, size - len(special), buffer_size=_TRAINING_BUFFER, pattern=_RUSTBPE
    )
    tokens = [bytes(token) for token, _ in trainer.get_mergeable_ranks()]
    name = f"bpe:{len(tokens) + len(special)}"
    return BPETokenizer(name, tokens, _RUSTBPE, {}).with_special(special)


def public_encoding(name: str) -> BPETokenizer:
    """Give cl100k_base or o200k_base from tiktoken's cache, or from the network.

    Raises DataError where neither has it.
    """
    import tiktoken

    try:
        encoding = tiktoken.get_encoding(name)
    except Exception as error:  # requests, the disk and tiktoken each have their own
        raise DataError(
            f"tiktoken cannot load {name}: {error}",
            "set TIKTOKEN_CACHE_DIR to a folder that holds it, or choose a tokenizer that needs "
            "no network: gpt2, char, byte, bpe:N",
        ) from error
    ranks = encoding._mergeable_ranks
    special = {tag: encoding.encode_single_token(tag) for tag in encoding.special_tokens_set}
    pattern = {"cl100k_base": _CL100K, "o200k_base": _O200K}[name]
    return BPETokenizer(name, sorted(ranks, key=ranks.__getitem__), pattern, special)


def named_tokenizer(name: str) -> Tokenizer:
    """Give gpt2, byte, cl100k_base, o200k_base, or what the file or folder ``name`` holds.

    Raises UsageError where it is none of them.
    """
    match name:
        case "gpt2":
            return default_gpt2()
        case "byte":
            return ByteTokenizer()
        case "cl100k_base" | "o200k_base":
            return public_encoding(name)
    if not Path(name).exists():
        raise UsageError(f"--tokenizer {name} is not known", f"choose one of: {KINDS}")
    return load_tokenizer(Path(name))


def load_tokenizer(path: Path) -> Tokenizer:
    """Read a tokenizer from a file with to_dict's output, a meta.json, or a dataset folder.

    Raises DataError naming the file where there is none or it is damaged.
    """
    file = dataset_file(path, "meta.json") if path.is_dir() else path
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        what = error.strerror if isinstance(error, OSError) else "it is no JSON"
        raise DataError(
            f"cannot read a tokenizer from {file}: {what}", f"choose one of: {KINDS}"
        ) from error
    if isinstance(content, dict) and "tokenizer" in content:
        content = content["tokenizer"]
    try:
        return from_dict(content)
    except DataError as error:
        raise DataError(f"{file}: {error.message}", error.hint) from error


def from_dict(content: object) -> Tokenizer:
    """Rebuild a tokenizer from to_dict's output, which may come from a stranger.

    Raises DataError for an unknown kind or a damaged description.
    """
    if not isinstance(content, dict):
        raise _damaged("it is no object")
    special = _checked_special(content.get("special_tokens"))
    match content.get("kind"):
        case "gpt2":
            return default_gpt2(special)
        case "byte":
            return ByteTokenizer(special)
        case "char":
            characters = _text(content, "characters")
            if len(set(characters)) != len(characters) or valid_text(characters) != characters:
                raise _damaged("its characters are no set of characters")
            return CharTokenizer(characters, special)
        case "bpe":
            name, pattern = _text(content, "name"), _text(content, "pattern")
            if not re.fullmatch(r"[\w.:-]{1,64}", name):
                raise _damaged("its name is no name")
            if pattern not in _PATTERNS:
                raise _damaged("its pattern is none that this version knows")
            return BPETokenizer(name, _checked_tokens(_text(content, "ranks")), pattern, special)
        case kind:
            shown = repr(kind[:40]) if isinstance(kind, str) else f"of a {type(kind).__name__}"
            raise DataError(f"no tokenizer is of the kind {shown}", "update nanogpt")


def _damaged(problem: str) -> DataError:
    """Give the error for a description that cannot be one of ours."""
    return DataError(
        f"the tokenizer is damaged: {problem}", "prepare the data again, or take another copy"
    )


def _text(content: Mapping[object, object], key: str) -> str:
    """Take a text out of a stranger's description."""
    value = content.get(key)
    if not isinstance(value, str) or not value:
        raise _damaged(f"it has no {key}")
    return value


def _checked_special(content: object) -> dict[str, int]:
    """Check the special tokens of a description, name -> id."""
    if not isinstance(content, dict):
        raise _damaged("it has no special_tokens")
    if len(content) > MAX_SPECIAL:
        raise _damaged(f"it has {len(content):,} special tokens")
    for name, token in content.items():
        proper = isinstance(name, str) and name.isprintable() and name
        if not proper or len(name) > LONGEST_SPECIAL:
            raise _damaged("the name of a special token is no text")
        if type(token) is not int or not 0 <= token < MAX_VOCAB:
            raise _damaged(f"the id of {name} is no id")
    if len(set(content.values())) != len(content):
        raise _damaged("two special tokens have one id")
    return content


def _checked_tokens(ranks: str) -> list[bytes]:
    """Check and decode base64 tokens in the order of their ids, a space between."""
    try:
        tokens = [binascii.a2b_base64(word, strict_mode=True) for word in ranks.split(" ")]
    except ValueError as error:
        raise _damaged("its ranks are no base64") from error
    known = set(tokens)
    if len(known) != len(tokens) or len(tokens) > MAX_VOCAB or b"" in known:
        raise _damaged("its ranks are no set of tokens")
    if not known.issuperset(bytes([i]) for i in range(256)):
        raise _damaged("some bytes have no token")
    return tokens


def _gpt2_tokens() -> list[bytes]:
    """Read GPT-2's 50,256 ordinary tokens, in the order of their ids, from the merges on board.

    The file writes a byte as a printable character: itself where it is one, else 256 and up.
    """
    packed = resources.files("nanogpt_cli").joinpath("assets/gpt2_merges.txt.xz").read_bytes()
    printable = [i for i in range(256) if chr(i).isprintable() and chr(i) != " "]
    order = printable + [i for i in range(256) if i not in printable]
    byte = {chr(i): bytes([i]) for i in printable}
    byte |= {chr(256 + n): bytes([i]) for n, i in enumerate(order[len(printable) :])}
    merges = lzma.decompress(packed).decode().splitlines()[1:]
    return [bytes([i]) for i in order] + [
        b"".join(byte[c] for c in merge if c != " ") for merge in merges
    ]


def _bearable(text: str) -> list[str]:
    """Cut inside long runs of white space, which overflow the regular expression engine's stack.

    A run of twice the length fills a whole block of any grid, so most texts are not searched.
    """
    blocks = (text[i : i + _LONG_SPACE] for i in range(0, len(text), _LONG_SPACE))
    if len(text) <= _LONG_SPACE or not any(map(str.isspace, blocks)):
        return [text]
    cuts = [m.end() for m in re.finditer(rf"\s{{{_LONG_SPACE}}}", text)]
    return [text[start:end] for start, end in pairwise([0, *cuts, len(text)])]
