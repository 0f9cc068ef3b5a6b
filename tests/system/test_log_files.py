"""What plot-log writes over, and logs and settings that are not regular files."""

import json
import os
import signal
from pathlib import Path

import pytest
from small_files import CONSOLE, LOG, checkpoint, well_behaved

from nanogpt_cli.logs import metrics

TINY = ["--n-layer=1", "--n-head=2", "--n-embd=16", "--block-size=16", "--batch-size=4",
        "--eval-iters=1", "--sample-tokens=4", "--device=cpu", "--dtype=float32"]  # fmt: skip

ALIEN = {
    "text": b"my novel, which mentions nanogpt plot-log\n",
    "a page": b"<!doctype html>\n<title>about nanogpt plot-log</title>",
    "a drawing": b"<?xml version='1.0'?>\n<svg><!-- nanogpt plot-log --></svg>",
    "a log": LOG.encode(),
    "a log, cut": b'{"event": "converted", "lines": 2}\n{"event": "train", "step": 1}\n',
}


@pytest.fixture(autouse=True)
def _a_run():
    Path("out/x").mkdir(parents=True)
    Path("out/x/metrics.jsonl").write_text(LOG)
    Path("train.log").write_text(CONSOLE)


@pytest.mark.parametrize("option", ["-o", "--to-jsonl"])
def test_only_what_was_written_here_is_replaced(nanogpt, tiny, option):
    checkpoint(tiny)
    name = "loss.png" if option == "-o" else "new.jsonl"
    for content in (*ALIEN.values(), Path("good.pt").read_bytes()):
        Path(name).write_bytes(content)
        got = nanogpt("plot-log", "x", option, name)
        assert well_behaved(got, (2,)) == 2
        assert got[2].startswith(f"error: {name} already exists and holds something else\nhint: ")
        assert "--force" in got[2]
        assert Path(name).read_bytes() == content
    assert nanogpt("plot-log", "x", option, name, "--force")[0] == 0
    Path("empty").touch()
    Path("empty").replace(name)
    for _ in range(2):  # an empty file, then what was written here
        assert nanogpt("plot-log", "x", option, name)[0] == 0


@pytest.mark.parametrize("name", ["loss.svg", "loss.html", "loss.png", "loss.pdf"])
def test_a_picture_is_known_as_one_and_followed_runs_draw_it_again(nanogpt, name):
    assert nanogpt("plot-log", "x", "-o", name)[0] == 0
    assert nanogpt("plot-log", "x", "--follow", "-o", name)[0] == 0
    Path(name).write_text("my own")
    assert nanogpt("plot-log", "x", "--follow", "-o", name)[0] == 2
    assert Path(name).read_text() == "my own"


def test_a_converted_log_in_which_a_run_continued_is_that_runs(nanogpt):
    target = Path("out/new/metrics.jsonl")
    assert nanogpt("plot-log", "train.log", "--to-jsonl", target)[0] == 0
    assert nanogpt("plot-log", "new", "--to-jsonl", "again.jsonl")[0] == 0
    first, *rest = metrics.read(Path("again.jsonl")).events
    assert (first, metrics.read(target).events[1:]) == (
        {"event": "converted", "lines": len(rest)}, rest,
    )  # fmt: skip
    with metrics.MetricsLog(target) as log:
        log.write("train", step=10, loss=2.0)
    assert nanogpt("plot-log", "train.log", "--to-jsonl", target)[0] == 2
    assert metrics.read(target).events[-1]["step"] == 10


def test_the_source_is_never_replaced_and_neither_is_a_device(nanogpt, tiny):
    checkpoint(tiny)
    Path("loss.svg").write_text(CONSOLE)
    os.link("train.log", "linked.jsonl")
    null = os.stat(os.devnull)
    for line in (
        ["plot-log", "x", "--to-jsonl", "out/x/metrics.jsonl", "--force"],
        ["plot-log", "train.log", "--to-jsonl", "linked.jsonl", "--force"],
        ["plot-log", "loss.svg", "-o", "loss.svg", "--force"],
        ["plot-log", "loss.svg", "--follow", "-o", "loss.svg", "--force"],
        ["plot-log", "x", "--to-jsonl", os.devnull, "--force"],
        ["plot-log", "x", "--to-jsonl", "out", "--force"],
        ["migrate-ckpt", "good.pt", "-o", "good.pt", "--force"],
        ["migrate-ckpt", "good.pt", "-o", os.devnull, "--force"],
        ["migrate-ckpt", "good.pt", "-o", "out", "--force"],
    ):
        got = nanogpt(*line)
        assert well_behaved(got, (2,)) == 2, line
    assert Path("out/x/metrics.jsonl").read_text() == LOG
    assert Path("train.log").read_text() == Path("loss.svg").read_text() == CONSOLE
    assert os.stat(os.devnull).st_ino == null.st_ino


@pytest.fixture
def _no_waiting():
    """End what waits."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(60)
    yield
    signal.alarm(0)


@pytest.mark.usefixtures("_no_waiting", "text_data")
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_pipes_and_devices_are_not_read_as_logs_and_settings(nanogpt):
    os.mkfifo("pipe")
    os.mkfifo("pipe.toml")
    Path("zero").symlink_to("/dev/zero")
    train = ["train", *TINY, "--max-iters=1", "--out-dir=out/t"]
    assert nanogpt(*train)[0] == 0
    for special in ("pipe", "zero"):
        Path("out/t/metrics.jsonl").unlink()
        if special == "pipe":
            os.mkfifo("out/t/metrics.jsonl")
        else:
            Path("out/t/metrics.jsonl").symlink_to("/dev/zero")
        for code, line in (
            (3, ["plot-log", "t"]),
            (3, ["plot-log", "out/t", "--json"]),
            (3, ["plot-log", "t", "--follow"]),
            (3, ["plot-log", special]),
            (2, ["train", f"{special}.toml" if special == "pipe" else special, "--dry-run"]),
            (2, ["train", "--config", special, "--dry-run"]),
            (5, ["train", "--init-from=resume", "--out-dir=out/t", "--max-iters=2"]),
            (0, [*train, "--force"]),
        ):
            got = nanogpt(*line)
            assert well_behaved(got, (code,)) == code, line
    lines = Path("out/t/metrics.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["reason"] == "done"
