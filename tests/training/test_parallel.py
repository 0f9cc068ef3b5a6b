"""Two processes on one machine train one model, as torchrun starts them."""

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from nanogpt_cli.checkpoint.torchfile import read
from nanogpt_cli.errors import UsageError
from nanogpt_cli.training.parallel import DataParallel

TINY = ["--n-layer=1", "--n-head=2", "--n-embd=16", "--block-size=16", "--batch-size=2",
        "--eval-iters=1", "--sample-tokens=0", "--device=cpu", "--dtype=float32"]  # fmt: skip


BIN = Path(sys.executable).parent
NANOGPT = shutil.which("nanogpt", path=BIN)


def launch(*args, processes=2, each=None):
    """Start as torchrun --no-python does; give each process's exit code and stderr."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
              "WORLD_SIZE": str(processes), "OMP_NUM_THREADS": "1",
              "PYTHONWARNINGS": "ignore"}  # fmt: skip
    started = [
        subprocess.Popen(
            [NANOGPT, "train", *TINY, *args, *(each[rank] if each else [])],
            env={**common, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(processes)
    ]
    errors = [process.communicate(timeout=120)[1] for process in started]
    return [process.returncode for process in started], errors


def logged(name, event, key):
    lines = map(json.loads, (Path("out") / name / "metrics.jsonl").read_text().splitlines())
    return [line[key] for line in lines if line["event"] == event]


def test_two_processes_compute_what_one_does(text_data):
    same = ["--max-iters=6", "--optimizer=adamw", "--gradient-accumulation-steps=4",
            "--log-interval=1"]  # fmt: skip
    codes, errors = launch(*same, "--out-dir=out/two")
    assert codes == [0, 0], errors
    assert "done in" in errors[0]
    assert "done in" not in errors[1]
    codes, errors = launch(*same, "--out-dir=out/one", processes=1)
    assert codes == [0], errors
    one, two = (read(Path("out") / name / "last.pt")["model"] for name in ("one", "two"))
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, atol=1e-4, rtol=1e-3)
    for event, key in (("train", "loss"), ("train", "grad_norm"), ("eval", "val_loss")):
        alone, together = (logged(name, event, key) for name in ("one", "two"))
        assert together == pytest.approx(alone, rel=1e-4), "the loss of all, not of a share"


def test_evaluations_are_divided_and_their_parts_add_up(text_data):
    flags = ["--max-iters=0", "--gradient-accumulation-steps=3", "--eval-tokens=0"]
    codes, errors = launch(*flags, "--out-dir=out/three", processes=3)
    assert codes == [0, 0, 0], errors
    codes, errors = launch(*flags, "--out-dir=out/one", processes=1)
    assert codes == [0], errors
    for key in ("val_tokens", "val_loss", "train_loss", "bits_per_byte"):
        alone, together = (logged(name, "eval", key) for name in ("one", "three"))
        assert together == pytest.approx(alone, rel=1e-6)


def test_the_defaults_suit_any_number_of_processes(text_data):
    codes, errors = launch("--max-iters=2")
    assert codes == [0, 0], errors


def test_micro_batches_are_shared_out_evenly():
    assert DataParallel(torch.device("cpu"), rank=1, size=2).micro_steps(4) == [1, 3]
    with pytest.raises(UsageError) as error:
        DataParallel(torch.device("cpu"), rank=0, size=3).micro_steps(4)
    assert error.value.hint == "try --gradient-accumulation-steps 3"


def test_two_processes_that_stopped_go_on_as_if_they_had_not(text_data):
    same = ["--gradient-accumulation-steps=2", "--dropout=0.3", "--lr-decay-iters=6"]
    for args in (
        [*same, "--max-iters=6", "--out-dir=out/whole"],
        [*same, "--max-iters=3", "--out-dir=out/parts"],
        ["--init-from=resume", "--max-iters=6", "--out-dir=out/parts"],
    ):
        codes, errors = launch(*args)
        assert codes == [0, 0], errors
    whole, parts = (read(Path("out") / name / "last.pt")["model"] for name in ("whole", "parts"))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    (code,), (said,) = launch("--init-from=resume", "--max-iters=7", "--out-dir=out/parts",
                              processes=1)  # fmt: skip
    assert code == 0
    assert "no longer bit for bit as before: processes 2 -> 1" in said


def test_processes_with_different_memory_cut_their_batches_alike(text_data):
    same = ["--max-iters=3", "--optimizer=adamw", "--dropout=0.2"]
    small = ["--batch-size=2", "--gradient-accumulation-steps=4"]
    large = ["--batch-size=4", "--gradient-accumulation-steps=2"]
    codes, errors = launch(*same, "--out-dir=out/even", each=[small, small])
    assert codes == [0, 0], errors
    codes, errors = launch(*same, "--out-dir=out/uneven", each=[large, small])
    assert codes == [0, 0], errors
    even, uneven = (read(Path("out") / name / "last.pt")["model"] for name in ("even", "uneven"))
    assert all(torch.equal(even[name], uneven[name]) for name in even)


def test_an_evaluation_alone_ends_in_both(text_data):
    codes, errors = launch("--eval-only", "--gradient-accumulation-steps=2")
    assert codes == [0, 0], errors
    assert "val loss" in errors[0]


@pytest.mark.long
def test_torchrun_starts_the_command_and_imports_nothing_from_the_working_folder(text_data):
    for name in ("torch", "typer", "typing", "json"):
        Path(f"{name}.py").write_text("raise SystemExit('imported from the working folder')")
    done = subprocess.run(
        [BIN / "torchrun", "--nproc-per-node=2", "--no-python", NANOGPT, "train", *TINY,
         "--max-iters=1", "--out-dir=out/two"],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "done in" in done.stderr
