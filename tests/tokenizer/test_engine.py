"""Much text becomes the same ids as little text, and a wrong faster engine is found out."""

import random
from pathlib import Path

import numpy as np
import pytest
from datasets import ids, run, tokenizer

from nanogpt_cli.data.encode import reliably
from nanogpt_cli.tokenizer import engine
from nanogpt_cli.tokenizer.bpe import BPETokenizer, default_gpt2, train_bpe
from nanogpt_cli.tokenizer.engine import EnginesDiffer
from nanogpt_cli.tokenizer.load import ByteTokenizer, CharTokenizer, Tokenizer, train_char
from nanogpt_cli.tokenizer.patterns import PATTERNS

gigatoken = pytest.importorskip("gigatoken.gigatoken_rs")
LEARNED = ["The cat sat on the mat, and it's 1234567 o'clock.\n\n\tdef f: 你好，世界。\r\n "] * 20
LEARNER = train_bpe(LEARNED, 300)
TOKENS = [LEARNER.token_bytes(i) for i in range(LEARNER.vocab_size)]
EVERY = "".join(chr(i) for i in range(0x110000) if not 0xD800 <= i < 0xE000)


def all_kinds_of_text() -> str:
    draw = random.Random(3)
    edges = " \n\r\t\x0b\x85\xa0\u2003ab1234'sSdLl.,ſK你é\u0301"
    mixed = "".join(draw.choices(edges, k=60_000))
    raw = draw.randbytes(20_000).decode("utf-8", "replace")
    between = "".join(f"a{c} {c}{c}1{c}\n" for c in draw.sample(EVERY, 20_000))
    return "".join((mixed, " " * 20_000, raw, between, EVERY, "<|endoftext|>\ud800\udc00 \ud800 x"))


def warmed(kept: BPETokenizer) -> BPETokenizer:
    """Encode until gigatoken takes over."""
    for _ in range(3):
        kept.encode_array("a cat " * 200_000)
    return kept


@pytest.mark.parametrize("pattern", ["gpt2", "rustbpe", "cl100k_base", "o200k_base"])
def test_gigatoken_returns_tiktokens_ids(pattern: str) -> None:
    kept = warmed(BPETokenizer("x", TOKENS, PATTERNS[pattern], {"<|endoftext|>": len(TOKENS)}))
    text = all_kinds_of_text()
    assert kept.encode_array(text).tolist() == kept.encode(text)


def test_ids_of_ones_own_are_mapped() -> None:
    plain = BPETokenizer("x", TOKENS, PATTERNS["gpt2"], {})
    moved = warmed(BPETokenizer("x", TOKENS, PATTERNS["gpt2"], {}, range(17, 17 + len(TOKENS))))
    text = "The cat sat on the mat. " * 500
    assert moved.encode_array(text).tolist() == [i + 17 for i in plain.encode(text)]


@pytest.mark.parametrize(
    "kept",
    [ByteTokenizer(), CharTokenizer("abc é\n"), train_char([EVERY]), train_char([EVERY[:50_000]])],
    ids=["byte", "few", "all", "some"],
)
def test_tables_give_the_ids_of_each_character(kept: Tokenizer) -> None:
    for text in (all_kinds_of_text(), "abcabd\n", "", "\ud800"):
        ids = kept.encode_array(text)
        assert np.issubdtype(ids.dtype, np.unsignedinteger)
        assert ids.tolist() == kept.encode(text)


class Wrong:
    """An engine that is wrong from some call on."""

    def __init__(self, right: object, how: str) -> None:
        self.right, self.how, self.calls = right, how, 0

    def encode(self, data: bytes) -> object:
        self.calls += 1
        ids = self.right.encode(data)  # type: ignore[attr-defined]
        if self.calls < 6:
            return ids
        if self.how == "another split":  # the bytes are right
            return np.frombuffer(data, np.uint8).astype(np.uint32)
        return ids[:-1]


@pytest.mark.parametrize("how", ["another split", "something is missing"])
def test_a_wrong_engine_is_replaced_by_tiktoken(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make = engine.FastEngine._make
    monkeypatch.setattr(engine.FastEngine, "_make", lambda self: Wrong(make(self), how))
    # its first 256 tokens are the bytes in their order, so that these are ranks
    tokens = [bytes([i]) for i in range(256)] + TOKENS[256:]
    kept = warmed(BPETokenizer("x", tokens, PATTERNS["gpt2"], {}))
    text, warnings = "The cat sat on the mat. " * 900, list[str]()
    with pytest.raises(EnginesDiffer):
        [kept.encode_array(text) for _ in range(9)]
    kept = warmed(BPETokenizer("x", tokens, PATTERNS["gpt2"], {}))
    found = reliably(lambda: [kept.encode_array(text) for _ in range(9)], warnings.append)
    assert [ids.tolist() for ids in found] == [kept.encode(text)] * 9
    assert len(warnings) == 1
    assert "tiktoken" in warnings[0]


def test_without_gigatoken_tiktoken_encodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "gigatoken.gigatoken_rs", None)
    kept = warmed(BPETokenizer("x", TOKENS, PATTERNS["gpt2"], {}))
    text = "The cat sat. " * 900
    assert kept.encode_array(text).tolist() == kept.encode(text)


def test_it_is_made_anew_after_much_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_RENEWED", 10_000)
    kept = warmed(default_gpt2())
    text = "The cat sat on the mat. " * 900
    for _ in range(3):
        assert kept.encode_array(text).tolist() == kept.encode(text)


def test_a_dataset_of_much_text_has_tiktokens_ids() -> None:
    words = "".join(random.Random(1).choices([*"abcdefgh é,.", "\n", " the ", "12"], k=3_000_000))
    Path("a.txt").write_text(words)
    result = run("a.txt", tokenizer="gpt2", split="tail")
    assert not any("tiktoken" in note for note in result.notes)
    assert ids("train") == tokenizer().encode(words[: int(len(words) * 0.9)])
