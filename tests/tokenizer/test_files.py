"""Tokenizers of other programs: their ids, and what is refused."""

import base64
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers, trainers

from nanogpt_cli.errors import DataError, UsageError
from nanogpt_cli.tokenizer.bpe import BPETokenizer, default_gpt2, gpt2_tokens, train_bpe
from nanogpt_cli.tokenizer.byte_alphabet import byte_alphabet
from nanogpt_cli.tokenizer.load import from_dict, named_tokenizer
from nanogpt_cli.tokenizer.patterns import PATTERNS

LEARNED = [
    "The cat sat on the mat, and it's 1234567 o'clock; we'LL see.\n\n\tdef f(x):\n        return x",
    "Zwölf Boxkämpfer jagen Viktor 12 über den großen Deich.  \r\n 你好，世界。 Привет, мир!",
] * 9
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def split(pattern: str, how: str = "isolated", invert: bool = False) -> Any:
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), how, invert),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


PRE: dict[str, Callable[[], Any]] = {
    "gpt2": lambda: pre_tokenizers.ByteLevel(add_prefix_space=False),
    "llama3": lambda: split(LLAMA3),
    "gpt4": lambda: split(LLAMA3, "removed", True),
    "qwen2": lambda: split(LLAMA3.replace("{1,3}", "")),
    "o200k": lambda: split(PATTERNS["o200k_base"]),
    "smollm": lambda: pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    ),
}


def original(pre: Any, special: tuple[str, ...] = ("<|begin|>", "<|endoftext|>")) -> Any:
    """Return a tokenizer of Hugging Face's, whose special tokens come first."""
    learned = tokenizers.Tokenizer(models.BPE())
    learned.pre_tokenizer, learned.decoder = pre, decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=list(special),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    learned.train_from_iterator(LEARNED, trainer)
    return learned


