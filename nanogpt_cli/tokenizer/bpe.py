"""Byte pair encoding: GPT-2's merges, merges learned from a text, cl100k_base and o200k_base.

GPT-2's merge table is part of the package, so only cl100k_base and o200k_base need the network or
tiktoken's cache. tiktoken encodes and rustbpe learns, in a process of its own.
"""

import base64
import binascii
import lzma
import re
import struct
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from importlib import resources
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self

from nanogpt_cli.errors import DataError, MachineError, UsageError, raise_unrelated
from nanogpt_cli.registry import TOKENIZERS
from nanogpt_cli.text import shortened, valid_text, whole_number
from nanogpt_cli.tokenizer import bpe_trainer
from nanogpt_cli.tokenizer.base import (
    END_OF_TEXT,
    MAX_VOCAB,
    TokenizerKind,
    Vocabulary,
    corrupt,
    text_field,
)
from nanogpt_cli.tokenizer.byte_alphabet import byte_alphabet
from nanogpt_cli.tokenizer.engine import EnginesDiffer, FastEngine, fast_engine
from nanogpt_cli.tokenizer.patterns import PATTERNS

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from nanogpt_cli.tokenizer.base import Ids

_LONG_WHITESPACE = 16_384
"""Characters of white space in a row that the regular expression engine can match."""

_SLOW_START, _SMALL = 2**21, 2**12
"""Characters that tiktoken encodes before gigatoken is made, and short pieces that it always does.
"""

_TRAINING_BUFFER = 32
"""Texts that rustbpe takes at a time, which bounds its memory."""


class BPETokenizer(Vocabulary):
    """Byte pair encoding: ``tokens`` in the order in which their merges are made, run by tiktoken.

    ``ids`` has the id of each, where these are not 0, 1, 2, ... Sennrich et al. 2016,
    https://arxiv.org/abs/1508.07909, over bytes as in GPT-2.
    """

    def __init__(
        self,
        name: str,
        tokens: Sequence[bytes],
        pattern: str,
        special_tokens: Mapping[str, int],
        ids: Sequence[int] | None = None,
    ) -> None:
        import tiktoken

        own = None if ids is None or list(ids) == list(range(len(tokens))) else list(ids)
        ordinary = tokens if own is None else dict(zip(own, tokens, strict=True))
        super().__init__(name, ordinary, special_tokens)
        self._tokens = tokens
        self._pattern = pattern
        self._ids = own
        self._engine: FastEngine | None = None
        self._before_engine = _SLOW_START
        self._encoding = tiktoken.Encoding(
            name,
            pat_str=pattern,
            mergeable_ranks={token: i for i, token in enumerate(tokens)},
            special_tokens={},  # text is ordinary text
        )

    def encode(self, text: str) -> list[int]:
        """Cut the text into words by the pattern, then merge bytes within each."""
        ranks: list[int] = []
        for piece in _split_long_whitespace(text):
            ranks += self._encoding.encode_ordinary(piece)
        return ranks if self._ids is None else [self._ids[rank] for rank in ranks]

    def encode_array(self, text: str) -> "Ids":
        """Encode by gigatoken, once there is enough text for making it to pay."""
        import numpy as np

        if self._before_engine >= 0:
            self._before_engine -= len(text)
            if self._before_engine < 0:
                self._engine = fast_engine(self._tokens, self._pattern)
        pieces = [self._ranks(piece) for piece in _split_long_whitespace(valid_text(text))]
        ranks = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
        return ranks if self._ids is None else np.array(self._ids, np.uint32)[ranks]

    def encode_many(self, texts: Sequence[str]) -> "list[Ids]":
        """Encode by gigatoken, also what is too short for it alone."""
        import numpy as np

        whole = [len(text) < _LONG_WHITESPACE for text in texts]
        short = [valid_text(text) for text, fits in zip(texts, whole, strict=True) if fits]
        if self._engine is None or len(short) < 2:
            return [self.encode_array(text) for text in texts]
        found = self._engine.encode_many(short, self._slow_ranks)
        if found is None:
            raise EnginesDiffer(self._use_tiktoken)
        if self._ids is not None:
            ids = np.array(self._ids, np.uint32)
            found = [ids[ranks] for ranks in found]
        encoded = iter(found)
        pairs = zip(texts, whole, strict=True)
        return [next(encoded) if fits else self.encode_array(text) for text, fits in pairs]

    def _ranks(self, piece: str) -> "npt.NDArray[np.uint32]":
        """Return the ranks of a piece of text (N,). Raises EnginesDiffer where they are wrong."""
        if self._engine is None or len(piece) < _SMALL:
            return self._slow_ranks(piece)
        ranks = self._engine.encode(piece, self._slow_ranks)
        if ranks is None:
            raise EnginesDiffer(self._use_tiktoken)
        return ranks

    def _slow_ranks(self, piece: str) -> "npt.NDArray[np.uint32]":
        return self._encoding.encode_to_numpy(piece, disallowed_special=())

    def _use_tiktoken(self) -> None:
        self._engine = None

    def to_dict(self) -> dict[str, Any]:
        """Return the tokens in order; GPT-2's are part of the package."""
        if self.name == "gpt2":
            return {"kind": "gpt2", "special_tokens": self.special_tokens}
        described = {
            "kind": "bpe",
            "name": self.name,
            "pattern": self._pattern,
            "ranks": " ".join(base64.b64encode(token).decode() for token in self._tokens),
            "special_tokens": self.special_tokens,
        }
        return described if self._ids is None else described | {"ids": runs_of(self._ids)}

    def replace_special(self, special_tokens: Mapping[str, int]) -> Self:
        """Keep the merges."""
        return type(self)(self.name, self._tokens, self._pattern, special_tokens, self._ids)


