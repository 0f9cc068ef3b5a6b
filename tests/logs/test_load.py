"""A log is found by the name a user typed and read whichever format it has."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nanogpt_cli.errors import DataError
from nanogpt_cli.logs import load
from nanogpt_cli.logs.curves import Curve, to_curve
from nanogpt_cli.logs.metrics import MetricsLog

CONSOLE = """\
tokens per iteration will be: 16,384
step 0: train loss 4.2874, val loss 4.2823
iter 0: loss 4.2654, time 3210.11ms, mfu -100.00%
iter 10: loss 3.2191, time 32.00ms, mfu 0.10%
step 250: train loss 1.9000, val loss 2.0500
"""


def load_curve(name: str) -> Curve:
    path = load.find(name)
    return to_curve(load.display_name(path), load.load(path))


def test_a_run_its_folder_its_log_and_a_console_log():
    folder = Path("out/tiny")
    folder.mkdir(parents=True)
    with MetricsLog(folder / "metrics.jsonl") as log:
        log.write("run", config={})
        for step, loss in ((0, 4.0), (10, 3.0)):
            log.write("train", step=step, time=step * 2, loss=loss, tokens_per_sec=100 + step)
        log.write("eval", step=10, time=21.5, train_loss=2.9, val_loss=3.1)
    expected = Curve(
        "tiny",
        [(0, 4.0), (10, 3.0)],
        [(10, 3.1)],
        105.0,
        21.5,
        positions={"time": {0: 0.0, 10: 21.5}},
        panels={"speed": [(0, 100.0), (10, 110.0)]},
    )
    for name in ("tiny", "out/tiny", "out/tiny/metrics.jsonl"):
        assert load_curve(name) == expected
    Path("train.log").write_text(CONSOLE)
    assert load_curve("train.log") == Curve(
        "train.log", [(0, 4.2654), (10, 3.2191)], [(0, 4.2823), (250, 2.05)],
        tokens_per_sec=(16384 / 3.21011 + 16384 / 0.032) / 2,
        positions={"tokens": {0: 0.0, 10: 163_840.0, 250: 4_096_000.0}},
        panels={"speed": [(0, 16384 / 3.21011), (10, 16384 / 0.032)]},
    )  # fmt: skip


def test_without_a_name_the_newest_run_is_found():
    for age, name in ((100, "new"), (200, "old")):
        log = Path("out", name, "metrics.jsonl")
        log.parent.mkdir(parents=True)
        log.touch()
        os.utime(log, (1e9 - age, 1e9 - age))
    assert load.find(None) == Path("out/new/metrics.jsonl")
    with pytest.raises(DataError) as caught:
        load.find("nwe")
    assert caught.value.hint == "did you mean new?"


def test_the_log_in_the_current_folder_is_named_after_that_folder(tmp_path):
    Path("metrics.jsonl").write_text('{"event": "eval", "step": 1, "val_loss": 2}\n')
    assert load_curve("metrics.jsonl").name == tmp_path.name


def test_runs_with_the_same_name_are_told_apart_by_their_paths():
    paths = [Path(name) for name in ("a/x/metrics.jsonl", "b/x/metrics.jsonl", "c.log")]
    assert load.display_names(paths) == ["a/x/metrics.jsonl", "b/x/metrics.jsonl", "c.log"]


@pytest.mark.parametrize(
    "content", [b"", b"hello\n", b'{"event": "run"}\n', b"iter 1: loss nan\n", b"\x00" * 99]
)
def test_a_log_without_a_loss_is_refused_by_name(content):
    Path("train.log").write_bytes(content)
    with pytest.raises(DataError, match=r"no losses found in train\.log"):
        load_curve("train.log")


def test_torn_lines_are_counted():
    log = load.parse(b'{"event": "eval", "step": 1, "val_loss": 2}\n{"event": "ev')
    assert to_curve("log", log).dropped == 1


@settings(deadline=None)
@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda t: t.encode("utf-8", "replace")))
def test_any_bytes_give_events_or_none(log):
    for event in load.parse(log).events:
        assert isinstance(event["event"], str)
