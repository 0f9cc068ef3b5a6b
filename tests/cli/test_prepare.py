"""`nanogpt prepare` as a user drives it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len

from nanogpt_cli.cli import run

TEXT = "It was the best of times, it was the worst of times.\n" * 100


@pytest.fixture(autouse=True)
def _text() -> None:
    Path("book.txt").write_text(TEXT)


def test_json_is_all_there_is_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["prepare", "book.txt", "--val_fraction=0.2", "--tokenizer", "char", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    seconds = document.pop("seconds")
    assert seconds >= 0
    assert document.pop("report").keys() >= {"documents", "exact_copies", "near_copies", "warnings"}
    assert document == {
        "out": "data/book",
        "tokenizer": "char",
        "train_tokens": 4240,
        "val_tokens": 1060,
        "vocab_size": len(set(TEXT)),
        "bytes": len(TEXT),
        "documents": 1,
        "kind": "text",
        "conversations": 0,
        "turns": 0,
        "loss_on": "all",
        "train_bytes": 4240,
        "trained_tokens": 4240,
        "examples": [TEXT[:300]],
        "notes": [],
        "rendered": [],
    }


def test_the_summary_goes_to_stderr_with_the_next_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["prepare", "book.txt", "--out", "data/my book"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "tokens" in err
    assert "note: tokenizer char: 5.3 kB of text is too little to learn more than" in err
    assert "kind  text, 1 document\n" in err
    assert "nanogpt train --data-dir 'data/my book'" in err


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["nowhere.txt"], 3, "nowhere.txt"),
        (["book.txt", "--val-fraction", "0"], 2, "--val-fraction"),
        (["book.txt", "--val-fraction", "0.00001"], 3, "too little text"),
        (["book.txt", "--val-fraction", "nan"], 2, "--val-fraction"),
        (["book.txt", "--tokenizer", "gtp2"], 2, "gtp2"),
        (["book.txt", "--format", "xml"], 2, "xml"),
        (["book.txt", "--out", "book.txt"], 2, "book.txt"),
        (["book.txt", "--tokenizer", "book.txt"], 3, "book.txt"),
        (["book.txt", "--out", "/proc/nanogpt"], 5, "/proc/nanogpt"),
        (["book.txt", "--out", "n" * 300], 5, "name too long"),
        (["book.txt", "--tokenizer", "/dev/zero"], 3, "not a regular file"),
        (["/dev/zero"], 3, "is a device"),
        (["n" * 300], 3, "no file or folder"),
    ],
)
def test_errors_are_two_lines_and_a_code(
    args: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["prepare", *args]) == code
    out, err = capsys.readouterr()
    assert out == ""
    error, hint = err.strip().splitlines()
    assert error.startswith("error: ")
    assert message in error
    assert hint.startswith("hint: ")
    assert list(Path().glob("data/*")) == []


def test_a_second_run_needs_force(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["prepare", "book.txt", "-q"]) == 0
    assert run(["prepare", "book.txt", "-q"]) == 2
    assert "--force" in capsys.readouterr().err
    assert run(["prepare", "book.txt", "-q", "--force"]) == 0


def test_a_pipe(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-m", "nanogpt_cli", "prepare", "-", "--tokenizer", "byte", "--json"],
        input=TEXT.encode(),
        capture_output=True,
        env={"PYTHONPATH": str(root), "PATH": "", "HOME": str(tmp_path)},
        check=True,
    )
    assert json.loads(done.stdout)["out"] == "data/stdin"
    assert b"\x1b" not in done.stderr


def test_the_demo_corpus(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["prepare", "--json"]) == 0
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert document["out"] == "data/demo"
    assert document["vocab_size"] == 2048
    assert document["documents"] == document["conversations"] > 100
    assert document["turns"] > document["conversations"]
    assert document["kind"] == "dialogue"
    assert "note: tokenizer bpe:2048: in " in err


def test_the_summary_of_a_dialogue(capsys: pytest.CaptureFixture[str]) -> None:
    """Examples are what the model is trained on, cut to the terminal; also wide characters."""
    long = "你好" * 200
    turns = f"<human>Well {long}<endOfText>\n<bot>\x1b[31mYes<endOfText>\n\n" * 4
    Path("chat.txt").write_text(turns.replace("Well", "Hello", 1))
    Path("prose.txt").write_text(TEXT)
    assert run(["prepare", "chat.txt", "prose.txt", "--tokenizer", "byte"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert "      kind  dialogue, 4 conversations, 8 turns, 1 document" in lines
    examples = [line for line in lines if line.startswith("   example  ")]
    assert len(examples) == 2
    assert any("<human>" in line for line in examples)
    assert all(line.endswith("…") and cell_len(line) in (79, 80) for line in examples)


def test_check_reports_on_a_dataset_and_strict_refuses_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("bad.txt").write_text(TEXT + "\0\1\2\3\4" * 3)
    assert run(["prepare", "bad.txt", "-q"]) == 0
    assert run(["prepare", "--check", "bad"]) == 0
    err = capsys.readouterr().err
    assert "warning: 15 control characters: --fix removes them\n" in err
    assert "carries  a model of 2 layers, 64 wide" in err
    assert run(["prepare", "--check", "bad", "--json", "-q"]) == 0
    assert json.loads(capsys.readouterr().out)["report"]["control_characters"] == 15
    assert run(["prepare", "--check", "bad", "--strict"]) == 3
    assert run(["prepare", "bad.txt", "--check", "bad"]) == 2
    assert run(["prepare", "--check", "nowhere"]) == 3
