"""nanoGPT's console logs are read as events, whatever stands around the lines."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nanogpt_cli.logs import console
from nanogpt_cli.logs.curves import to_curve

CONSOLE = """\
tokens per iteration will be: 16,384
step 0: train loss 4.2874, val loss 4.2823
iter 0: loss 4.2654, time 3210.11ms, mfu -100.00%
iter 10: loss 3.2191, time 32.00ms, mfu 0.10%
step 250: train loss 1.9000, val loss 2.0500
saving checkpoint to out
"""


def test_events_hold_only_what_was_printed():
    assert console.parse(CONSOLE.encode()).events[:2] == [
        {"event": "eval", "step": 0, "tokens": 0, "train_loss": 4.2874, "val_loss": 4.2823},
        {
            "event": "train", "step": 0, "tokens": 0, "loss": 4.2654,
            "tokens_per_sec": pytest.approx(16384 / 3.21011),
        },
    ]  # fmt: skip
    assert console.parse(b"iter 3: loss 2.5").events == [{"event": "train", "step": 3, "loss": 2.5}]


@pytest.mark.parametrize(
    "noise",
    [
        b"2024-01-01 10:00:00 INFO iter 10: loss 3.25, time 30.2ms, mfu 0.1%\n",
        b"[rank0]: \x1b[32miter 10\x1b[0m: loss \x1b[1m3.25\x1b[0m, time 30.2ms",
        b"  5%|#    | 1/20\riter 10: loss 3.25, time 1ms\r 10%|##   | 2/20",
        b"\x1b]0;title\x07iter 10: loss 3.25\r\n",
        b"\x1b[2K\xe2\xa0\x8b working iter 10: loss 3.25, time 30.2ms \xe2\x94\x81\xe2\x94\x81",
        b"\xff\xfe" + "iter 10: loss 3.25, time 30.2ms\r\n".encode("utf-16-le"),
        b"\x1b]0;a title that never ends\niter 10: loss 3.25\n",
        b"\xff broken utf-8 iter 10: loss 3.25",
        b"iter 10: loss 3.25e0",
    ],
)
def test_losses_are_found_in_noise(noise):
    assert to_curve("log", console.parse(noise)).train == [(10, 3.25)]


def test_steps_may_have_commas():
    log = console.parse(b"step 1,500: train loss 1.9, val loss 2.0")
    assert to_curve("log", log).val == [(1500, 2.0)]


@pytest.mark.parametrize("line", ["transiter 10: loss 1.0", "iter 10: loss", "step 5: loss 2"])
def test_other_lines_are_not_losses(line):
    assert console.parse(line.encode()).events == []


@settings(deadline=None)
@given(st.lists(st.text("0123456789.einfa-+ :,iterstploval\x1b[\r\n", max_size=40)))
def test_near_misses_of_the_format_are_survived(pieces):
    log = "iter 1: loss 2\n" + "iter ".join(pieces) + "step ".join(pieces)
    to_curve("log", console.parse(log.encode()))
