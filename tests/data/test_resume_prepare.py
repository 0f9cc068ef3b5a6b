"""``prepare --resume`` goes on where it was interrupted, and ends in the same dataset."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from datasets import CHAT, OUT, PROSE, leftovers, run, write

from nanogpt_cli.data import output, resume, shards
from nanogpt_cli.data import write as writing
from nanogpt_cli.data.resume import kept_folder
from nanogpt_cli.errors import UsageError

KEPT = kept_folder(OUT)
TEXTS = [f"Document {i}: {PROSE[:70]}" for i in range(90)]
LINES = "".join(json.dumps({"text": text}) + "\n" for text in TEXTS)


class Interrupts:
    """Interrupts the program when so many batches are written, and counts what is encoded."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left: float = float("inf")
        self.written = 0
        add = output.Output.add

        def counting(*args: Any) -> None:
            if self.left <= 0:
                raise KeyboardInterrupt
            self.left -= 1
            self.written += 1
            add(*args)

        monkeypatch.setattr(output.Output, "add", counting)
        monkeypatch.setattr(writing, "BATCH", 500)
        monkeypatch.setattr(writing.write_tokens, "__kwdefaults__",
                            writing.write_tokens.__kwdefaults__ | {"batch": 500})  # fmt: skip

    def after(self, batches: int, name: str, **settings: Any) -> None:
        """Prepare a file, interrupted after so many batches."""
        self.left, self.written = batches, 0
        with pytest.raises(KeyboardInterrupt):
            run(name, resume=True, **settings)
        self.left, self.written = float("inf"), 0


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> Interrupts:
    monkeypatch.setattr(shards, "SHARD_TOKENS", 700)
    return Interrupts(monkeypatch)


def files() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in OUT.iterdir() if path.name != ".lock"}


@pytest.mark.parametrize(("content", "kind"), [(LINES, "bpe:300"), (CHAT * 4, "byte")])
def test_it_ends_as_if_it_had_not_been_interrupted(
    content: str, kind: str, interrupted: Interrupts
) -> None:
    name = write("a.jsonl" if content is LINES else "a.txt", content)
    run(name, tokenizer=kind)
    expected, whole = files(), interrupted.written
    for path in OUT.iterdir():
        path.unlink()
    OUT.rmdir()
    interrupted.after(3, name, tokenizer=kind)
    assert not OUT.exists()
    interrupted.after(4, name, tokenizer=kind)
    result = run(name, tokenizer=kind, resume=True)
    assert [note for note in result.notes if note.startswith("resumed after ")]
    assert files() == expected
    assert interrupted.written == whole - 7
    assert leftovers() == []


@pytest.mark.parametrize(
    "change",
    [
        lambda: write("a.jsonl", LINES * 2),
        lambda: write("data/out.resume.tmp-nanogpt/state.json", "{"),
        lambda: write("data/out.resume.tmp-nanogpt/train.bin", ""),
        lambda: spoil_state(),
    ],
)
def test_what_does_not_fit_is_begun_anew(
    change: Callable[[], object], interrupted: Interrupts
) -> None:
    interrupted.after(5, write("a.jsonl", LINES), tokenizer="byte")
    change()
    run("a.jsonl", tokenizer="byte", resume=True)
    found = files()
    run("a.jsonl", tokenizer="byte", force=True)
    assert files() == found
    assert leftovers() == []


def spoil_state() -> None:
    path = KEPT / "state.json"
    content = json.loads(path.read_text())
    content["state"]["train"] = []
    path.write_text(json.dumps(content))


def test_other_settings_begin_anew_and_one_without_resume_removes_what_was_kept(
    interrupted: Interrupts,
) -> None:
    name = write("a.jsonl", LINES)
    interrupted.after(5, name, tokenizer="byte")
    result = run(name, tokenizer="char", resume=True)
    assert not [note for note in result.notes if "resumed" in note]
    interrupted.after(5, name, tokenizer="byte", force=True)
    assert KEPT.exists()
    run(name, tokenizer="byte", force=True)
    assert leftovers() == []


def test_without_resume_nothing_is_left_behind(interrupted: Interrupts) -> None:
    interrupted.left = 3
    with pytest.raises(KeyboardInterrupt):
        run(write("a.jsonl", LINES), tokenizer="byte")
    assert leftovers() == []


def test_two_at_once_are_refused(interrupted: Interrupts) -> None:
    name = write("a.jsonl", LINES)
    with resume.resumable_folder(OUT), pytest.raises(UsageError, match="another process"):
        run(name, tokenizer="byte", resume=True)
