"""plot-log --follow: reading a log while it is written, and showing it until the run ends."""

import io
import os
import re
import signal
import sys
from contextlib import contextmanager
from pathlib import Path

import pexpect
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nanogpt_cli import cli
from nanogpt_cli.cli import plot_log
from nanogpt_cli.errors import DataError
from nanogpt_cli.logs import metrics
from nanogpt_cli.logs.metrics import MetricsLog
from nanogpt_cli.plot import figure as plot
from nanogpt_cli.plot.figure import GrowingLog

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


def steps(log: GrowingLog) -> list[int]:
    return [event["step"] for event in log.log.events if event["event"] == "eval"]


class TestReading:
    def test_only_what_is_new_is_parsed(self, monkeypatch):
        write(0, 10, 20)
        log = GrowingLog(LOG)
        assert log.read_on()
        parsed = []
        parse = metrics.parse
        monkeypatch.setattr(metrics, "parse", lambda lines: parsed.extend(lines) or parse(lines))
        assert not log.read_on()
        write(30)
        assert log.read_on()
        assert len(parsed) == 2
        assert steps(log) == [0, 10, 20, 30]

    def test_a_torn_line_is_read_when_it_is_whole(self):
        write(0)
        whole = LOG.read_bytes()
        log = GrowingLog(LOG)
        LOG.write_bytes(whole[:-7])
        assert log.read_on()
        assert (steps(log), log.log.dropped) == ([], 0)
        LOG.write_bytes(whole)
        assert log.read_on()
        assert (steps(log), log.log.dropped) == ([0], 0)

    def test_a_log_that_was_cut_and_has_grown_beyond_is_read_anew(self):
        write(0, 10, 20, 30)
        log = GrowingLog(LOG)
        log.read_on()
        metrics.truncate(LOG, 10)
        write(11, 12, 13, 14, 15)
        assert log.read_on()
        assert steps(log) == [0, 10, 11, 12, 13, 14, 15]

    def test_a_run_started_over_is_read_anew(self):
        write(0, 10)
        log = GrowingLog(LOG)
        log.read_on()
        LOG.unlink()
        write(0, 11, 22)
        assert log.read_on()
        assert steps(log) == [0, 11, 22]

    def test_a_log_that_is_not_there_is_empty_until_it_is(self):
        log = GrowingLog(LOG)
        assert not log.read_on()
        write(0)
        assert log.read_on()
        LOG.unlink()
        assert log.read_on()
        assert log.log.events == []
        LOG.mkdir()
        with pytest.raises(DataError, match=r"metrics\.jsonl"):
            log.read_on()

    def test_it_knows_the_end_and_that_a_resumed_run_is_not_over(self):
        write(0, reason="SIGINT")
        log = GrowingLog(LOG)
        log.read_on()
        assert log.ended
        metrics.truncate(LOG, 0)
        assert log.read_on()
        assert not log.ended

    def test_a_console_log_grows_too(self):
        path = Path("train.log")
        log = GrowingLog(path)
        path.write_text("tokens per iteration will be: 100\nstep 0: train loss 4.2, val loss 4.")
        log.read_on()
        assert log.log.events == []
        with path.open("a") as file:
            file.write("3\niter 0: loss 4.2, time 100ms\n")
        log.read_on()
        assert log.log == plot.load_events(path)
        assert log.log.events[-1]["tokens_per_sec"] == 1000

    @settings(deadline=None, max_examples=60)
    @given(
        st.lists(
            st.one_of(
                st.integers(0, 30).map(lambda step: ("write", step)),
                st.integers(0, 30).map(lambda step: ("truncate", step)),
                st.integers(1, 40).map(lambda count: ("tear", count)),
                st.just(("junk", 0)),
                st.just(("anew", 0)),
                st.just(("read", 0)),
            ),
            max_size=25,
        )
    )
    def test_whatever_happens_to_the_file_it_ends_up_with_what_a_reader_finds(self, events):
        LOG.unlink(missing_ok=True)
        log = GrowingLog(LOG)
        for number, (what, count) in enumerate(events):
            match what:
                case "write":
                    with MetricsLog(LOG.parent.mkdir(parents=True, exist_ok=True) or LOG) as file:
                        file.write("train", step=count, time=number)  # no two lines are the same
                case "truncate":
                    metrics.truncate(LOG, count)
                case "tear" if LOG.exists():
                    LOG.write_bytes(LOG.read_bytes()[:-count])
                case "junk" if LOG.exists():
                    LOG.write_bytes(LOG.read_bytes() + b"[%d" % number)
                case "anew":
                    LOG.unlink(missing_ok=True)
                case "read":
                    log.read_on()
        with MetricsLog(LOG.parent.mkdir(parents=True, exist_ok=True) or LOG) as file:
            file.write("end")
        log.read_on()
        assert log.log == plot.load_events(LOG)
        assert not log.read_on()


@pytest.fixture
def follow(capsys, monkeypatch):
    """Follow in this process; each of ``acts`` is done while it pauses."""

    def run(*args: str, acts=()) -> tuple[int, str, str]:
        left = iter(acts)
        monkeypatch.setattr(plot_log, "_pause", lambda *_: next(left)())
        code = cli.run(["plot-log", "--follow", *args])
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
        assert "out/a/metrics.jsonl holds no loss yet" in err

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
        code, out, err = follow("a")
        assert (code, out) == (3, "")
        assert "a holds no loss" in err

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
            "-o",
            "loss.svg",
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
            (["a", "-o", "loss.pdf"], ".png, .svg, .html"),
        ],
    )
    def test_what_cannot_be_followed_is_refused_at_once(self, follow, monkeypatch, args, words):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"")))
        code, out, err = follow(*args)
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

    def test_a_killed_one_gives_the_terminal_back(self):
        write(0, 10)
        with terminal("a") as child:
            child.expect("Ctrl-C leaves")
            child.kill(signal.SIGTERM)
            child.expect_exact(SHOW_CURSOR)
            child.expect_exact(CLOSE)
            child.expect(pexpect.EOF)
            child.close()
        assert child.exitstatus == 143

    def test_it_fits_the_terminal_also_when_that_changes(self):
        write(0, 10)
        with terminal("a", NO_COLOR="1") as child:
            child.expect("Ctrl-C leaves")
            for rows, columns in ((30, 100), (6, 20)):
                child.setwinsize(rows, columns)
                child.expect_exact("\x1b[H")
                child.expect(pexpect.TIMEOUT, timeout=0.7)
                lines = child.before.splitlines()
                assert lines[0].rstrip() == "loss"
                assert len(lines) == rows
                assert "\x1b[38" not in child.before
                assert max(len(re.sub(r"\x1b\[\d*m", "", line)) for line in lines) == columns
