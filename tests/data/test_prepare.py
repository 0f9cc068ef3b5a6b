"""What `prepare` makes of an input: nanoGPT's bytes, meta.json, tokenizers, notes and errors."""

import hashlib
import io
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
import tiktoken
from conftest import SHARED_DATA
from datasets import CHAT, OUT, PROSE, ids, leftovers, meta, run, tokenizer, write
from tiktoken_ext.openai_public import r50k_pat_str

from nanogpt_cli.data import sources
from nanogpt_cli.data.given import Progress
from nanogpt_cli.data.prepare import PrepareOptions, prepare
from nanogpt_cli.data.store import open_dataset
from nanogpt_cli.errors import DataError, UsageError
from nanogpt_cli.registry import TOKENIZERS
from nanogpt_cli.text import byte_size
from nanogpt_cli.tokenizer.base import TokenizerKind, Vocabulary, text_field
from nanogpt_cli.tokenizer.load import default_gpt2

SHAKESPEARE = SHARED_DATA / "tinyshakespeare.txt"


def as_nanogpt(text: str, kind: str, folder: Path) -> None:
    """Write what nanoGPT's data/shakespeare_char and data/shakespeare scripts write."""
    n = len(text)
    splits = {"train": text[: int(n * 0.9)], "val": text[int(n * 0.9) :]}
    if kind == "char":
        stoi = {ch: i for i, ch in enumerate(sorted(set(text)))}
        encoded = {name: [stoi[c] for c in part] for name, part in splits.items()}
    else:
        gpt2 = default_gpt2()
        ranks = {gpt2.token_bytes(i): i for i in range(50256)}
        encode = tiktoken.Encoding(
            "gpt2", pat_str=r50k_pat_str, mergeable_ranks=ranks, special_tokens={}
        ).encode_ordinary
        encoded = {name: encode(part) for name, part in splits.items()}
    folder.mkdir()
    for name, content in encoded.items():
        np.array(content, dtype=np.uint16).tofile(folder / f"{name}.bin")


@pytest.mark.parametrize("kind", ["char", "gpt2"])
@pytest.mark.parametrize("text", [PROSE, PROSE + "naïve — 中文 🙂\r\n\0 end"])
def test_one_text_gives_nanogpts_bytes(kind: str, text: str, tmp_path: Path) -> None:
    run(write("a.txt", text), tokenizer=kind)
    as_nanogpt(text, kind, tmp_path / "theirs")
    for name in ("train.bin", "val.bin"):
        assert (OUT / name).read_bytes() == (tmp_path / "theirs" / name).read_bytes()


@pytest.mark.skipif(not SHAKESPEARE.exists(), reason="shared data is not here")
@pytest.mark.parametrize(
    ("kind", "counts"), [("char", (1_003_854, 111_540, 65)), ("gpt2", (301_966, 36_059, 50_257))]
)
def test_tinyshakespeare_has_nanogpts_counts(
    kind: str, counts: tuple[int, int, int], tmp_path: Path
) -> None:
    result = run(str(SHAKESPEARE), tokenizer=kind)
    assert (result.train_tokens, result.val_tokens, result.vocab_size) == counts
    as_nanogpt(SHAKESPEARE.read_text(encoding="utf-8"), kind, tmp_path / "theirs")
    for name in ("train.bin", "val.bin"):
        assert (OUT / name).read_bytes() == (tmp_path / "theirs" / name).read_bytes()


def test_meta_says_what_is_there() -> None:
    result = run(write("a.txt", PROSE), tokenizer="char", seed=7)
    content = meta()
    assert content["format"] == "nanogpt-dataset"
    assert content["version"] == 1
    assert (content["chat_format"], content["dtype"], content["seed"]) == (None, "uint16", 7)
    assert content["sources"] == ["a.txt"]
    assert content["bytes"] == result.bytes == len(PROSE)
    assert content["documents"] == result.documents == 1
    for split in ("train", "val"):
        data = (OUT / f"{split}.bin").read_bytes()
        assert content[split]["sha256"] == hashlib.sha256(data).hexdigest()
        assert content[split]["tokens"] == content[split]["bytes"] == len(data) // 2
    assert sorted(os.listdir(OUT)) == ["meta.json", "train.bin", "val.bin"]
    assert set(result.to_dict()) >= {
        "out", "train_tokens", "val_tokens", "vocab_size", "bytes", "seconds", "documents", "notes",
    }  # fmt: skip
    json.dumps(result.to_dict())


