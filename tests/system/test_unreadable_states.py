"""What cannot be read here is not damaged: nothing older is used, and nothing is replaced."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from command_line import TINY, executable
from small_files import hugging_face, well_behaved

from nanogpt_cli.checkpoint import torchfile

LAST = Path("out/x/last.pt")


@pytest.fixture
def run(nanogpt, text_data):
    """Train a run with kept states; return a function that resumes it, and its files."""
    line = ["train", *TINY, "--ngram-rows=0", "--data-dir", text_data, "--out-dir=out/x", "-q"]
    assert nanogpt(*line, "--max-iters=3", "--save-every=1", "--keep=3")[0] == 0

    def resume(*more):
        line = ["train", "--init-from=resume", "--out-dir=out/x", "--max-iters=4", *more]
        return nanogpt(*line)

    return resume


def files():
    """What lies in the run's folder: the identity of each file, links and pipes as they are."""
    return {p.name: (p.lstat().st_ino, p.lstat().st_mtime_ns) for p in LAST.parent.iterdir()}


def no_permission(monkeypatch):
    real = torchfile.open_regular

    def refuse(path):
        if path.name == "last.pt":  # as mode 000 does to everyone but root
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real(path)

    monkeypatch.setattr(torchfile, "open_regular", refuse)


def a_pipe(monkeypatch):
    LAST.unlink()
    os.mkfifo(LAST)


def a_device(monkeypatch):
    LAST.unlink()
    LAST.symlink_to("/dev/zero")


def a_link_to_nowhere(monkeypatch):
    LAST.unlink()
    LAST.symlink_to("/nowhere/last.pt")


def a_newer_version(monkeypatch):
    content = torch.load(LAST, weights_only=True)
    torch.save(content | {"version": 99}, LAST)


def a_failing_disk(monkeypatch):
    real = torchfile.load_plain

    def fail(*args):
        monkeypatch.setattr(torchfile, "load_plain", real)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(torchfile, "load_plain", fail)


WAYS = (no_permission, a_pipe, a_device, a_link_to_nowhere, a_newer_version, a_failing_disk)


def test_a_newest_state_that_cannot_be_read_stops_a_resume_and_nothing_is_touched(run, tmp_path):
    for way in WAYS:
        kept = LAST.read_bytes()
        with pytest.MonkeyPatch.context() as patch:
            way(patch)
            before = files()
            result = run()
        well_behaved(result, (4,))
        assert "last.pt" in result[2], way
        assert files() == before, way
        LAST.unlink()
        LAST.write_bytes(kept)
    result = run()
    assert result[0] == 0, result[2]


def test_memory_that_runs_out_while_a_state_is_read_stops_a_resume(run, monkeypatch):
    def no_room(*args):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9")

    monkeypatch.setattr(torchfile, "load_plain", no_room)
    before = files()
    assert "memory" in run()[2]
    assert well_behaved(run(), (5,)) == 5
    assert files() == before


def test_settings_and_data_that_cannot_be_are_passed_over_for_the_state_before(run):
    content = torch.load(LAST, weights_only=True)
    for name, values in {
        "train_config": {"save_every": "often"},
        "data": {"folder": "x" * 5000},
    }.items():
        torch.save(content | {name: {**content[name], **values}}, LAST)
        code, _, err = run("--eval-only")
        assert code == 0, err
        assert "last.pt is corrupt" in err
        assert len(err) < 1000
    torch.save(content | {"train_config": {**content["train_config"], "of_another_age": 1}}, LAST)
    code, _, err = run("--eval-only")
    assert (code, "corrupt" in err) == (0, False), err


def test_a_folder_of_data_with_an_impossible_name_is_one_that_is_not_there(run):
    content = torch.load(LAST, weights_only=True)
    for name in ("x" * 3000, "a\0b"):
        torch.save(content | {"data": {**content["data"], "folder": name}}, LAST)
        result = run()
        well_behaved(result, (3,))
        assert "there is no dataset" in result[2]
        assert len(result[2]) < 1000


def test_a_log_whose_time_cannot_be_does_not_stop_a_resume(run):
    content = torch.load(LAST, weights_only=True)
    torch.save(content | {"training": None}, LAST)
    with Path("out/x/metrics.jsonl").open("a") as log:
        log.write('{"event": "train", "step": 3, "time": ' + "9" * 400 + "}\n")
        log.write('{"event": "train", "step": 3, "time": -1e300}\n')
    result = run()
    assert result[0] == 0, result[2]


def test_pipes_and_devices_in_the_place_of_a_model_are_not_waited_for(tiny, nanogpt):
    hugging_face(tiny)
    os.mkfifo("pipe.pt")
    for name in ("config.json", "model.safetensors"):
        kept = Path("hf", name).read_bytes()
        for spoil in (os.mkfifo, lambda path: path.symlink_to("/dev/zero")):
            Path("hf", name).unlink()
            spoil(Path("hf", name))
            well_behaved(nanogpt("eval", "hf", "--data", "hf"), (4,))
        Path("hf", name).unlink()
        Path("hf", name).write_bytes(kept)
    for line in (["chat", "pipe.pt", "-p", "to"], ["migrate-ckpt", "pipe.pt"]):
        well_behaved(nanogpt(*line), (4,))
    os.makedirs("out/y")
    os.mkfifo("out/y/ckpt.pt")
    result = nanogpt("chat", "y", "-p", "to")
    well_behaved(result, (4,))
    assert "not a regular file" in result[2]


@pytest.mark.skipif(sys.platform == "win32", reason="ulimit and signals of POSIX")
@pytest.mark.long
def test_a_sound_checkpoint_is_never_called_damaged(nanogpt, text_data):
    """Under any limit of memory, and interrupted at any moment."""
    wide = ["--n-layer=2", "--n-embd=768", "--n-head=2", "--block-size=16", "--arch=gpt2",
            "--pos-embd=default", "--batch-size=2", "--eval-iters=1", "--device=cpu"]  # fmt: skip
    line = ["train", *wide, "--data-dir", text_data, "--out-dir=out/x", "--max-iters=1", "-q"]
    assert nanogpt(*line)[0] == 0
    counts = {}
    for limit in range(560_000, 1_000_000, 40_000):
        command = f'ulimit -v {limit}; exec "$0" -m nanogpt_cli chat out/x/last.pt -p to'
        done = subprocess.run(
            ["sh", "-c", command, sys.executable], capture_output=True, text=True, timeout=120
        )
        counts[limit] = done.returncode
        assert "last.pt" not in done.stderr, (limit, done.stderr)
    for tenth in range(3, 40):
        process = executable("migrate-ckpt", str(LAST), "-o", "new.pt", "--force")
        time.sleep(tenth / 10)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=120)
        counts[tenth] = process.returncode
        assert "last.pt" not in err, (tenth, err)
    print(json.dumps(counts))
