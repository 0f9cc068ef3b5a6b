"""Trackers: what they are told reaches them, and their failures never reach the run."""

import csv
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from short_runs import Listener, events, start

from nanogpt_cli.errors import UsageError
from nanogpt_cli.registry import TRACKERS
from nanogpt_cli.training.loop import train
from nanogpt_cli.training.trackers.base import Tracker, TrackerKind, tracker_names


class Wayward(Tracker):
    """Fails in one of its methods; the others count their calls."""

    fails_in = ""
    calls: list[str] = []  # noqa: RUF012 - a test reads and clears it

    def __init__(self, place):
        self._do("open")

    def _do(self, name):
        self.calls.append(name)
        print("a package that talks")
        if name == self.fails_in:
            raise ConnectionError("no\nnetwork")

    def write(self, event, fields):
        self._do(event)

    def close(self):
        self._do("close")


@pytest.fixture
def wayward() -> Iterator[type[Wayward]]:
    Wayward.calls.clear()
    TRACKERS.register("wayward", TrackerKind(Wayward))
    yield Wayward
    TRACKERS.unregister("wayward")


def rows(folder: str) -> list[dict[str, str]]:
    with open(Path(folder) / "metrics.csv", newline="") as file:
        return list(csv.DictReader(file))


def logged(folder: str) -> list[dict[str, object]]:
    return events(folder, "train", "eval")


@pytest.mark.parametrize("fails_in", ["", "open", "run", "train", "close"])
def test_a_tracker_that_fails_is_left_out_after_one_note(text_data, wayward, fails_in, capsys):
    wayward.fails_in = fails_in
    listener = Listener()
    outcome = train(start(log_to="wayward,csv", max_iters=4), listener)
    assert outcome.reason == "done"
    assert len(rows("out/a")) == len(logged("out/a")) == 6
    notes = [note for note in listener.notes if "--log-to" in note]
    said = "--log-to wayward failed and is left out: ConnectionError: no network"
    assert notes == ([said] if fails_in else [])
    assert wayward.calls.count(fails_in or "run") == 1
    assert (wayward.calls[-1] == fails_in) or not fails_in
    assert capsys.readouterr().out == ""


def test_csv_has_the_numbers_of_the_log_when_resumed_too(text_data):
    train(start(log_to="csv", max_iters=4))
    train(start(resume=True, max_iters=8))  # with the tracker of before
    assert [row["step"] for row in rows("out/a")] == [str(e["step"]) for e in logged("out/a")]
    for row, event in zip(rows("out/a"), logged("out/a"), strict=True):
        for name in ("time", "loss", "val_loss"):
            assert row[name] == str(event.get(name, ""))
    (Path("out/a") / "metrics.csv").unlink()
    train(start(resume=True, max_iters=9))
    assert len(rows("out/a")) == len(logged("out/a"))


def test_csv_replaces_no_file_of_others(text_data):
    Path("out/a").mkdir(parents=True)
    Path("out/a/metrics.csv").write_text("mine\n")
    listener = Listener()
    train(start(log_to="csv", max_iters=1), listener)
    assert Path("out/a/metrics.csv").read_text() == "mine\n"
    assert "metrics.csv is another file" in " ".join(listener.notes)


def tensorboard_events(folder: str) -> list[list[object]]:
    """Read each event file of a folder with tensorboardX's messages and checksums."""
    event_pb2 = pytest.importorskip("tensorboardX.proto.event_pb2")
    from tensorboardX.crc32c import crc32c

    def masked(data):
        crc = crc32c(data)
        return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF

    files = []
    for path in sorted(Path(folder).glob("events.out.tfevents.*"), key=lambda p: p.suffix):
        data, found = path.read_bytes(), []
        while data:
            length, crc = struct.unpack("<QI", data[:12])
            body, end = data[12 : 12 + length], 12 + length
            assert crc == masked(data[:8])
            assert struct.unpack("<I", data[end : end + 4])[0] == masked(body)
            found.append(event_pb2.Event.FromString(body))
            data = data[end + 4 :]
        files.append(found)
    return files