def runs_of(ids: Iterable[int]) -> list[list[int]]:
    """Return ids as runs of consecutive ones, each its first id and its length."""
    runs: list[list[int]] = []
    for i in ids:
        if runs and i == sum(runs[-1]):
            runs[-1][1] += 1
        else:
            runs.append([i, 1])
    return runs


def _checked_ids(runs: object, count: int) -> list[int]:
    """Return the ids of ``count`` tokens out of untrusted runs."""
    if not isinstance(runs, list) or len(runs) > count:
        raise corrupt("its ids are not a list of runs")
    ids: list[int] = []
    for run in runs:
        valid = isinstance(run, list) and len(run) == 2 and all(type(n) is int for n in run)
        if not valid or not (0 <= run[0] < MAX_VOCAB and 0 < run[1] <= count - len(ids)):
            raise corrupt("its ids are not those of its tokens")
        ids += range(run[0], sum(run))
    if len(set(ids)) != count or max(ids) >= MAX_VOCAB:
        raise corrupt("its ids are not those of its tokens")
    return ids


def default_gpt2(special_tokens: Mapping[str, int] | None = None) -> BPETokenizer:
    """Return GPT-2's tokenizer; by default its one special token is ``<|endoftext|>``, 50256."""
    if special_tokens is None:
        special_tokens = {END_OF_TEXT: 50256}
    return BPETokenizer("gpt2", gpt2_tokens(), PATTERNS["gpt2"], special_tokens)


def named_bpe(
    name: str,
    tokens: Sequence[bytes],
    pattern: str,
    special_tokens: Mapping[str, int],
    ids: Sequence[int],
) -> BPETokenizer:
    """Return the tokenizer of a file, named after it; GPT-2's, whatever the file is called."""
    in_order = list(ids) == list(range(len(tokens)))
    if in_order and pattern == PATTERNS["gpt2"] and tokens == gpt2_tokens():
        return default_gpt2(special_tokens)
    plain = re.sub(r"[^\w.-]+", "-", name)[:64] or "file"
    taken = plain == "gpt2" or (plain in TOKENIZERS and plain not in PATTERNS)
    return BPETokenizer(f"{plain}-file" if taken else plain, tokens, pattern, special_tokens, ids)


def train_bpe(texts: Iterable[str], size: int, special: Sequence[str] = ()) -> BPETokenizer:
    """Learn a vocabulary of ``size`` ids from ``texts``: 256 bytes, merges and special tokens.

    It comes out smaller where the text has too few different words. The same texts in the same
    order always give the same tokens. Raises UsageError for a size that leaves no room.
    """
    least = 256 + len(special)
    if not least <= size <= MAX_VOCAB:
        raise UsageError(
            f"--tokenizer bpe:{size} is out of range",
            f"N counts 256 bytes and {len(special)} special tokens: at least {least}, "
            "for example bpe:2048",
        )
    pieces = (piece for text in texts for piece in _split_long_whitespace(valid_text(text)))
    tokens = _learn_tokens(pieces, size - len(special), PATTERNS["rustbpe"])
    name = f"bpe:{len(tokens) + len(special)}"
    return BPETokenizer(name, tokens, PATTERNS["rustbpe"], {}).with_special(special)


