"""The tokenizers against golden ids, against transformers, and against corrupt descriptions."""

import hashlib
import json
import lzma
import socket
import warnings
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import tiktoken
from hypothesis import given, settings
from hypothesis import strategies as st

from nanogpt_cli.errors import DataError, UsageError
from nanogpt_cli.tokenizer.bpe import PATTERNS
from nanogpt_cli.tokenizer.load import (
    ByteTokenizer,
    CharTokenizer,
    Tokenizer,
    default_gpt2,
    from_dict,
    named_tokenizer,
    train_bpe,
    train_char,
)

TEXTS_TO_LEARN = [
    "the cat sat on the mat and the hat ",
    "Zwölf Boxkämpfer jagen Viktor 123 456\n",
] * 20
GPT2 = default_gpt2()
BPE = train_bpe(TEXTS_TO_LEARN, 300, ["<|endoftext|>"])
BYTE = ByteTokenizer()
CHAR = CharTokenizer("abc é\n")
RANKS_OF_GPT2 = {GPT2.token_bytes(i): i for i in range(50256)}
ALL = pytest.mark.parametrize("tokenizer", [GPT2, BPE, BYTE, CHAR], ids=lambda t: t.name)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60) | st.text(
    " \n\ta'1é中.", max_size=60
)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Build transformers' GPT2Tokenizer from our own table."""
    from transformers import GPT2Tokenizer

    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    letters = {b: chr(b) for b in printable} | {b: chr(256 + i) for i, b in enumerate(others)}
    vocab = {
        "".join(letters[b] for b in GPT2.token_bytes(i)): i for i in range(GPT2.vocab_size - 1)
    }
    folder = tmp_path_factory.mktemp("gpt2")
    (folder / "vocab.json").write_text(json.dumps(vocab | {"<|endoftext|>": 50256}))
    (folder / "merges.txt").write_bytes(merges())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return GPT2Tokenizer.from_pretrained(folder)


def merges() -> bytes:
    path = resources.files("nanogpt_cli").joinpath("assets/gpt2_merges.txt.xz")
    return lzma.decompress(path.read_bytes())


def test_the_merge_table_is_openais() -> None:
    known = "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5"
    assert hashlib.sha256(merges()).hexdigest() == known


def test_golden_ids() -> None:
    assert GPT2.encode("Hello world") == [15496, 995]
    assert GPT2.encode("\n\n") == [628]
    assert GPT2.encode("Ein süßer Brei, don't! 🙂") == [
        36, 259, 264, 9116, 39683, 263, 3719, 72, 11, 836, 470, 0, 32485,
    ]  # fmt: skip
    assert (GPT2.vocab_size, GPT2.special_tokens) == (50257, {"<|endoftext|>": 50256})
    assert GPT2.token_bytes(995) == b" world"
    assert GPT2.token_bytes(50256) == b"<|endoftext|>"
    assert BYTE.encode("é") == [195, 169]
    assert CHAR.encode("é a") == [4, 3, 0]


@settings(max_examples=200, deadline=None)
@given(text=TEXTS)
def test_gpt2_agrees_with_transformers(peer: Any, text: str) -> None:
    assert GPT2.encode(text) == peer.encode(text, add_special_tokens=False)


@settings(max_examples=150, deadline=None)
@given(text=TEXTS)
@pytest.mark.parametrize("tokenizer", [GPT2, BPE, BYTE], ids=lambda t: t.name)
def test_decode_undoes_encode(tokenizer: Tokenizer, text: str) -> None:
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert b"".join(map(tokenizer.token_bytes, ids)) == text.encode()
    assert tokenizer.unknown(text) == []


