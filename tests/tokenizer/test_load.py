"""Tokenizers by name, from files, and from descriptions that may be corrupt."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from nanogpt_cli.errors import DataError, UsageError
from nanogpt_cli.tokenizer.load import CharTokenizer, from_dict, named_tokenizer, train_bpe

BPE = train_bpe(["the cat sat on the mat and the hat "] * 20, 270, ["<|endoftext|>"])
CHAR = CharTokenizer("abc é\n")
RANKS = BPE.to_dict()["ranks"]


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
        changed(special_tokens={"<x>": 260}),
    ],
)
def test_a_corrupt_description_is_refused(content: object) -> None:
    with pytest.raises(DataError):
        from_dict(content)


def test_a_pipe_or_a_device_is_no_tokenizer() -> None:
    os.mkfifo("pipe")
    Path("folder").mkdir()
    Path("folder/meta.json").symlink_to("/dev/zero")
    for name in ("pipe", "/dev/zero", "folder"):
        with pytest.raises(DataError, match=f"from {name}.*: it is not a regular file") as error:
            named_tokenizer(name)
        assert "permissions" in error.value.hint
    with pytest.raises(UsageError, match="unknown --tokenizer"):
        named_tokenizer("x" * 5000)
