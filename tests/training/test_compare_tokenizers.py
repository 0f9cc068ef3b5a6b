"""Tokenizers tried on a text, with and without training."""

import json
import random
import re
from pathlib import Path

import pytest

from nanogpt_cli import cli
from nanogpt_cli.data.prepare import PrepareOptions
from nanogpt_cli.tokenizer.choice import candidates, why_suited
from nanogpt_cli.training.compare_tokenizers import compare_tokenizers

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def write(name: str = "a.txt") -> str:
    draw = random.Random(1)
    words = ["".join(draw.choices(LETTERS, k=draw.randint(1, 8))) for _ in range(900)]
    Path(name).write_text(" ".join(draw.choices(words, k=4000)))
    return name


def test_the_table_names_what_auto_takes(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["prepare", write(), "--compare-tokenizers", "--tokenizer", "byte"]) == 0
    out, err = capsys.readouterr()
    rows = [line.split() for line in out.splitlines()]
    assert [row[0] for row in rows] == ["tokenizer", "char", "bpe:512", "gpt2", "byte"]
    assert rows[1][1] == "(auto)"
    assert rows[1][2:4] == [str(len(set(Path("a.txt").read_text()))), "1.00"]
    assert "--time" in err
    assert not Path("data").exists()


@pytest.mark.long
def test_after_training_with_each_the_best_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["prepare", write(), "--compare-tokenizers", "--time", "0.2s", "--json"]
    assert cli.run(command) == 0
    out, _ = capsys.readouterr()
    tried = json.loads(out)["tokenizers"]
    assert [one["tokenizer"] for one in tried] == ["char", "bpe:512", "gpt2"]
    assert all(0 < one["bits_per_byte"] < 16 and one["steps"] > 0 for one in tried)
    assert tried[2]["parameters"] > tried[0]["parameters"]
    assert tried[0]["bytes_per_token"] == pytest.approx(1)
    assert [p.name for p in Path().iterdir()] == ["a.txt"]


def test_a_share_of_the_head_grows_with_the_vocabulary() -> None:
    tried = compare_tokenizers(PrepareOptions((write(),), None))
    shares = [one.head_share for one in tried]
    assert shares == sorted(shares)
    assert shares[-1] > 0.9
    assert [one.suited for one in tried] == [True, False, False]


def test_time_alone_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["prepare", write(), "--time", "9s"]) == 2
    assert "--compare-tokenizers" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("suited", "names"),
    [
        ("char", ["char", "bpe:512", "gpt2"]),
        ("bpe:2048", ["char", "bpe:1024", "bpe:2048", "bpe:4096", "gpt2"]),
        ("gpt2", ["char", "bpe:8192", "gpt2"]),
    ],
)
def test_neighbours_of_what_suits_are_tried(suited: str, names: list[str]) -> None:
    assert candidates(suited) == names


@pytest.mark.parametrize(
    ("name", "size", "reason"),
    [
        ("char", 90_000, r"90 kB.* too little"),
        ("bpe:2048", 6_144_000, r"6\.1 MB.* about 1,000 times.* gpt2's 50,257 31 times"),
        ("bpe:512", 300_000, r"once or never"),
        ("gpt2", 10**9, r"1\.0 GB"),
    ],
)
def test_auto_gives_its_reason(name: str, size: int, reason: str) -> None:
    assert re.search(reason, why_suited(name, size))