@ALL
@pytest.mark.parametrize("special", [(), ("<|endoftext|>", "<human>")])
def test_a_description_in_json_gives_the_same_tokenizer(
    tokenizer: Tokenizer, special: tuple[str, ...]
) -> None:
    tokenizer = tokenizer.with_special(special)
    again = from_dict(json.loads(json.dumps(tokenizer.to_dict())))
    text = "".join(TEXTS_TO_LEARN) + "abc é\n"
    assert again.encode(text) == tokenizer.encode(text)
    assert (again.name, again.vocab_size) == (tokenizer.name, tokenizer.vocab_size)
    assert again.special_tokens == tokenizer.special_tokens
    assert again.to_dict() == tokenizer.to_dict()


@ALL
def test_special_tokens_come_last_and_text_never_becomes_one(tokenizer: Tokenizer) -> None:
    more = tokenizer.with_special(["<human>", "<bot>", "<human>"])
    assert more.special_tokens["<human>"] == tokenizer.vocab_size
    assert more.special_tokens["<bot>"] == tokenizer.vocab_size + 1 == more.vocab_size - 1
    text = "a<human>b<|endoftext|>c"
    assert not set(more.encode(text)) & set(more.special_tokens.values())
    assert more.encode(text) == tokenizer.encode(text)
    assert more.decode([more.special_tokens["<bot>"]]) == "<bot>"


def test_gpt2_gets_the_chat_tags_after_its_own() -> None:
    tokenizer = GPT2.with_special(["<|endoftext|>", "<human>", "<bot>", "<endOfText>"])
    assert tokenizer.special_tokens == {
        "<|endoftext|>": 50256, "<human>": 50257, "<bot>": 50258, "<endOfText>": 50259,
    }  # fmt: skip


def test_char_is_nanogpts_order_and_leaves_unknown_characters_out() -> None:
    tokenizer = train_char(["hello", " world"])
    assert tokenizer.to_dict()["characters"] == " dehlorw"
    assert tokenizer.decode(tokenizer.encode("hxello!x")) == "hello"
    assert tokenizer.unknown("hxello!x") == ["x", "!"]


def test_bpe_counts_bytes_and_special_tokens_and_repeats_itself() -> None:
    assert (BPE.name, BPE.vocab_size) == ("bpe:300", 300)
    assert BPE.special_tokens == {"<|endoftext|>": 299}
    assert len(BPE.encode("the cat")) < len("the cat")
    assert train_bpe(iter(TEXTS_TO_LEARN), 300, ["<|endoftext|>"]).to_dict() == BPE.to_dict()
    small = train_bpe(["ab ab"], 5000)
    assert small.vocab_size < 300
    assert small.name == f"bpe:{small.vocab_size}"


@pytest.mark.parametrize("size", [0, 256, 2**40])
def test_bpe_refuses_a_size_without_room(size: int) -> None:
    with pytest.raises(UsageError, match=f"bpe:{size}"):
        train_bpe(TEXTS_TO_LEARN, size, ["<|endoftext|>"])


