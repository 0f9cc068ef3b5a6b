"""``nanogpt train --devices N``: what becomes of all where one is lost."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from command_line import TINY, executable
from short_runs import events, same, weights
from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

from nanogpt_cli.errors import MachineError
from nanogpt_cli.training.parallel.elastic import exit_code

SHORT = [*TINY, "--batch-size=4", "--sample-tokens=0", "--log-interval=1"]


def failure(rank, code, said="<NONE>"):
    found = ProcessFailure(local_rank=rank, pid=100 + rank, exitcode=code, error_file="none")
    found.message = said
    return found


def test_the_process_that_was_killed_is_named():
    failures = {0: failure(0, 5, "LostContactError: gone"), 1: failure(1, -signal.SIGKILL)}
    with pytest.raises(MachineError, match=r"process 1 of 2 was killed by SIGKILL \(pid 101\)"):
        exit_code(failures, 2)


def test_the_code_is_that_of_the_cause():
    lost = failure(0, 5, "LostContactError: process 0 of 2 has lost the connection")
    assert exit_code({0: lost, 1: failure(1, 6)}, 2) == 6
    assert exit_code({0: failure(0, 143), 1: failure(1, -signal.SIGTERM)}, 2) == 143


@pytest.fixture(autouse=True)
def _nothing_is_left_running():
    yield
    while STARTED:
        process = STARTED.pop()
        if process.poll() is None:
            process.terminate()
            process.communicate()


STARTED = []


def begun(*flags, steps=3):
    """Start two processes that train for long; give the launcher once they are at work."""
    started = executable("train", *SHORT, "--devices=2", "--out-dir=out/a", *flags)
    STARTED.append(started)
    deadline = time.monotonic() + 300
    while not (Path("out/a/metrics.jsonl").exists() and len(events("out/a", "train")) >= steps):
        assert started.poll() is None, started.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return started


def processes(launcher):
    """Give the processes by rank."""
    children = psutil.Process(launcher.pid).children()
    found = {c.environ()["RANK"]: c for c in children if "RANK" in c.environ()}
    return [found[str(rank)] for rank in range(len(found))]


@pytest.mark.long
@pytest.mark.usefixtures("text_data")
class TestDevices:
    def test_two_processes_are_started(self):
        done = executable("train", *SHORT, "--devices=2", "--max-iters=2", "--out-dir=out/a")
        _, err = done.communicate(timeout=240)
        assert done.returncode == 0, err
        assert err.count("done in") == 1
        assert events("out/a", "run")[0]["machine"]["processes"] == 2

    @pytest.mark.parametrize("rank", [0, 1])
    @pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
    def test_where_one_is_killed_all_end_within_seconds(self, rank, strategy):
        launcher = begun("--max-iters=1000000", f"--strategy={strategy}")
        others = processes(launcher)
        others[rank].kill()
        killed = time.monotonic()
        _, err = launcher.communicate(timeout=240)
        assert time.monotonic() - killed < 60
        assert launcher.returncode == 5
        assert f"process {rank} of 2 was killed by SIGKILL" in err
        assert "Traceback" not in err
        assert not any(process.is_running() for process in others)

    def test_with_restarts_it_resumes_by_itself(self):
        flags = ["--max-iters=60", "--save-every=2"]
        launcher = begun(*flags, "--max-restarts=2", steps=10)
        processes(launcher)[1].kill()
        _, err = launcher.communicate(timeout=400)
        assert launcher.returncode == 0, err
        assert "resuming out/a/last.pt at step" in err
        assert events("out/a", "end")[-1]["reason"] == "done"
        whole = executable("train", *SHORT, "--devices=2", "--out-dir=out/whole", *flags)
        assert whole.wait(300) == 0
        assert same(weights("out/a"), weights("out/whole"))

    @pytest.mark.parametrize("to", ["launcher", "process"])
    def test_a_signal_stops_all_after_a_save(self, to):
        launcher = begun("--max-iters=1000000", "--save-every=0")
        target = launcher if to == "launcher" else processes(launcher)[1]
        target.send_signal(signal.SIGTERM)
        _, err = launcher.communicate(timeout=240)
        assert launcher.returncode == 143
        assert "everything is saved in out/a" in err
        assert Path("out/a/last.pt").is_file()
        assert "Traceback" not in err

    def test_what_all_refuse_is_said_once(self):
        done = executable("train", *SHORT, "--devices=2", "--data-dir=data/none")
        _, err = done.communicate(timeout=240)
        assert (done.returncode, err.count("error:")) == (3, 1)

    @pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
    def test_a_full_disk_is_an_error_of_ours(self, strategy):
        command = [sys.executable, "-P", "-m", "nanogpt_cli", "train", *SHORT, "--devices=2",
                   "--n-embd=128", f"--strategy={strategy}", "--out-dir=out/a"]  # fmt: skip
        done = subprocess.run(
            ["bash", "-c", 'ulimit -f 200; exec "$@"', "bash", *command],
            capture_output=True, text=True, check=False, env={**os.environ}, timeout=300,
        )  # fmt: skip
        assert done.returncode == 5, done.stderr
        assert "cannot write out/a" in done.stderr
        assert "Traceback" not in done.stderr

    def test_torchrun_starts_the_command_and_imports_nothing_from_the_working_folder(self):
        for name in ("torch", "typer", "typing", "json"):
            Path(f"{name}.py").write_text("raise SystemExit('imported from the working folder')")
        bin = Path(sys.executable).parent
        done = subprocess.run(
            [bin / "torchrun", "--nproc-per-node=2", "--no-python", bin / "nanogpt", "train",
             *SHORT, "--max-iters=1", "--out-dir=out/two"],
            env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "done in" in done.stderr
