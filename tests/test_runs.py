"""A name typed by the user finds its run, checkpoint or dataset."""

import os
from pathlib import Path

import pytest

from nanogpt_cli.errors import CheckpointError, DataError
from nanogpt_cli.runs import find_checkpoint, find_dataset, find_run, run_folders


def touch(path: str, age: float = 0) -> Path:
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    os.utime(file, (1e9 - age, 1e9 - age))
    return file


def test_nothing_there_says_how_to_begin():
    for find, error in ((find_run, CheckpointError), (find_checkpoint, CheckpointError)):
        with pytest.raises(error, match="no run under out/") as caught:
            find()
        assert "nanogpt train" in caught.value.hint
    with pytest.raises(DataError) as caught:
        find_dataset()
    assert "nanogpt prepare" in caught.value.hint


def test_without_a_name_the_newest_is_taken():
    touch("out/new/ckpt.pt", 1)
    touch("out/old/last.pt", 2)
    touch("out/oldest/metrics.jsonl", 3)
    assert find_run() == Path("out/new")
    assert find_checkpoint() == Path("out/new/ckpt.pt")
    os.utime("out/oldest/metrics.jsonl", (2e9, 2e9))
    assert find_run() == Path("out/oldest")


def test_a_run_that_has_only_begun_is_not_the_newest_model():
    touch("out/done/ckpt.pt", 100)
    touch("out/begun/metrics.jsonl")
    assert find_run() == Path("out/begun")
    assert find_checkpoint() == Path("out/done/ckpt.pt")


@pytest.mark.parametrize(
    "name", ["poems", "out/poems", "out/poems/ckpt.pt", "poems/ckpt.pt", "./out/poems/"]
)
def test_a_checkpoint_is_found_by_name_folder_and_file(name):
    touch("out/poems/ckpt.pt")
    touch("out/poems/last.pt")
    assert find_checkpoint(name) == Path("out/poems/ckpt.pt")


def test_the_state_to_go_on_from_is_last_pt():
    touch("out/poems/ckpt.pt")
    assert find_checkpoint("poems", last=True) == Path("out/poems/ckpt.pt")
    touch("out/poems/last.pt", 50)
    assert find_checkpoint("poems", last=True) == Path("out/poems/last.pt")
    assert find_checkpoint(last=True) == Path("out/poems/last.pt")


def test_nested_runs_have_names_too():
    touch("out/block_size=64/withemotion/ckpt.pt")
    touch("out/block_size=64/plain/ckpt.pt")
    assert find_run("block_size=64/withemotion") == Path("out/block_size=64/withemotion")
    assert find_checkpoint("block_size=64/plain") == Path("out/block_size=64/plain/ckpt.pt")
    assert run_folders() == [
        Path("out/block_size=64/plain"),
        Path("out/block_size=64/withemotion"),
    ]
    with pytest.raises(CheckpointError) as caught:
        find_checkpoint("block_size=64")
    assert "out/block_size=64/plain" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("pooems", "did you mean poems?"),
        ("block_size=64/withemotions", "did you mean block_size=64/withemotion?"),
        ("withemotion", "did you mean block_size=64/withemotion?"),
        ("zzzzzzzzzzzzz", "known runs: block_size=64/withemotion, poems"),
    ],
)
def test_a_wrong_name_is_answered_with_the_nearest(name, hint):
    touch("out/poems/ckpt.pt")
    touch("out/block_size=64/withemotion/ckpt.pt")
    for find in (find_run, find_checkpoint):
        with pytest.raises(CheckpointError, match=name) as caught:
            find(name)
        assert caught.value.hint == hint


def test_a_missing_file_is_called_a_file():
    with pytest.raises(CheckpointError, match=r"there is no file out/x\.pt"):
        find_checkpoint("out/x.pt")


def test_a_run_called_like_a_folder_here_is_found_nevertheless():
    Path("tests").mkdir()
    touch("out/tests/ckpt.pt")
    assert find_checkpoint("tests") == Path("out/tests/ckpt.pt")
    assert find_run("tests") == Path("out/tests")


def test_a_folder_with_one_other_checkpoint_is_clear():
    touch("models/nano.pt")
    assert find_checkpoint("models") == Path("models/nano.pt")
    touch("models/other.pt")
    with pytest.raises(CheckpointError, match=r"models has no ckpt\.pt") as caught:
        find_checkpoint("models")
    assert caught.value.hint == "name one of them: models/nano.pt, models/other.pt"


def test_datasets_are_found_likewise():
    touch("data/old/train.bin", 5)
    touch("data/deep/er/train.bin", 1)
    assert find_dataset() == Path("data/deep/er")
    for name in ("old", "data/old"):
        assert find_dataset(name) == Path("data/old")
    assert find_dataset("deep/er") == Path("data/deep/er")
    Path("old").mkdir()
    assert find_dataset("old") == Path("data/old")
    with pytest.raises(DataError, match="there is no dataset none"):
        find_dataset("none")


def test_a_folder_from_hugging_face_is_itself_a_checkpoint():
    touch("models/gpt2/config.json")
    touch("models/gpt2/model.safetensors")
    touch("models/gpt2/other.pt")
    assert find_checkpoint("models/gpt2") == Path("models/gpt2")
    touch("models/gpt2/ckpt.pt")
    assert find_checkpoint("models/gpt2") == Path("models/gpt2/ckpt.pt")