def test_conversations() -> None:
    run(write("chat.txt", CHAT), tokenizer="gpt2")
    special = tokenizer().special_tokens
    assert special == {
        "<|endoftext|>": 50256, "<human>": 50257, "<bot>": 50258, "<endOfText>": 50259,
    }  # fmt: skip
    assert meta()["chat_format"] == {"human": "<human>", "bot": "<bot>", "end": "<endOfText>"}
    assert meta()["documents"] == 40
    one = [
        50257,
        *tokenizer().encode("How are you?"),
        50259,
        50258,
        *tokenizer().encode("Fine."),
        50259,
        50256,
    ]
    assert ids("val")[: len(one)] == one
    assert meta()["vocab_size"] == 50260


@pytest.mark.parametrize(
    ("inputs", "name"), [((), "demo"), (("dir/book.txt",), "book"), (("dir",), "dir")]
)
def test_the_default_folder(
    inputs: tuple[str, ...], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("dir/book.txt", PROSE)
    write("demo.txt", CHAT * 20)
    monkeypatch.setattr(sources, "demo_corpus", lambda: Path("demo.txt"))
    result = prepare(PrepareOptions(inputs))
    assert result.out == Path("data", name)
    assert result.tokenizer == "char"


def test_a_glob_names_the_dataset_after_its_first_file() -> None:
    write("texts/b.txt", PROSE)
    write("texts/a.txt", PROSE)
    assert prepare(PrepareOptions(("texts/*.txt",), tokenizer="char")).out == Path("data/a")
    assert prepare(PrepareOptions(("texts",), tokenizer="char")).out == Path("data/texts")


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("..txt", "text"),
        ("...txt", "text"),
        (".hidden.txt", "hidden"),
        (".new-dataset.txt", "new-dataset"),
        ("s" * 251 + ".txt", "s" * 251),
    ],
)
def test_a_name_after_which_no_folder_can_be_named(name: str, stem: str) -> None:
    assert prepare(PrepareOptions((write(name, PROSE),), tokenizer="char")).out == Path(
        "data", stem
    )
    assert [path.name for path in Path("data").iterdir()] == [stem]


def test_progress_is_reported_and_ends_at_the_end() -> None:
    seen: list[Progress] = []
    prepare(PrepareOptions((write("a.txt", PROSE),), OUT, tokenizer="bpe:300"), seen.append)
    assert list(dict.fromkeys(p.phase for p in seen)) == ["reading", "learning", "tokenizing"]
    assert all(p.total == len(PROSE) for p in seen)
    assert seen[-1].done == len(PROSE)