@pytest.mark.parametrize("run", ["a", " ", "\n", " \n", "-", "7", "中"])
@pytest.mark.parametrize("tokenizer", [GPT2, BPE], ids=lambda t: t.name)
def test_a_run_without_breaks_neither_crashes_nor_hangs(tokenizer: Tokenizer, run: str) -> None:
    text = run * (1_000_000 // len(run)) + "x"
    assert tokenizer.decode(tokenizer.encode(text)) == text


@pytest.mark.parametrize("run", ["a", " ", "\n"])
def test_cutting_a_long_run_keeps_gpt2s_ids(run: str) -> None:
    text = "start" + run * 50_000 + "x"
    peer = tiktoken.Encoding(
        "gpt2", pat_str=PATTERNS["gpt2"], mergeable_ranks=RANKS_OF_GPT2, special_tokens={}
    )
    assert GPT2.encode(text) == peer.encode_ordinary(text)


def test_ids_without_a_token_and_broken_characters_are_no_crash() -> None:
    assert GPT2.decode([15496, 60_000, 995]) == "Hello world"
    assert BYTE.decode([195]) == "\ufffd"
    assert GPT2.decode(GPT2.encode("a\ud800b")) == "a\ufffdb"
    assert BYTE.decode(BYTE.encode("a\ud800b")) == "a\ufffdb"


def test_public_encodings_need_a_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    with pytest.raises(DataError) as error:
        named_tokenizer("cl100k_base")
    assert "cl100k_base" in error.value.message
    assert "TIKTOKEN_CACHE_DIR" in error.value.hint


def test_public_encodings_are_kept_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = tiktoken.Encoding(
        "o200k_base",
        pat_str=PATTERNS["o200k_base"],
        mergeable_ranks=RANKS_OF_GPT2,
        special_tokens={"<|endoftext|>": 50260},
    )
    monkeypatch.setattr(tiktoken, "get_encoding", lambda _: stand_in)
    tokenizer = named_tokenizer("o200k_base")
    assert (tokenizer.vocab_size, tokenizer.special_tokens) == (50261, {"<|endoftext|>": 50260})
    text = "Don't PANIC, it's 12345 o'clock\n\n  ok"
    assert from_dict(tokenizer.to_dict()).encode(text) == stand_in.encode_ordinary(text)


def test_a_file_or_a_dataset_names_a_tokenizer(tmp_path: Path) -> None:
    (tmp_path / "meta.json").write_text(json.dumps({"tokenizer": BPE.to_dict()}))
    (tmp_path / "char.json").write_text(json.dumps(CHAR.to_dict()))
    assert named_tokenizer(str(tmp_path)).to_dict() == BPE.to_dict()
    assert named_tokenizer(str(tmp_path / "char.json")).to_dict() == CHAR.to_dict()
    with pytest.raises(UsageError, match="gtp2"):
        named_tokenizer("gtp2")
    for content in ("", "[1", '"text"', '{"tokenizer": 3}'):
        (tmp_path / "bad.json").write_text(content)
        with pytest.raises(DataError, match=r"bad\.json"):
            named_tokenizer(str(tmp_path / "bad.json"))


def changed(**changes: object) -> dict[str, Any]:
    return BPE.to_dict() | changes


RANKS = BPE.to_dict()["ranks"]


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        {},
        {"kind": "words", "special_tokens": {}},
        {"kind": ["gpt2"], "special_tokens": {}},
        {"kind": "gpt2"},
        {"kind": "gpt2", "special_tokens": {"<x>": 3}},
        {"kind": "gpt2", "special_tokens": {"<x>": 2**40}},
        {"kind": "gpt2", "special_tokens": {"<x>": True}},
        {"kind": "gpt2", "special_tokens": {"<x>": 50300, "<y>": 50300}},
        {"kind": "gpt2", "special_tokens": {"\x1b[31m": 50300}},
        {"kind": "gpt2", "special_tokens": {"\ud800": 50300}},
        {"kind": "byte", "special_tokens": {"<x>": 255}},
        {"kind": "char", "special_tokens": {}},
        {"kind": "char", "special_tokens": {}, "characters": ""},
        {"kind": "char", "special_tokens": {}, "characters": ["a", "b"]},
        {"kind": "char", "special_tokens": {}, "characters": "aba"},
        {"kind": "char", "special_tokens": {}, "characters": "a\ud800"},
        {"kind": "char", "special_tokens": {"<x>": 1}, "characters": "ab"},
        changed(ranks=7),
        changed(ranks=RANKS + " !!!"),
        changed(ranks=RANKS + " "),
        changed(ranks=RANKS + " " + RANKS.split(" ")[0]),
        changed(ranks=RANKS.split(" ", 1)[1]),
        changed(pattern="(a+)+$"),
        changed(pattern=None),
        changed(name="bpe\n300"),
        changed(special_tokens={"<x>": 280}),
    ],
)
def test_a_corrupt_description_is_refused(content: object) -> None:
    with pytest.raises(DataError):
        from_dict(content)
