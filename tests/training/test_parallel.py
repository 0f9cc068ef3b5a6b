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
from command_line import TINY as ALONE

from nanogpt_cli.checkpoint.torchfile import read
from nanogpt_cli.errors import MachineError, UsageError
from nanogpt_cli.training.parallel import DataParallel, Launch, join, launched

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


@pytest.mark.long
def test_evaluations_are_divided_and_their_parts_add_up(text_data):
    flags = ["--max-iters=0", "--gradient-accumulation-steps=3", "--eval-tokens=0"]
    codes, errors = launch(*flags, "--out-dir=out/three", processes=3)
    assert codes == [0, 0, 0], errors
    codes, errors = launch(*flags, "--out-dir=out/one", processes=1)
    assert codes == [0], errors
    for key in ("val_tokens", "val_loss", "train_loss", "bits_per_byte"):
        alone, together = (logged(name, "eval", key) for name in ("one", "three"))
        assert together == pytest.approx(alone, rel=1e-6)


@pytest.mark.long
def test_the_defaults_suit_any_number_of_processes(text_data):
    codes, errors = launch("--max-iters=2")
    assert codes == [0, 0], errors


def test_micro_batches_are_shared_out_evenly():
    assert DataParallel(torch.device("cpu"), rank=1, size=2).micro_steps(4) == [1, 3]
    with pytest.raises(UsageError) as error:
        DataParallel(torch.device("cpu"), rank=0, size=3).micro_steps(4)
    assert error.value.hint == "try --gradient-accumulation-steps 3"


@pytest.mark.long
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


@pytest.mark.long
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


@pytest.mark.long
def test_an_evaluation_alone_ends_in_both(text_data):
    codes, errors = launch("--eval-only", "--gradient-accumulation-steps=2")
    assert codes == [0, 0], errors
    assert "val loss" in errors[0]


# --- what the launcher says -----------------------------------------------------------------------

WHOLE = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2",
         "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}  # fmt: skip


@pytest.fixture
def environment(monkeypatch):
    """Set the launcher's variables, and no others of them."""

    def set_only(**variables):
        for name in WHOLE:
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return set_only


def test_without_a_rank_a_process_is_alone(environment):
    for more in ({}, {"WORLD_SIZE": "0"}, {"WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "x"},
                 {"RANK": "", "WORLD_SIZE": "4"}):  # fmt: skip
        environment(**more)
        assert launched() == Launch()
    environment(**WHOLE)
    assert launched() == Launch(rank=1, size=2, local_rank=1, local_size=2)
    environment(**{name: WHOLE[name] for name in WHOLE if name != "LOCAL_WORLD_SIZE"})
    assert launched().local_size == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [("RANK", "abc"), ("RANK", "-1"), ("RANK", "2"), ("RANK", "9" * 5000), ("WORLD_SIZE", "0"),
     ("WORLD_SIZE", "\u00b2"), ("WORLD_SIZE", "9" * 5000), ("WORLD_SIZE", "2.0"),
     ("LOCAL_RANK", "x"), ("LOCAL_RANK", "2"), ("LOCAL_WORLD_SIZE", "x"), ("LOCAL_WORLD_SIZE", "0"),
     ("MASTER_PORT", "http"), ("MASTER_PORT", "0"), ("MASTER_PORT", "99999")],
)  # fmt: skip
def test_a_wrong_variable_is_named_with_its_value(environment, name, value):
    environment(**WHOLE | {name: value})
    with pytest.raises(UsageError) as error:
        launched()
    assert error.value.message.startswith(f"{name}={value[:80]}")
    assert len(error.value.message) < 200
    assert "torchrun --standalone --no-python" in error.value.hint


@pytest.mark.parametrize("name", ["WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"])
def test_a_missing_variable_is_named(environment, name):
    environment(**{other: WHOLE[other] for other in WHOLE if other != name})
    with pytest.raises(UsageError, match=f"RANK=1 is set, and {name} is not"):
        launched()


def test_train_answers_wrong_variables_in_two_lines(nanogpt, environment, text_data):
    for variables in ({"RANK": "0"}, WHOLE | {"RANK": "abc"}, WHOLE | {"LOCAL_WORLD_SIZE": "x"}):
        environment(**variables)
        code, out, err = nanogpt("train", *ALONE, "--max-iters=1", "--out-dir=out/a")
        assert (code, out) == (2, "")
        assert [line.split(":")[0] for line in err.splitlines()] == ["error", "hint"]
        assert not Path("out").exists()
    environment(WORLD_SIZE="0", LOCAL_WORLD_SIZE="x")
    assert nanogpt("train", *ALONE, "--max-iters=1", "--out-dir=out/a")[0] == 0
    environment(RANK="0", WORLD_SIZE="1", LOCAL_RANK="0")
    assert nanogpt("train", *ALONE, "--max-iters=1", "--out-dir=out/b")[0] == 0


def test_processes_that_cannot_meet_are_the_machines_error(environment):
    device = torch.device("cpu")
    with socket.socket(socket.AF_INET6) as taken:
        taken.bind(("::", 0))
        taken.listen()
        port = taken.getsockname()[1]
        environment(**WHOLE | {"RANK": "0", "LOCAL_RANK": "0", "MASTER_PORT": str(port)})
        with (
            pytest.raises(MachineError, match=f"cannot meet at 127.0.0.1:{port}"),
            join("gloo", device),
        ):
            pytest.fail("it joined")
    environment(**WHOLE | {"MASTER_ADDR": "no host!"})
    with pytest.raises(UsageError, match="MASTER_ADDR=no host!"), join("gloo", device):
        pytest.fail("it joined")
    environment(**WHOLE)
    with pytest.raises(UsageError, match="--backend nccl needs cuda"), join("nccl", device):
        pytest.fail("it joined")


def test_a_process_without_a_gpu_of_its_own_is_told(environment):
    environment(**WHOLE | {"WORLD_SIZE": "2000", "LOCAL_RANK": "1999"})
    with (
        pytest.raises(UsageError, match=r"LOCAL_RANK=1999: this machine has \d+ GPUs"),
        join("auto", torch.device("cuda")),
    ):
        pytest.fail("it joined")


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