def _learn_tokens(texts: Iterable[str], size: int, pattern: str) -> list[bytes]:
    """Learn in a process of its own, which ends with an exception here: Ctrl-C, for example."""
    program = [
        sys.executable,
        "-P",
        bpe_trainer.__file__,
        str(size),
        str(_TRAINING_BUFFER),
        pattern,
    ]
    pipe = subprocess.PIPE
    with subprocess.Popen(program, stdin=pipe, stdout=pipe, stderr=pipe) as child:
        assert child.stdin
        try:
            with suppress(BrokenPipeError):  # it has failed: see below
                for text in map(str.encode, texts):
                    child.stdin.write(struct.pack("<Q", len(text)) + text)
            learned, said = child.communicate()
        except BaseException:
            child.kill()
            child.wait()
            with suppress(BrokenPipeError):
                child.stdin.close()
            raise
    if child.returncode < 0 or b"MemoryError" in said:
        raise MachineError(
            "the process that learns the tokenizer was ended by the system",
            "it may need more memory: close other programs, or give less text",
        )
    if child.returncode:
        raise RuntimeError(said.decode(errors="replace"))
    return [base64.b64decode(token) for token in learned.split()]


def public_encoding(name: str) -> BPETokenizer:
    """Return cl100k_base or o200k_base from tiktoken's cache, or from the network.

    Raises DataError where neither has it.
    """
    import tiktoken

    try:
        encoding = tiktoken.get_encoding(name)
    except Exception as error:  # requests, the disk and tiktoken each have their own
        raise_unrelated(error)
        raise DataError(
            f"tiktoken cannot load {name}: {error}",
            "set TIKTOKEN_CACHE_DIR to a folder that holds it, or choose a tokenizer that needs "
            "no network: gpt2, char, byte, bpe:N",
        ) from error
    ranks = encoding._mergeable_ranks
    special = {tag: encoding.encode_single_token(tag) for tag in encoding.special_tokens_set}
    return BPETokenizer(name, sorted(ranks, key=ranks.__getitem__), PATTERNS[name], special)


def _learn(texts: Iterable[str], argument: str, special: Sequence[str]) -> BPETokenizer:
    size = whole_number(argument, MAX_VOCAB)
    if size is None:
        raise UsageError(
            f"--tokenizer bpe:{shortened(argument)} does not name a size",
            f"write for example bpe:2048; {MAX_VOCAB:,} is the largest",
        )
    return train_bpe(texts, size, special)


def _rebuild(content: Mapping[str, Any], special: Mapping[str, int]) -> BPETokenizer:
    name, pattern = text_field(content, "name"), text_field(content, "pattern")
    if not re.fullmatch(r"[\w.:-]{1,64}", name):
        raise corrupt("its name is not a name")
    if pattern not in PATTERNS.values():
        raise corrupt("its pattern is not one that this version knows")
    tokens = checked_tokens(text_field(content, "ranks").split(" "))
    ids = _checked_ids(content["ids"], len(tokens)) if "ids" in content else None
    return BPETokenizer(name, tokens, pattern, special, ids)


def _rebuild_gpt2(content: Mapping[str, Any], special: Mapping[str, int]) -> BPETokenizer:
    return default_gpt2(special)


GPT2 = TokenizerKind(make=default_gpt2, rebuild=_rebuild_gpt2)
BPE = TokenizerKind(learn=_learn, rebuild=_rebuild, argument="N")
CL100K_BASE = TokenizerKind(make=partial(public_encoding, "cl100k_base"))
O200K_BASE = TokenizerKind(make=partial(public_encoding, "o200k_base"))


def checked_tokens(ranks: Iterable[str | bytes]) -> list[bytes]:
    """Check and decode untrusted tokens in base64, in the order of their merges."""
    try:
        tokens = [binascii.a2b_base64(token, strict_mode=True) for token in ranks]
    except ValueError as error:
        raise corrupt("its ranks are not base64") from error
    known = set(tokens)
    if len(known) != len(tokens) or len(tokens) > MAX_VOCAB or b"" in known:
        raise corrupt("its ranks are not a set of tokens")
    if not known.issuperset(bytes([i]) for i in range(256)):
        raise corrupt("some bytes have no token")
    return tokens


def gpt2_tokens() -> list[bytes]:
    """Read GPT-2's 50,256 ordinary tokens, in the order of their ids, from the package's merges."""
    packed = resources.files("nanogpt_cli").joinpath("assets/gpt2_merges.txt.xz").read_bytes()
    byte = byte_alphabet()
    merges = lzma.decompress(packed).decode().splitlines()[1:]
    return [*byte.values(), *(b"".join(byte[c] for c in m if c != " ") for m in merges)]


def _split_long_whitespace(text: str) -> list[str]:
    """Cut inside long runs of white space, which overflow the regular expression engine's stack.

    A run of twice the length fills a whole block of any grid, so most texts are not searched.
    """
    blocks = (text[i : i + _LONG_WHITESPACE] for i in range(0, len(text), _LONG_WHITESPACE))
    if len(text) <= _LONG_WHITESPACE or not any(map(str.isspace, blocks)):
        return [text]
    cuts = [m.end() for m in re.finditer(rf"\s{{{_LONG_WHITESPACE}}}", text)]
    return [text[start:end] for start, end in pairwise([0, *cuts, len(text)])]