def texts(count: int) -> list[str]:
    """Return texts of all kinds of characters, among them what patterns look for."""
    draw = random.Random(7)
    every = [chr(i) for i in range(0x110000) if not 0xD800 <= i < 0xE000]
    edges = " \n\r\t\x0b\x85\xa0\u2003ab1234'sSdLl.,ſK你é\u0301"
    mixed = ["".join(draw.choices(edges, k=draw.randint(1, 60))) for _ in range(count)]
    wide = ["".join(draw.choices(every, k=40)) for _ in range(count // 4)]
    raw = [draw.randbytes(60).decode("utf-8", "replace") for _ in range(count // 4)]
    return [*LEARNED[:2], *mixed, *wide, *raw]


@pytest.mark.parametrize("name", PRE)
def test_a_tokenizer_json_gives_the_ids_of_the_original(name: str, tmp_path: Path) -> None:
    file, theirs = tmp_path / "tokenizer.json", original(PRE[name]())
    theirs.save(str(file))
    ours = named_tokenizer(str(file))
    assert ours.special_tokens == {"<|begin|>": 0, "<|endoftext|>": 1}
    assert (ours.name, ours.vocab_size) == (tmp_path.name, theirs.get_vocab_size())
    again = from_dict(json.loads(json.dumps(ours.to_dict())))
    for text in texts(400):
        ids = theirs.encode(text, add_special_tokens=False).ids
        assert ours.encode(text) == again.encode(text) == ids
        assert ours.decode(ids) == text
    assert named_tokenizer(str(tmp_path)).to_dict() == ours.to_dict()
    more = ours.with_special(["<human>"])
    assert more.special_tokens["<human>"] == ours.vocab_size
    assert more.encode(LEARNED[0]) == ours.encode(LEARNED[0])


def gpt2_json(tokens: list[bytes], every_pair: bool) -> dict[str, Any]:
    """Return a tokenizer.json of these tokens; with every pair that makes one, as Llama 3's."""
    letter = {byte: character for character, byte in byte_alphabet().items()}
    written = ["".join(letter[bytes([b])] for b in token) for token in tokens]
    known = {token: i for i, token in enumerate(written)}
    merges = []
    for token in written[256:]:
        pairs = [(token[:i], token[i:]) for i in range(1, len(token))]
        pairs = [pair for pair in pairs if pair[0] in known and pair[1] in known]
        pairs.sort(key=lambda pair: (known[pair[0]], known[pair[1]]))
        merges += [list(pair) for pair in (pairs if every_pair else pairs[:1])]
    return {
        "added_tokens": [{"id": len(tokens), "content": "<|endoftext|>", "special": True}],
        "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True},
        "model": {"type": "BPE", "vocab": known, "merges": merges},
    }


def test_gpt2s_own_files_are_gpt2(tmp_path: Path) -> None:
    tokens, expected = gpt2_tokens(), default_gpt2().to_dict()
    ranks = b"".join(base64.b64encode(t) + b" %d\n" % i for i, t in enumerate(tokens))
    (tmp_path / "r50k_base.tiktoken").write_bytes(ranks)
    (tmp_path / "mine.tiktoken").write_bytes(ranks)
    assert named_tokenizer(str(tmp_path / "r50k_base.tiktoken")).to_dict() == expected
    assert named_tokenizer(f"{tmp_path / 'mine.tiktoken'}:gpt2").name == "gpt2"


@pytest.mark.long
def test_gpt2s_tokenizer_json_is_gpt2(tmp_path: Path) -> None:
    content = gpt2_json(gpt2_tokens(), every_pair=True)
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    assert named_tokenizer(str(tmp_path)).to_dict() == default_gpt2().to_dict()


def ranks_of(tokenizer: BPETokenizer) -> tuple[list[bytes], bytes]:
    tokens = [tokenizer.token_bytes(i) for i in range(tokenizer.vocab_size)]
    return tokens, b"".join(base64.b64encode(t) + b" %d\n" % i for i, t in enumerate(tokens))


def test_a_file_of_ranks_gives_tiktokens_ids(tmp_path: Path) -> None:
    import tiktoken

    tokens, ranks = ranks_of(train_bpe(LEARNED, 400))
    last = len(tokens) - 1
    gap = ranks.replace(b" %d\n" % last, b" 500\n")
    file = tmp_path / "own.tiktoken"
    for data, pattern in ((ranks, "cl100k_base"), (ranks, "o200k_base"), (gap, "llama3")):
        file.write_bytes(data)
        ours = named_tokenizer(f"{file}:{pattern}")
        spelled = LLAMA3 if pattern == "llama3" else PATTERNS[pattern]
        there = {token: i for i, token in enumerate(tokens)}
        there |= {tokens[last]: 500} if data is gap else {}
        theirs = tiktoken.Encoding("x", pat_str=spelled, mergeable_ranks=there, special_tokens={})
        for text in texts(200):
            assert ours.encode(text) == theirs.encode_ordinary(text)
        assert from_dict(ours.to_dict()).encode(LEARNED[1]) == ours.encode(LEARNED[1])
        assert ours.name == "own"
    with pytest.raises(DataError, match=r"own\.tiktoken.*how text is cut") as error:
        named_tokenizer(str(file))
    assert "FILE:PATTERN" in error.value.hint
    with pytest.raises(UsageError):
        named_tokenizer(f"{file}:words")


def test_a_published_name_with_other_ranks_has_no_special_tokens(tmp_path: Path) -> None:
    file = tmp_path / "cl100k_base.tiktoken"
    file.write_bytes(ranks_of(train_bpe(LEARNED, 300))[1])
    with pytest.raises(DataError, match="how text is cut"):
        named_tokenizer(str(file))


GOOD = gpt2_json(ranks_of(train_bpe(LEARNED, 300))[0], every_pair=True)
SPACES = {"id": 900, "content": "    ", "special": False}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"model": {"type": "Unigram", "vocab": []}}, "Unigram model"),
        ({"model": 3}, "its model is not an object"),
        ({"normalizer": {"type": "NFC"}}, "normalizer"),
        ({"pre_tokenizer": None}, "does not cut text"),
        ({"pre_tokenizer": {"type": "Metaspace"}}, "Metaspace"),
        ({"pre_tokenizer": {"type": "Sequence", "pretokenizers": []}}, "pre_tokenizer"),
        ({"pre_tokenizer": {"type": "Sequence", "pretokenizers": 3}}, "list of steps"),
        ({"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True}}, "prefix"),
        ({"added_tokens": [SPACES]}, "out of text before all else"),
        ({"added_tokens": [{"id": "7", "content": "<x>", "special": True}]}, "not an id"),
        ({"added_tokens": [{"id": 5, "content": "<x>", "special": True}]}, "special token has"),
        ({"added_tokens": 3}, "added_tokens"),
    ],
)
def test_another_kind_of_tokenizer_json_is_refused(
    changes: dict[str, Any], problem: str, tmp_path: Path
) -> None:
    file = tmp_path / "theirs.json"
    file.write_text(json.dumps(GOOD | changes))
    with pytest.raises(DataError, match=problem) as error:
        named_tokenizer(str(file))
    assert str(file) in error.value.message
    assert error.value.hint


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("vocab", 3, "vocab"),
        ("vocab", GOOD["model"]["vocab"] | {"zq zq": 990}, "not made of bytes"),
        ("vocab", GOOD["model"]["vocab"] | {"zqzq": 990}, "no merges lead to: 'zqzq'"),
        ("vocab", GOOD["model"]["vocab"] | {"zqzq": 1}, "same id"),
        ("vocab", GOOD["model"]["vocab"] | {"zqzq": -1}, "not an id"),
        ("vocab", {k: v for k, v in GOOD["model"]["vocab"].items() if k != "!"}, "lacks tokens"),
        ("merges", 3, "merges"),
        ("merges", [["a"]], "not a pair"),
        ("merges", [["a", 3]], "not a pair"),
        ("dropout", 0.1, "dropout"),
        ("end_of_word_suffix", "</w>", "end_of_word_suffix"),
    ],
)
def test_a_model_that_is_not_bpe_of_bytes_is_refused(
    name: str, value: object, problem: str, tmp_path: Path
) -> None:
    file = tmp_path / "theirs.json"
    file.write_text(json.dumps(GOOD | {"model": GOOD["model"] | {name: value}}))
    with pytest.raises(DataError, match=problem):
        named_tokenizer(str(file))


def test_other_files_are_no_tokenizers(tmp_path: Path) -> None:
    for data in (b"\n\x0e\n\x05<unk>\0\0", b"YQ== 0\nYg== x\n", b"YQ== 0\nYQ== 1\n", b"YQ== 0"):
        file = tmp_path / "tokenizer.model"
        file.write_bytes(data)
        with pytest.raises(DataError, match=r"tokenizer\.model"):
            named_tokenizer(f"{file}:gpt2")


def test_normalised_text_would_have_other_ids(tmp_path: Path) -> None:
    theirs = original(PRE["gpt2"]())
    theirs.normalizer = normalizers.NFC()
    theirs.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(DataError, match="normalizer"):
        named_tokenizer(str(tmp_path))


@pytest.mark.parametrize("ids", [3, [[0]], [[0, 256]], [[0, 200], [100, 200]], [[2**40, 400]], []])
def test_corrupt_ids_are_refused(ids: object) -> None:
    tokenizer = train_bpe(LEARNED, 400)
    content = tokenizer.to_dict() | {"ids": ids}
    with pytest.raises(DataError, match="ids"):
        from_dict(content)
