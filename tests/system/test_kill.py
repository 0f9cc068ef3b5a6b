"""Killed at random moments, half of them inside a save: nothing is unreadable, no more than one
interval is lost, and the run ends in the same weights and the same log as one left alone."""

import json
import multiprocessing
import os
import random
import signal
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import pytest
import torch

from nanogpt_cli import files
from nanogpt_cli.checkpoint.load import load_checkpoint
from nanogpt_cli.checkpoint.schema import Checkpoint
from nanogpt_cli.checkpoint.torchfile import read
from nanogpt_cli.training.loop import train
from nanogpt_cli.training.plan import Request, make_run
from nanogpt_cli.training.reporter import Reporter

STEPS, STEP_SECONDS, INTERVAL = 100, 0.005, 0.15
SETTINGS = {
    "block_size": 16, "n_layer": 2, "n_head": 2, "n_embd": 16, "ngram_rows": 64, "dropout": 0.2,
    "batch_size": 4, "gradient_accumulation_steps": 2, "max_iters": STEPS, "eval_interval": 25,
    "eval_iters": 2, "log_interval": 1, "sample_tokens": 4, "device": "cpu", "warmup_iters": 2,
    "save_every": f"{INTERVAL}s",
}  # fmt: skip

SIGNALS = [signal.SIGKILL] * 4 + [signal.SIGINT, signal.SIGTERM]

# A server that has torch in memory forks each run, which takes a tenth of starting one.
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(
    ["nanogpt_cli.training.loop", "nanogpt_cli.training.plan", "tiktoken"]
)


class Slow(Reporter):
    def __init__(self, said):
        self.said = said

    def start(self, run, model, device):
        self.said.send_bytes(b"started")  # from here on signals are heeded

    def step(self, report):
        time.sleep(STEP_SECONDS)


def run_in_child(folder, out, resume, settings, said):
    """Train, with saves that take a while and say when they begin and end."""
    os.chdir(folder)
    torch.set_num_threads(1)
    real, real_sync, real_write = Checkpoint.save, os.fsync, files.LargeFile.write

    def save(*args, **kwargs):
        said.send_bytes(b"save")
        real(*args, **kwargs)
        said.send_bytes(b"done")

    def slow_write(target, data):
        time.sleep(0.0002)
        return real_write(target, data)

    def slow_sync(descriptor):
        real_sync(descriptor)
        time.sleep(0.03)  # what follows is the rename, or the end

    Checkpoint.save, files.os.fsync = save, slow_sync
    files.LargeFile.write = slow_write
    request = Request(
        settings={} if resume else settings,
        data="data/hamlet",
        out_dir=Path(out),
        init_from="resume" if resume else "scratch",
        preset="quick",
        force=not resume,  # a run that was killed before its first save has left its log
    )
    train(make_run(request), Slow(said))


@contextmanager
def running(out, settings):
    resume = any((Path(out) / name).exists() for name in ("last.pt", "ckpt.pt"))
    hear, said = SERVER.Pipe(duplex=False)
    arguments = (os.getcwd(), out, resume, settings, said)
    child = SERVER.Process(target=run_in_child, args=arguments)
    child.start()
    said.close()
    try:
        yield child, hear
    finally:
        child.kill()
        child.join()


def heard(hear, wait=0.0):
    """Give all that the child has said, after at most so many seconds."""
    words = []
    with suppress(EOFError):
        while hear.poll(wait):
            words.append(hear.recv_bytes())
            wait = 0.0
    return words


@dataclass
class Toll:
    """What a series of kills did."""

    kills: int = 0
    inside: int = 0
    """Kills while a save was under way."""
    lost: list[int] = field(default_factory=list)
    """Steps lost by each kill."""
    runs: int = 0


def log_of(out):
    """Give the log without times, and without a line for each start."""
    lines = (Path(out) / "metrics.jsonl").read_bytes().splitlines()
    events = [json.loads(line) for line in lines]
    rest = ("time", "tokens_per_sec")
    return [{k: v for k, v in e.items() if k not in rest} for e in events if e["event"] != "run"]


def weigh(out, toll):
    """Check what a kill has left: all that is there can be read; count the lost steps."""
    saved = 0
    for path in Path(out).glob("*.pt"):
        loaded = load_checkpoint(path)
        if path.name == "last.pt":
            saved = loaded.step
    log = Path(out) / "metrics.jsonl"
    whole = log.read_bytes().split(b"\n")[:-1] if log.exists() else []
    trained = [json.loads(line)["step"] for line in whole]
    toll.lost.append(max(0, max(trained, default=0) - saved))


def kill_until_done(out, settings, chance, toll, kills):
    """Let a run be stopped again and again until it is done, or left alone after ``kills``."""
    while True:
        inside = 2 * toll.inside <= toll.kills
        with running(out, settings) as (child, hear):
            words, saves = [], chance.choice([1, 1, 2, 3, 4])
            deadline = time.monotonic() + chance.uniform(0.0, 1.0)
            while toll.kills < kills and child.is_alive():
                if not inside and time.monotonic() > deadline:
                    break
                words += heard(hear, 0.002)
                if inside and words.count(b"save") >= saves:
                    time.sleep(chance.uniform(0, 0.12))
                    break
            number = chance.choice(SIGNALS) if b"started" in words else signal.SIGKILL
            if toll.kills < kills and child.is_alive():
                os.kill(child.pid, number)
            child.join(60)
            words += heard(hear)
        if child.exitcode == -signal.SIGKILL:
            toll.kills += 1
            toll.inside += words.count(b"save") > words.count(b"done")
            weigh(out, toll)
            continue
        assert child.exitcode == 0, "see the child's traceback above"
        if log_of(out)[-1]["reason"] == "done":
            toll.runs += 1
            return


def series(kills, seed):
    """Kill runs of all kinds ``kills`` times; each must end as the one that was left alone."""
    chance, toll = random.Random(seed), Toll()
    kinds = list(product(("default", "rope", "relative"), ("adamw", "muon")))
    chance.shuffle(kinds)
    references = {}
    while toll.kills < kills:
        pos_embd, optimizer = kind = kinds[toll.runs % len(kinds)]
        settings = {**SETTINGS, "pos_embd": pos_embd, "optimizer": optimizer}
        if kind not in references:
            references[kind] = f"out/whole-{pos_embd}-{optimizer}"
            with running(references[kind], settings) as (child, _):
                child.join(120)
                assert child.exitcode == 0
        out = f"out/killed-{toll.runs}"
        kill_until_done(out, settings, chance, toll, kills)
        for name in ("last.pt", "ckpt.pt"):
            whole, killed = (read(Path(o) / name)["model"] for o in (references[kind], out))
            assert all(torch.equal(whole[key], killed[key]) for key in whole), (kind, name)
        assert log_of(out) == log_of(references[kind])
        assert not list(Path(out).glob(".*tmp*")) + list(Path(out).glob(".*.new"))
    print(
        f"\n{toll.kills} kills, {toll.inside} of them inside a save, in {toll.runs} runs of "
        f"{STEPS} steps: 0 unreadable, at most {max(toll.lost)} steps lost of "
        f"{INTERVAL / STEP_SECONDS:.0f} or less in an interval, the same weights and log each time"
    )
    assert max(toll.lost) * STEP_SECONDS <= INTERVAL
    assert toll.inside >= 0.4 * toll.kills


@pytest.mark.long
@pytest.mark.usefixtures("text_data")
def test_a_run_that_is_killed_ends_like_one_that_is_not():
    series(2, 0)


@pytest.mark.long
@pytest.mark.usefixtures("text_data")
def test_two_hundred_kills():
    series(200, 1)
