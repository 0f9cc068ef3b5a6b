"""Text becomes the same ids whatever pieces it comes in, and the files hold them."""

from pathlib import Path

import numpy as np
import pytest
from datasets import CHAT, PROSE, ids, meta, run, tokenizer, write
from hypothesis import given, settings
from hypothesis import strategies as st

from nanogpt_cli.data.encode import cut_safely, encode_file
from nanogpt_cli.data.formats.base import Piece
from nanogpt_cli.data.split import Split
from nanogpt_cli.data.write import write_tokens
from nanogpt_cli.errors import DataError
from nanogpt_cli.tokenizer.bpe import BPETokenizer, default_gpt2, train_bpe
from nanogpt_cli.tokenizer.load import from_dict
from nanogpt_cli.tokenizer.patterns import PATTERNS

GPT2 = default_gpt2()
TOKENS = [GPT2.token_bytes(i) for i in range(50256)]
TOKENIZERS = {
    "gpt2": GPT2,
    "bpe": train_bpe([PROSE], 400),
    "cl100k_base": BPETokenizer("cl100k_base", TOKENS, PATTERNS["cl100k_base"], {}),
    "o200k_base": BPETokenizer("o200k_base", TOKENS, PATTERNS["o200k_base"], {}),
}
SNIPPETS = st.sampled_from(
    ["a", "don't", "I'LL", "Wort", "中文", "。", ",", ".", "!", "_", "12345", "²", "e\u0301", "🙂",
     " ", "  ", "\n", "\n\n", "\r\n", "\t", "\xa0", "\x1c", "/", "\u200b", "x"]
)  # fmt: skip


@pytest.mark.parametrize("kind", TOKENIZERS)
@settings(max_examples=300, deadline=None)
@given(text=st.lists(SNIPPETS, max_size=25).map("".join), size=st.integers(1, 7))
def test_pieces_give_the_ids_of_the_whole(kind: str, text: str, size: int) -> None:
    tokenizer = TOKENIZERS[kind]
    pieces = list(cut_safely(text[i : i + size] for i in range(0, len(text), size)))
    assert "".join(pieces) == text
    assert [i for piece in pieces for i in tokenizer.encode(piece)] == tokenizer.encode(text)


def test_text_is_cut_where_it_may_be_and_at_last_anywhere() -> None:
    assert list(cut_safely(["some wo", "rds, he", "re"])) == ["some", " words,", " here"]
    assert list(cut_safely(["aaa"] * 5, longest=6)) == ["aaaaaa", "aaaaaa", "aaa"]


@pytest.mark.parametrize(("batch", "workers"), [(1, 1), (50, 3), (1000, 8)])
def test_small_batches_and_many_workers_change_nothing(
    batch: int, workers: int, tmp_path: Path
) -> None:
    whole = PROSE + "Grüße, 中文。🙂\n" * 30
    parts: list[tuple[Split, Piece]] = [("train", whole), ("val", PROSE)]
    pieces: list[tuple[Split, Piece]] = [
        (split, str(part)[i : i + 7]) for split, part in parts for i in range(0, len(str(part)), 7)
    ]
    write_tokens(tmp_path, pieces, GPT2, separated=False, batch=batch, workers=workers)
    for split, part in parts:
        written = np.fromfile(tmp_path / f"{split}.bin", dtype=np.uint16)
        assert written.tolist() == GPT2.encode(str(part))


@pytest.mark.parametrize(
    ("count", "dtype"), [(65_535, "uint16"), (65_536, "uint16"), (65_537, "uint32")]
)
def test_ids_that_do_not_fit_16_bits_take_32(count: int, dtype: str) -> None:
    text = "".join(chr(0x10000 + i) for i in range(count))
    run(write("a.txt", text), tokenizer="char", val_fraction=0.5)
    assert meta()["dtype"] == dtype
    assert ids("val")[-1] == count - 1
    assert tokenizer().decode(ids("train") + ids("val")) == text


def test_5_a_special_token_in_the_text_is_text() -> None:
    text = PROSE + "<|endoftext|> <human>" * 100
    run(write("a.txt", text), tokenizer="gpt2")
    assert 50256 not in ids("train") + ids("val")
    assert tokenizer().decode(ids("train") + ids("val")) == text


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("chat.txt", CHAT),
        ("chat.txt", "\ufeff" + CHAT.replace("\n", "\r\n")),
        ("docs.jsonl", '{"text": "some words"}\n{"text": "and others"}\n' * 20),
        ("a.txt", "\ufeff" + PROSE.replace("\n", "\r\n")),
    ],
)
def test_a_file_is_encoded_as_prepare_writes_it(name: str, content: str) -> None:
    run(write(name, content), tokenizer="byte", val_fraction=0.5)
    encoded, unknown = encode_file(name, tokenizer())
    assert unknown == []
    if name == "a.txt":
        assert encoded == ids("train") + ids("val")
    else:  # whole documents, drawn for one split or the other
        assert sorted(encoded) == sorted(ids("train") + ids("val"))
        assert encoded[: encoded.index(tokenizer().special_tokens["<|endoftext|>"]) + 1] in (
            _documents(ids("train")) + _documents(ids("val"))
        )


def _documents(tokens: list[int]) -> list[list[int]]:
    end, found = tokenizer().special_tokens["<|endoftext|>"], [[]]
    for token in tokens:
        found[-1].append(token)
        if token == end:
            found.append([])
    return found


def test_without_special_tags_a_file_is_encoded_as_it_stands() -> None:
    plain = from_dict({"kind": "char", "characters": "Te\n:", "special_tokens": {}})
    text = "<human>Te<endOfText>\n"
    encoded, unknown = encode_file(write("a.txt", text), plain)
    assert plain.decode(encoded) == "".join(c for c in text if c in "Te\n:")
    assert set(unknown) == set(text) - set("Te\n:")
    write("a.jsonl", '{"prompt": "T", "completion": "e"}')
    with pytest.raises(DataError, match="no tags"):
        encode_file("a.jsonl", plain)