@pytest.mark.parametrize(
    "option",
    [
        {"format": "xml"},
        {"errors": "ignore"},
        {"workers": -1},
    ],
)
def test_options_out_of_range(option: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        PrepareOptions(**option)


# Tokenizers


def test_bpe_learns_from_the_training_text_and_says_when_it_is_small() -> None:
    result = run(write("a.txt", PROSE), tokenizer="bpe:300")
    assert (result.tokenizer, result.vocab_size) == ("bpe:300", 300)
    result = run("a.txt", tokenizer="bpe:9000", force=True)
    assert result.vocab_size < 1000
    assert any("bpe:9000" in note for note in result.notes)


@pytest.mark.parametrize("kind", ["bpe:x", "bpe:", "bpe:-5", "bpe:12", "gtp2"])
def test_a_tokenizer_that_is_none_is_refused(kind: str) -> None:
    with pytest.raises(UsageError, match=kind):
        run(write("a.txt", PROSE), tokenizer=kind)
    assert not OUT.exists()


def test_a_tokenizer_of_another_dataset() -> None:
    run(write("a.txt", PROSE), tokenizer="char")
    OUT.rename("data/first")
    run(write("b.txt", PROSE[:500]), tokenizer="data/first")
    assert meta()["tokenizer"] == json.loads(Path("data/first/meta.json").read_text())["tokenizer"]
    with pytest.raises(DataError, match="no token for 2 characters"):
        run(write("c.txt", PROSE + "é中"), tokenizer="data/first", force=True)


def test_the_vocabulary_of_chars_is_that_of_the_whole_input() -> None:
    run(write("a.txt", "ab" * 50 + "z!" * 3), tokenizer="char")
    assert tokenizer().to_dict()["characters"] == "!abz"


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (PROSE, "char"),
        (PROSE * 90, "bpe:"),
        (PROSE + "".join(map(chr, range(0x4E00, 0x4F00))), "bpe:"),
        ("Эх, дороги, пыль да туман. " * 100, "char"),
    ],
)
def test_the_text_decides_which_tokenizer(content: str, name: str) -> None:
    result = run(write("a.txt", content))
    assert result.tokenizer.startswith(name)
    (note,) = (note for note in result.notes if note.startswith("tokenizer "))
    assert note.split(" of text")[0].endswith(byte_size(len(content.encode())))


def test_the_size_of_a_pipe_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(PROSE.encode() * 90)))
    assert run("-").tokenizer.startswith("bpe:")


def test_the_text_of_records_is_what_counts() -> None:
    records = [{"text": PROSE, "embedding": "0" * 300_000}] * 2
    result = run(write("a.jsonl", "\n".join(map(json.dumps, records))), val_fraction=0.5)
    assert result.tokenizer == "char"
    assert result.notes[0].startswith("tokenizer char: 8.1 kB of text is too little")


def test_a_vocabulary_too_large_is_said_aloud() -> None:
    assert any("50,257" in note for note in run(write("a.txt", PROSE), tokenizer="gpt2").notes)
    assert run("a.txt", tokenizer="char", force=True).notes == []


# A kind of tokenizer from outside of the package


class PairTokenizer(Vocabulary):
    """One id per pair of characters; an unknown pair is left out."""

    open_vocabulary = True

    def __init__(self, pairs: Sequence[str], special_tokens: Mapping[str, int]) -> None:
        super().__init__("pairs", [pair.encode() for pair in pairs], special_tokens)
        self.pairs = list(pairs)

    def encode(self, text: str) -> list[int]:
        found = [text[i : i + 2] for i in range(0, len(text), 2)]
        return [self.pairs.index(pair) for pair in found if pair in self.pairs]

    def to_dict(self) -> dict[str, Any]:
        special = self.special_tokens
        return {"kind": "pairs", "pairs": "|".join(self.pairs), "special_tokens": special}

    def replace_special(self, special_tokens: Mapping[str, int]) -> Self:
        return type(self)(self.pairs, special_tokens)


def learn_pairs(texts: Iterable[str], argument: str, special: Sequence[str]) -> PairTokenizer:
    whole = "".join(texts)
    pairs = sorted({whole[i : i + 2] for i in range(0, len(whole), 2)})
    return PairTokenizer(pairs[: int(argument)], {}).with_special(special)


def rebuild_pairs(content: Mapping[str, Any], special: Mapping[str, int]) -> PairTokenizer:
    return PairTokenizer(text_field(content, "pairs").split("|"), special)


@pytest.fixture
def pairs() -> Iterator[None]:
    TOKENIZERS.register(
        "pairs", TokenizerKind(learn=learn_pairs, rebuild=rebuild_pairs, argument="N")
    )
    yield
    TOKENIZERS.unregister("pairs")


