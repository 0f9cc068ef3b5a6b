"""plot-log --follow: a run is shown as it grows, until it ends."""

import io
import os
import re
import signal
import sys
from contextlib import contextmanager
from pathlib import Path

import pexpect
import pytest

from nanogpt_cli.cli import follow as following
from nanogpt_cli.cli import ui
from nanogpt_cli.errors import DataError
from nanogpt_cli.logs import metrics
from nanogpt_cli.logs.metrics import MetricsLog

LOG = Path("out/a/metrics.jsonl")


def write(*steps: int, reason: str | None = None, path: Path = LOG) -> None:
    """Append a training step and an evaluation for each of ``steps``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with MetricsLog(path) as log:
        for step in steps:
            log.write("train", step=step, loss=4 - step / 100)
            log.write("eval", step=step, val_loss=4 - step / 200)
        if reason:
            log.write("end", reason=reason)


@pytest.fixture
def follow(capsys):
    """Follow in this process; each of ``acts`` is done while it pauses."""

    def run(*names: str, output: Path | None = None, acts=()) -> tuple[int, str, str]:
        left = iter(acts)
        ui.console.cache_clear()
        code = following.follow(names or (None,), output, pause=lambda *_: next(left)())
        assert next(left, None) is None
        return code, *capsys.readouterr()

    return run


class TestWithoutATerminal:
    def test_each_evaluation_is_a_line_until_the_run_ends(self, follow):
        write(0, 10)
        code, out, err = follow("a", acts=[lambda: write(20), lambda: write(1000, reason="done")])
        assert (code, err) == (0, "")
        assert out.splitlines() == [
            "a: step 0: val loss 4.0000",
            "a: step 10: val loss 3.9500",
            "a: step 20: val loss 3.9000",
            "a: step 1,000: val loss -1.0000",
        ]

    def test_what_a_resumed_run_cut_is_said_again(self, follow):
        write(0, 10, 20)

        def resume() -> None:
            metrics.truncate(LOG, 10)
            write(21, reason="done")

        _, out, _ = follow("a", acts=[resume])
        assert [line.split()[2] for line in out.splitlines()] == ["0:", "10:", "20:", "21:"]

    @pytest.mark.parametrize("named", [["a"], []])
    def test_a_run_that_has_not_begun_is_waited_for(self, follow, named):
        Path("out").mkdir()
        code, out, err = follow(
            *named, acts=[LOG.parent.mkdir, LOG.touch, lambda: write(0, reason="done")]
        )
        assert (code, out) == (0, "a: step 0: val loss 4.0000\n")
        assert err.startswith("waiting: ")
        assert "no losses in out/a/metrics.jsonl yet" in err

    def test_all_runs_must_have_ended(self, follow):
        write(0, reason="done")
        other = Path("out/b/metrics.jsonl")
        code, out, err = follow(
            "a",
            "b",
            acts=[lambda: write(0, path=other), lambda: write(7, reason="done", path=other)],
        )
        assert code == 0
        assert "waiting: no run, folder or file is called b" in err
        assert out.splitlines()[-1] == "b: step 7: val loss 3.9650"

    def test_a_run_that_ended_without_a_loss_is_an_error(self, follow):
        write(reason="diverged")
        with pytest.raises(DataError, match="no losses found in a"):
            follow("a")

    def test_a_picture_is_drawn_again_after_each_evaluation(self, follow):
        write(0, 10)
        pictures = []

        def then(step: int, reason: str | None = None) -> None:
            pictures.append(Path("loss.svg").read_bytes())
            write(step, reason=reason)

        def train_on() -> None:
            with MetricsLog(LOG) as log:
                log.write("train", step=25, loss=1)

        code, out, err = follow(
            "a",
            output=Path("loss.svg"),
            acts=[lambda: then(20), train_on, lambda: then(30, reason="done")],
        )
        assert (code, out) == (0, "")
        assert err.splitlines() == [f"wrote loss.svg at step {step}" for step in (10, 20, 30)]
        pictures.append(Path("loss.svg").read_bytes())
        assert len(set(pictures)) == 3

    @pytest.mark.parametrize(
        ("args", "words"),
        [
            (["a", "--json"], "--json"),
            (["a", "--to-jsonl", "b.jsonl"], "--to-jsonl"),
            (["a", "-"], "stdin"),
            (["a", "-o", "loss.jpg"], ".png, .svg, .pdf, .html"),
        ],
    )
    def test_what_cannot_be_followed_is_refused_at_once(self, nanogpt, monkeypatch, args, words):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"")))
        code, out, err = nanogpt("plot-log", "--follow", *args)
        assert (code, out) == (2, "")
        assert words in err


@contextmanager
def terminal(*args: str, **environment: str):
    """Follow a run in a terminal of 60 x 20."""
    child = pexpect.spawn(
        sys.executable, ["-m", "nanogpt_cli", "plot-log", "-f", *args], encoding="utf-8",
        timeout=20, dimensions=(20, 60), env={**os.environ, "TERM": "xterm", **environment},
    )  # fmt: skip
    try:
        yield child
    finally:
        child.close(force=True)


OPEN, CLOSE, SHOW_CURSOR = (f"\x1b[?{end}" for end in ("1049h", "1049l", "25h"))


class TestInATerminal:
    @pytest.mark.long
    def test_the_chart_grows_until_the_run_ends_and_stays_on_the_screen(self):
        with terminal("a") as child:
            child.expect_exact(OPEN)
            child.expect("waiting: no run")
            write(0, 10)
            child.expect("best val loss 3.9500 at step 10")
            child.expect("val loss")  # the summary
            child.expect("Ctrl-C leaves")
            write(20)
            child.expect("best val loss 3.9000 at step 20")
            write(30, reason="done")
            child.expect_exact(CLOSE)
            child.expect("best val loss 3.8500 at step 30")
            child.expect(pexpect.EOF)
            child.close()
        assert child.exitstatus == 0

    def test_ctrl_c_leaves_with_the_chart_and_without_a_fuss(self):
        write(0, 10)
        with terminal("a") as child:
            child.expect("Ctrl-C leaves")
            child.sendintr()
            child.expect_exact(CLOSE)
            child.expect("best val loss 3.9500 at step 10")
            child.expect(pexpect.EOF)
            child.close()
        assert child.exitstatus == 0

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
    def test_a_killed_one_gives_the_terminal_back(self, number):
        write(0, 10)
        with terminal("a") as child:
            child.expect("Ctrl-C leaves")
            child.kill(number)
            child.expect_exact(SHOW_CURSOR)
            child.expect_exact(CLOSE)
            child.expect(pexpect.EOF)
            child.close()
        assert child.exitstatus == 128 + number

    def test_it_fits_the_terminal_also_when_that_changes(self):
        write(0, 10)
        with terminal("a", NO_COLOR="1") as child:
            child.expect("Ctrl-C leaves")
            for rows, columns in ((30, 100), (6, 20)):
                child.setwinsize(rows, columns)
                child.expect_exact("\x1b[H")
                child.expect(pexpect.TIMEOUT, timeout=0.7)
                lines = child.before.splitlines()
                assert lines[0].startswith("validation loss"[:columns])
                assert len(lines) == rows
                assert "\x1b[38" not in child.before
                assert max(len(re.sub(r"\x1b\[\d*m", "", line)) for line in lines) == columns
