"""A process that does not run spends no time; one that is busy or waits does."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import TINY, executable

from nanogpt_cli.training.stopwatch import Stopwatch


class Machine:
    """Stands for the clocks of a machine: the time, and how much of it the process computed."""

    def __init__(self):
        self.time = self.computed = 0.0

    def stopwatch(self):
        return Stopwatch(lambda: self.time, lambda: self.computed, beat=3600)

    def passes(self, seconds, computed=0.0):
        self.time += seconds
        self.computed += computed


def test_a_gap_without_computing_is_left_out():
    machine = Machine()
    with machine.stopwatch() as watch:
        machine.passes(0.5)
        assert watch.seconds() == 0.5, "a busy machine"
        machine.passes(100)
        assert watch.seconds() == 0.5
        machine.passes(30, computed=30)
        assert watch.seconds() == 30.5, "a long call of C"
        machine.passes(10, computed=16)
        assert watch.seconds() == 40.5, "with several threads"
        machine.passes(60, computed=2)
        assert watch.seconds() == 42.5, "what was computed before the stop"


def test_without_its_thread_all_time_counts():
    machine = Machine()
    watch = machine.stopwatch()
    machine.passes(100)
    assert watch.seconds() == 100
    machine.passes(100)
    with watch:
        machine.passes(0.5)
        assert watch.seconds() == 200.5


def test_waiting_counts():
    begin = time.perf_counter()
    with Stopwatch() as watch:
        before = watch.seconds()
        time.sleep(1.3)
        assert watch.seconds() - before == pytest.approx(time.perf_counter() - begin, abs=0.1)


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGSTOP")
def test_a_process_that_is_stopped_does_not_count():
    program = (
        "import time; from nanogpt_cli.training.stopwatch import Stopwatch\n"
        "with Stopwatch() as watch:\n"
        "    begin, before = time.perf_counter(), watch.seconds()\n"
        "    print(flush=True); input()\n"
        "    print(time.perf_counter() - begin, watch.seconds() - before)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # fmt: skip
        process.stdout.readline()
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(1.4)
        os.kill(process.pid, signal.SIGCONT)
        wall, counted = map(float, process.communicate("\n", timeout=20)[0].split())
    assert wall > 1.4
    assert wall - counted > 1.2


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGSTOP")
def test_a_stopped_run_has_its_whole_budget_and_lands_on_the_final_rate(text_data):
    flags = ["--time=4s", "--log-interval=1", "--out-dir=out/s", "--optimizer=adamw"]
    with executable("train", *TINY, *flags) as process:
        log = Path("out/s/metrics.jsonl")
        while not log.exists() or '"train"' not in log.read_text():
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGSTOP)
        time.sleep(6)
        process.send_signal(signal.SIGCONT)
        assert process.wait(timeout=60) == 0
    events = [json.loads(line) for line in log.read_text().splitlines()]
    assert 3 < events[-1]["time"] < 5
    rates = [e["lr"] for e in events if e["event"] == "train"]
    assert len(rates) > 20
    assert rates[-1] < max(rates) / 5