@pytest.mark.usefixtures("pairs")
def test_a_kind_of_tokenizer_from_outside_is_learned_and_rebuilt() -> None:
    run(write("a.txt", "abcdab" * 50), tokenizer="pairs:9", val_fraction=0.5)
    opened = open_dataset(OUT)
    assert (opened.tokenizer.name, opened.vocab_size) == ("pairs", 2)
    assert opened.train.tolist() == [0, 1, 0] * 25
    assert opened.tokenizer.decode(opened.val.tolist()) == "abcdab" * 25
    run(write("b.txt", "cdcd" * 50), tokenizer=str(OUT), force=True)
    assert set(open_dataset(OUT).train.tolist()) == {1}


def test_an_unknown_kind_of_tokenizer_is_refused_with_what_there_is() -> None:
    with pytest.raises(UsageError, match="pairs:9") as error:
        run(write("a.txt", PROSE), tokenizer="pairs:9")
    assert "gpt2, char, byte, bpe:N, cl100k_base, o200k_base" in error.value.hint


# What is said of it


def test_examples_are_what_is_trained_on() -> None:
    result = run(write("chat.txt", CHAT), tokenizer="byte")
    assert result.examples == ["<human>And now?<endOfText><bot>Still fine.<endOfText><|endoftext|>"]
    assert (result.kind, result.conversations, result.turns) == ("dialogue", 40, 80)
    text = "".join(f"This is line {i}, é.\n" for i in range(1000))
    first, second = run(write("b.txt", text), tokenizer="byte", force=True).examples
    assert text.startswith(first)
    assert re.match(r"This is line 4\d\d", second)
    assert second in text
    (only,) = run(write("c.txt", text[:120]), tokenizer="byte", force=True).examples
    assert text.startswith(only)


@pytest.mark.parametrize("tokenizer", ["char", "byte", "gpt2", "bpe:300"])
def test_an_example_is_whole_characters(tokenizer: str) -> None:
    result = run(write("a.txt", "大家好，世界。" * 5000), tokenizer=tokenizer)
    assert all(example.startswith("大家好") for example in result.examples[:1])
    assert not any("\ufffd" in example for example in result.examples)


def test_conversations_that_may_be_stuck_together_are_mentioned() -> None:
    turns = "<human>How are you?<endOfText>\n<bot>Fine.<endOfText>\n" * 7000
    assert any(
        note.startswith("all 14,000 turns are one conversation of 119 kB; in tagged text, a blank")
        for note in run(write("a.txt", turns), tokenizer="byte").notes
    )
    notes = run(write("b.txt", f"{turns}\n{CHAT}"), tokenizer="byte", force=True).notes
    assert any(note.startswith("the longest conversation has 119 kB") for note in notes)
    notes = run(write("c.txt", turns[:90_000]), tokenizer="byte", force=True).notes
    assert not any("conversation" in note for note in notes)


# What can go wrong (the numbers are the fault matrix's)


@pytest.mark.parametrize("content", [b"", b" \n\t\r\n", b"\xef\xbb\xbf", b"<human> <endOfText>\n"])
def test_2_no_text(content: bytes) -> None:
    with pytest.raises(DataError, match=r"a\.txt"):
        run(write("a.txt", content))
    assert not OUT.exists()


@pytest.mark.parametrize("text", ["a", "abcd", "a" * 126])
def test_6_too_short(text: str) -> None:
    with pytest.raises(DataError, match=f"too little text: {len(text) // 2} tokens") as error:
        run(write("a.txt", text), tokenizer="byte", val_fraction=0.5)
    assert "more text" in error.value.hint
    assert not OUT.exists()
    assert leftovers() == []


def test_7_no_validation() -> None:
    with pytest.raises(DataError, match="1 for validation") as error:
        run(write("a.txt", PROSE), tokenizer="byte", val_fraction=0.0001)
    assert "--val-fraction" in error.value.hint
    assert not OUT.exists()


@pytest.mark.parametrize("fraction", [0.0, -0.1, 1.0, float("nan")])
def test_7_a_fraction_without_validation_is_a_usage_error(fraction: float) -> None:
    with pytest.raises(UsageError, match="--val-fraction") as error:
        PrepareOptions(val_fraction=fraction)
    assert "above 0 and below 1" in error.value.hint
