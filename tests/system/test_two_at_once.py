"""Two commands at work on the same files: each is safe, and says what is going on."""

import hashlib
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from subprocess import PIPE

import filelock
import numpy as np
import pexpect
import pytest
from command_line import TINY, executable

from nanogpt_cli.checkpoint.load import load_checkpoint
from nanogpt_cli.checkpoint.schema import Checkpoint
from nanogpt_cli.data.prepare import PrepareOptions, prepare
from nanogpt_cli.data.store import open_dataset
from nanogpt_cli.errors import DataError, UsageError
from nanogpt_cli.logs import load, metrics
from nanogpt_cli.logs.metrics import MetricsLog
from nanogpt_cli.registry import CHECKPOINT_FORMATS
from nanogpt_cli.runs import find_dataset
from nanogpt_cli.training.loop import train
from nanogpt_cli.training.plan import Request, make_run

RUN = Path("out/t")
LOG = RUN / "metrics.jsonl"


@pytest.fixture(autouse=True)
def _one_thread_each(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def wait_until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def steps_logged(path=LOG):
    return [e["step"] for e in metrics.read(path).events if e["event"] == "train"]


@contextmanager
def training(*args):
    """Train in a process of its own, for as long as the test takes."""
    process = executable(
        "train", *TINY, "--max-iters=1000000", "--eval-interval=50", f"--out-dir={RUN}", *args
    )
    try:
        wait_until(lambda: LOG.exists() and len(steps_logged()) > 2)
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.usefixtures("text_data")
class TestTwoRuns:
    @pytest.mark.long
    def test_the_second_in_a_folder_is_refused_until_the_first_is_gone(self, nanogpt):
        with training() as first:
            for how in ("--force", "--init-from=resume"):
                code, _, err = nanogpt("train", *TINY, "--max-iters=1", f"--out-dir={RUN}", how)
                assert code == 2
                assert f"another run is training in {RUN} (process {first.pid} on " in err
            assert first.poll() is None
            first.kill()  # which leaves the lock's file
        code, _, err = nanogpt("train", *TINY, "--max-iters=1", f"--out-dir={RUN}", "--force")
        assert code == 0, err

    @pytest.mark.long
    def test_two_that_choose_their_folder_in_the_same_moment(self):
        program = (
            "import os, sys, time; from pathlib import Path; from nanogpt_cli import cli\n"
            "from nanogpt_cli.training import plan\n"
            "real = plan.make_run\n"
            "def make_run(*args):\n"
            "    run = real(*args)\n"
            "    Path(f'planned-{os.getpid()}').touch()\n"
            "    while len(list(Path().glob('planned-*'))) < 2: time.sleep(0.01)\n"
            "    return run\n"
            "plan.make_run = make_run\n"
            "sys.exit(cli.run(sys.argv[1:]))"
        )
        command = [sys.executable, "-c", program, "train", *TINY, "--max-iters=200"]
        both = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
        said = [process.communicate(timeout=120)[1] for process in both]
        codes = sorted(process.returncode for process in both)
        logs = sorted(Path("out").rglob("metrics.jsonl"))
        assert codes in ([0, 0], [0, 2]), said
        assert len(logs) == codes.count(0)
        for log in logs:
            kinds = [e["event"] for e in metrics.read(log).events]
            assert (kinds.count("run"), kinds.count("end"), kinds[-1]) == (1, 1, "end")

    def test_a_folder_that_was_free_when_planned_is_not_overwritten(self):
        shape = {"n_layer": 1, "n_head": 2, "n_embd": 16, "block_size": 16, "batch_size": 4}
        settings = {**shape, "max_iters": 1, "eval_iters": 1, "device": "cpu"}
        first, second = (make_run(Request(settings, "data/hamlet")) for _ in range(2))
        train(first)
        before = {p: p.read_bytes() for p in first.out_dir.iterdir()}
        with suppress(UsageError):
            train(second)
        assert {p: p.read_bytes() for p in first.out_dir.iterdir()} == before


@pytest.mark.parametrize("loads", [30, pytest.param(3000, marks=pytest.mark.long)])
def test_a_checkpoint_is_readable_at_every_moment_of_its_replacement(tiny, loads):
    path = Path("ckpt.pt")
    model = tiny(n_embd=64)
    content = {"config": model.config, "model": model.state_dict()}
    Checkpoint(**content).save(path)
    over = threading.Event()

    def save() -> None:
        step = 0
        while not over.is_set():
            step += 1
            Checkpoint(**content, step=step).save(path)

    writer = threading.Thread(target=save)
    writer.start()
    try:
        seen = []
        while len(seen) < loads or len(set(seen)) < 5:
            seen.append(load_checkpoint(path).step)
    finally:
        over.set()
        writer.join()
    assert seen == sorted(seen)
    print(f"{len(seen)} loads of {len(set(seen))} checkpoints")


class TestTheNewestRunHasNoModelYet:
    @pytest.fixture
    def begun(self):
        """A run that has written nothing but its log."""
        LOG.parent.mkdir(parents=True)
        with MetricsLog(LOG) as log:
            log.write("run")

    def test_the_newest_model_is_used_and_said(self, nanogpt, text_data, begun):
        assert nanogpt("train", *TINY, "--max-iters=1", "--out-dir=out/old", "-q")[0] == 0
        long_ago = time.time() - 100
        for file in Path("out/old").iterdir():
            os.utime(file, (long_ago, long_ago))
        for command in (["chat", "-p", "To be", "--max-tokens=2"], ["eval"]):
            code, _, err = nanogpt(*command)
            assert code == 0
            assert "note: out/t has no checkpoint yet" in err
            assert "note:" not in nanogpt(*command[:1], "out/old", *command[1:])[2]
        os.utime(LOG, (long_ago - 1, long_ago - 1))
        assert "note:" not in nanogpt("eval")[2]

    @pytest.mark.parametrize("name", [[], ["t"]])
    def test_where_there_is_none_one_waits(self, nanogpt, begun, name):
        code, _, err = nanogpt("chat", *name, "-p", "hi")
        assert code == 4
        assert "out/t has no ckpt.pt" in err
        assert "wait for the first evaluation" in err


# Datasets

ABC, XYZ = ("".join(letter * 3 for letter in letters) * 300 for letters in ("abc", "xyz"))
"""Two texts of the same length, with character sets of the same size."""
OUT = Path("data/out")


def prepare_letters(text: str, *, force: bool = True) -> None:
    name = f"{text[0]}.txt"
    Path(name).write_text(text)
    prepare(PrepareOptions((name,), OUT, tokenizer="char", force=force))


def letters() -> str:
    """Open the dataset and give its text: all of ABC or all of XYZ, never of both."""
    opened = open_dataset(OUT)
    return "".join(opened.tokenizer.decode(part.tolist()) for part in (opened.train, opened.val))


def intact() -> bool:
    meta = json.loads((OUT / "meta.json").read_text())
    return all(
        hashlib.sha256((OUT / f"{split}.bin").read_bytes()).hexdigest() == meta[split]["sha256"]
        for split in ("train", "val")
    )


def meanwhile(module, name, monkeypatch):
    """Let another process prepare ABC just before the first call of a function of the system."""
    Path("abc.txt").write_text(ABC)
    real = getattr(module, name)

    def call(*args):
        monkeypatch.setattr(module, name, real)
        other = executable("prepare", "abc.txt", "--out", str(OUT), "--tokenizer=char", "-q")
        assert other.communicate(timeout=60) == ("", "")
        return real(*args)

    monkeypatch.setattr(module, name, call)


class TestTwoPrepare:
    @pytest.mark.parametrize("there", [True, False])
    @pytest.mark.parametrize("force", [True, False])
    def test_one_that_comes_second_replaces_with_force_and_is_refused_without(
        self, monkeypatch, there, force
    ):
        if there:
            OUT.mkdir(parents=True)
        meanwhile(os, "fsync", monkeypatch)
        with nullcontext() if force else pytest.raises(UsageError, match="already holds a dataset"):
            prepare_letters(XYZ, force=force)
        assert letters() == (XYZ if force else ABC)
        assert not list(Path("data").rglob("*.tmp-nanogpt"))

    @pytest.mark.parametrize("force", [True, False])
    def test_a_folder_that_appears_at_the_last_moment_counts_too(self, monkeypatch, force):
        meanwhile(Path, "rename", monkeypatch)
        with nullcontext() if force else pytest.raises(UsageError, match="already holds a dataset"):
            prepare_letters(XYZ, force=force)
        assert letters() == (XYZ if force else ABC)

    def test_files_are_put_in_place_by_one_at_a_time(self):
        """While one holds the folder's lock, the other waits and touches nothing."""
        prepare_letters(ABC)
        before = {path.name: path.read_bytes() for path in OUT.iterdir() if path.is_file()}
        other = executable(
            "prepare", "-", "--out", str(OUT), "--tokenizer=char", "--force", "-q", stdin=PIPE
        )
        text = XYZ * 100
        other.stdin.write(text)  # more than a pipe holds: it has begun to read
        other.stdin.flush()
        with filelock.FileLock(OUT / ".lock"):
            other.stdin.close()
            other.stdin = None
            wait_until(lambda: any((p / "meta.json").exists() for p in OUT.glob(".*.tmp-nanogpt")))
            time.sleep(0.3)
            assert other.poll() is None
            assert {name: (OUT / name).read_bytes() for name in before} == before
        assert other.communicate(timeout=60) == ("", "")
        assert letters() == text

    @pytest.mark.parametrize("holder", ["17 on host", ""])
    def test_a_folder_in_use_is_refused_at_once(self, nanogpt, holder):
        """Before a pipe is read to its end, or waited for."""
        OUT.mkdir(parents=True)
        os.mkfifo("pipe")
        with filelock.FileLock(OUT / ".lock"):
            (OUT / ".lock").write_text(holder)
            code, _, err = nanogpt("prepare", "pipe", "--out", OUT, "--force")
        assert code == 2
        who = f"a run (process {holder})" if holder else "another process"
        assert f"error: {who} is using {OUT}" in err
        assert [path.name for path in OUT.iterdir()] == [".lock"]

    def test_a_run_that_begins_meanwhile_is_waited_for_within_bounds(self, monkeypatch):
        prepare_letters(ABC)
        lock, fsync = filelock.FileLock(OUT / ".lock"), os.fsync

        def begin(descriptor):
            lock.acquire()
            fsync(descriptor)

        monkeypatch.setattr(os, "fsync", begin)
        monkeypatch.setattr(time, "sleep", lambda _: None)
        clock = itertools.count()
        monkeypatch.setattr(time, "perf_counter", lambda: float(next(clock)))
        try:
            with pytest.raises(UsageError, match="its lock was not free within 10 s"):
                prepare_letters(XYZ)
        finally:
            lock.release(force=True)
        assert letters() == ABC

    @pytest.mark.parametrize("force", [["--force"], []])
    def test_two_processes(self, force):
        for name, text in (("a.txt", ABC), ("x.txt", XYZ)):
            Path(name).write_text(text)
        both = [
            executable("prepare", name, "--out", str(OUT), "--tokenizer=char", "-q", *force)
            for name in ("a.txt", "x.txt")
        ]
        said = [process.communicate(timeout=60)[1] for process in both]
        assert sorted(p.returncode for p in both) == ([0, 0] if force else [0, 2]), said
        assert intact()
        assert letters() in (ABC, XYZ)


class TestAReaderDuringPrepare:
    def test_files_half_in_place_are_the_new_ones(self, monkeypatch):
        prepare_letters(ABC)
        real, found = Path.replace, []

        def replace(self, target):
            done = real(self, target)
            if target.parent == OUT:
                found.append(letters())
            return done

        monkeypatch.setattr(Path, "replace", replace)
        prepare_letters(XYZ)
        assert found == [XYZ] * 3

    def test_files_replaced_while_it_looks_at_them_are_not_mixed(self, monkeypatch):
        prepare_letters(ABC)
        real, to_replace = np.memmap, ["val.bin"]

        def memmap(path, *args, **kwargs):
            if path.name in to_replace:
                to_replace.clear()
                prepare_letters(XYZ)
            return real(path, *args, **kwargs)

        monkeypatch.setattr(np, "memmap", memmap)
        assert letters() == XYZ
        assert to_replace == []

    def test_one_that_is_replaced_again_and_again_is_reported(self, monkeypatch):
        texts = itertools.cycle([ABC, XYZ])
        prepare_letters(next(texts))
        real = np.memmap

        def memmap(path, *args, **kwargs):
            if path.name == "val.bin":
                prepare_letters(next(texts))
            return real(path, *args, **kwargs)

        monkeypatch.setattr(np, "memmap", memmap)
        with pytest.raises(DataError, match="replaced while it was being opened"):
            letters()

    def test_an_unfinished_dataset_is_not_the_newest(self, monkeypatch):
        prepare_letters(ABC)
        real, found = Path.rename, []

        def rename(self, target):
            found.append(find_dataset())
            return real(self, target)

        monkeypatch.setattr(Path, "rename", rename)
        Path("b.txt").write_text(XYZ)
        prepare(PrepareOptions(("b.txt",), Path("data/new"), tokenizer="char"))
        assert found == [OUT]
        assert find_dataset() == Path("data/new")


@pytest.mark.long
def test_a_run_goes_on_with_the_data_it_began_with(nanogpt):
    prepare_letters(ABC)
    with training(f"--data-dir={OUT}", "--log-interval=1") as run:
        prepare_letters(ABC[::-1])
        step = steps_logged()[-1]
        wait_until(lambda: steps_logged()[-1] > step + 100)
        run.send_signal(signal.SIGINT)
        assert run.wait(60) == 130
    code, _, err = nanogpt("train", "--init-from=resume", f"--out-dir={RUN}", "--max-iters=1")
    assert code == 3
    assert f"{OUT} has changed since {RUN}/last.pt was written" in err


# Logs, migration, history


def test_a_log_is_whole_at_every_moment_also_while_it_is_cut():
    RUN.mkdir(parents=True)
    over = threading.Event()
    with MetricsLog(LOG) as log:
        for step in range(500):
            log.write("train", step=step, loss=1.0)

    def write() -> None:
        while not over.is_set():
            with MetricsLog(LOG) as log:
                for step in range(500, 520):
                    log.write("train", step=step, loss=1.0)
            metrics.truncate(LOG, 499)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        logs = []
        while len(logs) < 200 or len({len(found.events) for found in logs}) < 2:
            logs.append(load.load(LOG))
    finally:
        over.set()
        writer.join()
    for found in logs:
        steps = [e["step"] for e in found.events]
        assert steps == list(range(len(steps)))
        assert len(steps) >= 500
        assert found.dropped <= 1


class TestMigrationInAFolderWhereARunTrains:
    @pytest.fixture
    def old(self, tiny):
        RUN.mkdir(parents=True)
        model = tiny()
        Checkpoint(model.config, model.state_dict()).save(RUN / "ckpt.pt")
        return RUN / "ckpt.pt"

    def test_it_does_not_replace_what_the_run_saves(self, nanogpt, old):
        before = old.read_bytes()
        with filelock.FileLock(RUN / ".lock"):
            code, _, err = nanogpt("migrate-ckpt", old)
            assert code == 2
            assert f"a run is training in {RUN}" in err
            assert {p.name for p in RUN.iterdir()} == {"ckpt.pt", ".lock"}
            assert old.read_bytes() == before
            assert nanogpt("migrate-ckpt", old, "-o", "new.pt")[0] == 0
            assert nanogpt("migrate-ckpt", old, "--pos-embd=keep")[0] == 0  # writes nothing
        assert nanogpt("migrate-ckpt", old)[0] == 0
        assert (RUN / "ckpt_original.pt").read_bytes() == before

    def test_a_file_replaced_while_it_was_read_is_left_alone(self, nanogpt, old):
        real = CHECKPOINT_FORMATS.get("torch")
        saved = Path("saved.pt")
        saved.write_bytes(old.read_bytes())

        def read(path):
            content = real.read(path)
            saved.replace(old)
            return content

        CHECKPOINT_FORMATS.register("torch", replace(real, read=read))
        try:
            code, _, err = nanogpt("migrate-ckpt", old)
        finally:
            CHECKPOINT_FORMATS.register("torch", real)
        assert code == 2
        assert f"{old} was replaced while it was read" in err
        assert [p.name for p in RUN.iterdir()] == ["ckpt.pt"]


@pytest.mark.long
def test_two_chats_share_a_history(tiny, text_data):
    words = open_dataset(text_data).tokenizer
    model = tiny(vocab_size=words.vocab_size)
    Checkpoint(model.config, model.state_dict(), words.to_dict()).save(RUN / "ckpt.pt")
    chats = [
        pexpect.spawn(sys.executable, ["-m", "nanogpt_cli", "chat"], encoding="utf-8", timeout=30)
        for _ in range(2)
    ]
    for chat in chats:
        chat.expect("Send a message")
    lines = [f"/set seed {number}" for number in range(6)]
    for number, line in enumerate(lines):
        chats[number % 2].send(f"{line}\r")
        chats[number % 2].expect("Send a message")
    for chat in chats:
        chat.sendeof()
        chat.expect(pexpect.EOF)
        chat.close()
    history = next(Path("state").rglob("chat_history")).read_text().splitlines()
    assert [line[1:] for line in history if line.startswith("+")] == lines