def test_tensorboard_files_have_the_numbers_of_the_log(text_data):
    train(start(log_to="tensorboard", max_iters=4))
    train(start(resume=True, max_iters=6))
    first, second = tensorboard_events("out/a")
    assert first[0].file_version == "brain.Event:2"
    assert [events[1].session_log.status for events in (first, second)] == [1, 1]
    assert [events[1].step for events in (first, second)] == [0, 5]  # what it may forget
    found = {
        (event.step, value.tag): value.simple_value
        for event in first + second
        for value in event.summary.value
        if value.WhichOneof("value") == "simple_value"
    }
    expected = {
        (e["step"], f"{e['event']}/{name}"): e[name]
        for e in logged("out/a")
        for name in ("loss", "lr", "grad_norm", "tokens_per_sec", "train_loss", "val_loss",
                     "bits_per_byte")
        if name in e
    }  # fmt: skip
    assert found == pytest.approx(expected, rel=1e-6)
    texts = [value for event in first for value in event.summary.value if value.tag == "sample"]
    assert texts[0].metadata.plugin_data.plugin_name == "text"
    assert events("out/a", "sample")[0]["text"] in texts[0].tensor.string_val[0].decode()


def test_tensorboard_reads_its_files(text_data):
    """The program itself, which is large and no requirement of the tests."""
    name = "tensorboard.backend.event_processing.event_accumulator"
    accumulators = pytest.importorskip(name)
    train(start(log_to="tensorboard", max_iters=4))
    read = accumulators.EventAccumulator("out/a")
    read.Reload()
    losses = [(scalar.step, scalar.value) for scalar in read.Scalars("eval/val_loss")]
    assert losses == [(e["step"], pytest.approx(e["val_loss"])) for e in events("out/a", "eval")]


def test_names_are_checked_before_anything_is_trained(text_data, monkeypatch):
    monkeypatch.setattr("nanogpt_cli.training.trackers.base.find_spec", lambda name: None)
    with pytest.raises(UsageError, match="needs the package wandb") as raised:
        start(log_to="csv, wandb")
    assert "pip install wandb" in raised.value.hint
    with pytest.raises(UsageError, match="unknown --log-to tensorbord") as raised:
        start(log_to="tensorbord")
    assert raised.value.hint == "did you mean tensorboard?"
    assert not Path("out").exists()
    assert start(log_to=["csv", "none"]).config.log_to == "csv,none"
    assert tracker_names("csv, tensorboard,csv,,none") == ["csv", "tensorboard"]


def test_several_are_written_with_commas_or_repeated(nanogpt, text_data):
    shape = "--n-embd=16", "--n-layer=1", "--n-head=2", "--block-size=16", "--max-iters=1"
    cheap = "--eval-tokens=64", "--sample-tokens=0", "--ngram-rows=0", "--batch-size=2"
    options = "--log-to", "csv", "--log-to=tensorboard,none", "--out-dir", "out/a", "-q"
    code, _, err = nanogpt("train", *shape, *cheap, *options)
    assert (code, err) == (0, "")
    assert Path("out/a/metrics.csv").is_file()
    assert len(list(Path("out/a").glob("events.*"))) == 1


@pytest.mark.long
def test_wandb_keeps_a_run_without_a_network(text_data, monkeypatch):
    """In a process of its own: the package changes signals, streams and the environment."""
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    program = "from short_runs import start; from nanogpt_cli.training.loop import train;"
    program += "train(start(log_to='wandb'))"
    path = {"PYTHONPATH": f"{Path(__file__).parents[1]}:{Path(__file__).parents[2]}"}
    subprocess.run([sys.executable, "-c", program], check=True, env=os.environ | path, timeout=300)
    [recorded] = Path("out/a/wandb").glob("offline-run-*/run-*.wandb")
    assert b"eval/val_loss" in recorded.read_bytes()
