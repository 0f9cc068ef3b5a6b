"""Saving beside training: whole snapshots, in order, and a disk that lags behind is waited for."""

import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nanogpt_cli import files
from nanogpt_cli.checkpoint.load import load_checkpoint
from nanogpt_cli.checkpoint.schema import Checkpoint
from nanogpt_cli.errors import MachineError
from nanogpt_cli.training.folder import RunFolder
from nanogpt_cli.training.saver import Saver, Snapshot

FOLDER = Path("run")


@pytest.fixture
def checkpoint(tiny):
    FOLDER.mkdir()
    model = tiny()
    return Checkpoint(
        config=model.config, model=model.state_dict(), training={"moments": [torch.ones(3)]}
    )


@pytest.fixture
def gate(monkeypatch):
    """Let no write reach the disk before this event is set."""
    event, real = threading.Event(), Checkpoint.save

    def save(self, path, **kwargs):
        assert event.wait(20)
        real(self, path, **kwargs)

    monkeypatch.setattr(Checkpoint, "save", save)
    return event


def steps(*names):
    return [load_checkpoint(FOLDER / name).step for name in names]


def test_what_changes_after_a_save_is_not_in_it(checkpoint, gate):
    before = {name: tensor.clone() for name, tensor in checkpoint.model.items()}
    with Saver(RunFolder(FOLDER)) as saver:
        saver.save("last.pt", checkpoint)
        with torch.no_grad():
            for tensor in checkpoint.model.values():
                tensor.zero_()
            checkpoint.training["moments"][0].zero_()
        assert saver.is_writing("last.pt")
        gate.set()
    saved = load_checkpoint(FOLDER / "last.pt")
    assert all(torch.equal(saved.model[name], before[name]) for name in before)
    assert saved.training["moments"][0].tolist() == [1, 1, 1]


def test_a_save_waits_for_the_one_before_it_and_no_other(checkpoint, gate):
    with Saver(RunFolder(FOLDER)) as saver:
        saver.save("last.pt", checkpoint)
        saver.save("ckpt.pt", checkpoint)  # another file: not waited for
        threading.Timer(0.3, gate.set).start()
        begun = time.perf_counter()
        saver.save("last.pt", replace(checkpoint, step=1))
        assert time.perf_counter() - begun > 0.2
        assert steps("last.pt") == [0]
    assert steps("last.pt", "ckpt.pt") == [1, 0]


def test_a_failed_write_is_told_at_the_next_call(checkpoint, monkeypatch):
    def full(self, path, **kwargs):
        raise MachineError("no space", "free some")

    monkeypatch.setattr(Checkpoint, "save", full)
    for ask in (Saver.is_writing, Saver.wait, lambda s, name: s.save(name, checkpoint)):
        with pytest.raises(MachineError), Saver(RunFolder(FOLDER)) as saver:
            saver.save("last.pt", checkpoint)
            saver._thread.submit(int).result()  # after the write
            ask(saver, "last.pt")
            pytest.fail("nothing was told")
    with pytest.raises(MachineError), Saver(RunFolder(FOLDER)) as saver:
        saver.save("last.pt", checkpoint)


def test_leaving_at_once_gives_up_the_write_and_keeps_the_old_file(checkpoint, monkeypatch):
    checkpoint.save(FOLDER / "last.pt")
    real, begun = torch.save, threading.Event()

    def slow(content, file):
        file.write(b"PK")
        begun.set()
        time.sleep(0.2)
        real(content, file)

    monkeypatch.setattr(torch, "save", slow)
    with pytest.raises(KeyboardInterrupt), Saver(RunFolder(FOLDER)) as saver:
        saver.save("last.pt", replace(checkpoint, step=9))
        assert begun.wait(20)
        raise KeyboardInterrupt
    assert [path.name for path in FOLDER.iterdir()] == ["last.pt"]
    assert steps("last.pt") == [0]


def test_another_error_does_not_stop_a_good_state_from_being_written(checkpoint):
    with pytest.raises(ZeroDivisionError), Saver(RunFolder(FOLDER)) as saver:
        saver.save("last.pt", checkpoint)
        raise ZeroDivisionError
    assert steps("last.pt") == [0]


def test_the_newest_states_are_kept_under_their_steps(checkpoint):
    with Saver(RunFolder(FOLDER), keep=2) as saver:
        for step in (5, 10, 15, 15):
            saver.save("last.pt", replace(checkpoint, step=step))
    names = ["last.pt", "step-00000010.pt", "step-00000015.pt"]
    assert sorted(path.name for path in FOLDER.iterdir()) == names
    assert steps(*names) == [15, 10, 15]


def test_states_of_later_steps_go_when_a_run_has_gone_back(checkpoint):
    with Saver(RunFolder(FOLDER), keep=3) as saver:
        for step in (5, 10, 15, 7):
            saver.save("last.pt", replace(checkpoint, step=step))
    kept = sorted(path.name for path in FOLDER.glob("step-*"))
    assert kept == ["step-00000005.pt", "step-00000007.pt"]


def test_without_keep_other_files_are_left_alone(checkpoint):
    (FOLDER / "step-00000003.pt").write_bytes(b"mine")
    with Saver(RunFolder(FOLDER)) as saver:
        saver.save("last.pt", checkpoint)
    assert (FOLDER / "step-00000003.pt").read_bytes() == b"mine"


def test_the_log_is_on_the_disk_before_the_state_it_led_to(checkpoint, monkeypatch):
    order, real = [], files.os.fsync
    monkeypatch.setattr(files.os, "fsync", lambda fd: order.append("state") or real(fd))
    with Saver(RunFolder(FOLDER)) as saver:
        saver.save("last.pt", checkpoint, first=lambda: order.append("log"))
    assert order[:2] == ["log", "state"]


class TestSnapshot:
    def test_tensors_that_are_one_stay_one(self):
        shared = torch.ones(2, 3)
        copy = Snapshot().take({"a": shared, "b": [shared, (shared.T, 7)]})
        assert copy["a"] is copy["b"][0]
        assert copy["a"] is not shared
        assert copy["b"][1][0].shape == (3, 2)
        assert copy["b"][1][1] == 7

    def test_the_next_copy_uses_the_same_memory(self):
        snapshot = Snapshot()
        first = snapshot.take([torch.ones(5), torch.ones(6)])
        second = snapshot.take([torch.zeros(5), torch.zeros(6)])
        assert [t.data_ptr() for t in first] == [t.data_ptr() for t in second]
        assert second[1].tolist() == [0] * 6

    def test_another_shape_or_type_gets_memory_of_its_own(self):
        snapshot = Snapshot()
        snapshot.take([torch.ones(5), torch.ones(6)])
        values = [torch.arange(6), torch.ones(2, 3, dtype=torch.bfloat16)]
        for copy, value in zip(snapshot.take(values), values, strict=True):
            assert torch.equal(copy, value)
            assert copy.dtype == value.dtype


def test_a_snapshot_waits_for_the_device_that_its_tensors_are_on(monkeypatch):
    class Elsewhere(torch.Tensor):
        device = torch.device("cuda", 1)

    waited = []
    monkeypatch.setattr(torch.cuda, "synchronize", waited.append)
    copy = Snapshot().take({"here": torch.ones(2), "there": torch.ones(3).as_subclass(Elsewhere)})
    assert waited == [torch.device("cuda", 1)]
    assert torch.equal(copy["there"], torch.ones(3))
