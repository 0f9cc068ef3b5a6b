"""A log that is read while it is written ends up as a reader finds it."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nanogpt_cli.errors import DataError
from nanogpt_cli.logs import load, metrics
from nanogpt_cli.logs.growing import GrowingLog
from nanogpt_cli.logs.metrics import MetricsLog

LOG = Path("out/a/metrics.jsonl")


def write(*steps: int, reason: str | None = None) -> None:
    """Append a training step and an evaluation for each of ``steps``."""
    LOG.parent.mkdir(parents=True, exist_ok=True)
    with MetricsLog(LOG) as log:
        for step in steps:
            log.write("train", step=step, loss=4 - step / 100)
            log.write("eval", step=step, val_loss=4 - step / 200)
        if reason:
            log.write("end", reason=reason)


def steps(log: GrowingLog) -> list[int]:
    return [event["step"] for event in log.log.events if event["event"] == "eval"]


def test_only_what_is_new_is_parsed():
    write(0, 10, 20)
    log = GrowingLog(LOG)
    assert log.update()
    first = list(log.log.events)
    assert not log.update()
    write(30)
    assert log.update()
    assert all(now is then for now, then in zip(log.log.events, first, strict=False))
    assert steps(log) == [0, 10, 20, 30]


def test_a_torn_line_is_read_when_it_is_whole():
    write(0)
    whole = LOG.read_bytes()
    log = GrowingLog(LOG)
    LOG.write_bytes(whole[:-7])
    assert log.update()
    assert (steps(log), log.log.dropped) == ([], 0)
    LOG.write_bytes(whole)
    assert log.update()
    assert (steps(log), log.log.dropped) == ([0], 0)


def test_a_log_that_was_cut_and_has_grown_beyond_is_read_anew():
    write(0, 10, 20, 30)
    log = GrowingLog(LOG)
    log.update()
    metrics.truncate(LOG, 10)
    write(11, 12, 13, 14, 15)
    assert log.update()
    assert steps(log) == [0, 10, 11, 12, 13, 14, 15]


def test_a_run_started_over_is_read_anew():
    write(0, 10)
    log = GrowingLog(LOG)
    log.update()
    LOG.unlink()
    write(0, 11, 22)
    assert log.update()
    assert steps(log) == [0, 11, 22]


def test_a_log_that_is_not_there_is_empty_until_it_is():
    log = GrowingLog(LOG)
    assert not log.update()
    write(0)
    assert log.update()
    LOG.unlink()
    assert log.update()
    assert log.log.events == []
    LOG.mkdir()
    with pytest.raises(DataError, match=r"metrics\.jsonl"):
        log.update()


def test_it_knows_the_end_and_that_a_resumed_run_is_not_over():
    write(0, reason="SIGINT")
    log = GrowingLog(LOG)
    log.update()
    assert log.log.ended
    metrics.truncate(LOG, 0)
    assert log.update()
    assert not log.log.ended


def test_a_console_log_grows_too():
    path = Path("train.log")
    log = GrowingLog(path)
    path.write_text("tokens per iteration will be: 100\nstep 0: train loss 4.2, val loss 4.")
    log.update()
    assert log.log.events == []
    with path.open("a") as file:
        file.write("3\niter 0: loss 4.2, time 100ms\n")
    log.update()
    assert log.log == load.load(path)
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
def test_whatever_happens_to_the_file_it_ends_up_with_what_a_reader_finds(events):
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
                log.update()
    with MetricsLog(LOG.parent.mkdir(parents=True, exist_ok=True) or LOG) as file:
        file.write("end")
    log.update()
    assert log.log == load.load(LOG)
    assert not log.update()
