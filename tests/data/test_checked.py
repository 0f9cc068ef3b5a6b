"""A large file of a dataset is read to its end once for each state of it."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from datasets import OUT, PROSE, run, write

from nanogpt_cli.data import checked
from nanogpt_cli.data.store import open_dataset
from nanogpt_cli.errors import DataError


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> Path:
    """Prepare a dataset whose training file counts as large."""
    monkeypatch.setattr(checked.Checked.__init__, "__defaults__", (3000,))
    run(write("a.txt", PROSE), tokenizer="byte", split="tail")
    return OUT / checked.CHECKED


def spoil(path: Path) -> None:
    """Write an id beyond the vocabulary, and keep the size and the time of the last change."""
    before = path.stat()
    with path.open("r+b") as file:
        file.write(b"\xff\xff")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_it_is_written_for_large_files_alone(large: Path) -> None:
    assert not large.exists()
    open_dataset(OUT)
    content = json.loads(large.read_text())
    assert list(content) == ["train.bin"]
    assert "below 256" in content["train.bin"][-1]
    open_dataset(OUT)


def test_a_file_that_was_found_good_is_not_read_again(
    large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_dataset(OUT)
    reads: list[int] = []
    whole = np.memmap.max
    monkeypatch.setattr(np.memmap, "max", lambda a: reads.append(len(a)) or whole(a))
    open_dataset(OUT)
    assert len(reads) == 1  # val.bin, which is small
    large.unlink()
    open_dataset(OUT)
    assert len(reads) == 3


def test_a_changed_file_is_read_again(large: Path) -> None:
    open_dataset(OUT)
    spoil(OUT / "train.bin")
    with pytest.raises(DataError, match="holds token 65535"):
        open_dataset(OUT)
    assert json.loads(large.read_text())


@pytest.mark.parametrize("content", ["", "[]", "{", '{"train.bin": 3}', "[" * 99_999, "\xff"])
def test_a_corrupt_note_is_no_proof(large: Path, content: str) -> None:
    spoil(OUT / "train.bin")
    large.write_text(content)
    with pytest.raises(DataError, match="holds token 65535"):
        open_dataset(OUT)


def test_another_dataset_in_its_place_is_checked_anew(large: Path) -> None:
    open_dataset(OUT)
    run(write("a.txt", PROSE), tokenizer="char", split="tail", force=True)
    assert not large.exists()
    assert open_dataset(OUT).tokenizer.name == "char"


def test_a_folder_that_cannot_be_written_is_opened(
    large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    open_dataset(OUT)
    assert not large.exists()
