"""Curves made of events: which losses count, what is best, and where a run overfits."""

import pytest
from example_curves import FALLING, HEALTHY, OVERFITTING, RISING, curve
from hypothesis import given, settings
from hypothesis import strategies as st

from nanogpt_cli.logs import load, metrics
from nanogpt_cli.logs.curves import Curve, Sample, smooth, summary, to_curve


def test_a_loss_that_is_not_finite_is_left_out_of_the_curve():
    log = load.parse(b"iter 1: loss 3.0\niter 2: loss nan\niter 3: loss inf\n")
    assert to_curve("log", log).train == [(1, 3.0)]


@pytest.mark.parametrize("value", ["1e999", "NaN", "true", '"3"', "1" + "0" * 400, "[3]", "null"])
def test_values_that_no_chart_can_scale_are_left_out(value):
    log = metrics.parse(
        [
            f'{{"event": "train", "step": 1, "loss": {value}}}'.encode(),
            f'{{"event": "train", "step": {value}, "loss": 3}}'.encode(),
            b'{"event": "train", "step": 2, "loss": 3.0, "tokens_per_sec": "x", "time": []}',
        ]
    )
    assert to_curve("log", log) == Curve("log", [(2, 3.0)], [])


def test_a_resumed_run_replaces_what_came_after_its_checkpoint():
    lines = [f"iter {step}: loss {loss}\n" for step, loss in ((0, 4), (5, 3), (9, 2), (5, 2.5))]
    log = load.parse("".join(lines).encode())
    assert to_curve("log", log).train == [(0, 4), (5, 2.5)]


def test_without_train_events_the_evaluations_give_the_training_loss():
    log = load.parse(b"step 0: train loss 4.0, val loss 4.1\n")
    assert to_curve("log", log) == Curve("log", [(0, 4.0)], [(0, 4.1)])


def test_a_name_cannot_reach_the_terminal_as_a_command():
    log = load.parse(b"iter 1: loss 2\n")
    assert to_curve("\x1b[31mred\n\x9b", log).name == r"\x1b[31mred\n\x9b"


def test_the_best_is_the_lowest_validation_loss():
    assert OVERFITTING.best == (200, 2.5)
    assert Curve("untested", FALLING, []).best is None


def test_overfitting_starts_at_the_best_evaluation():
    assert OVERFITTING.overfits_after == 200


@pytest.mark.parametrize(
    ("why", "innocent"),
    [
        ("it still falls", HEALTHY),
        ("two evaluations are no trend", curve(4, 3, 2.5, 2.6, 2.7)),
        ("it came down again", curve(4, 2.5, 2.9, 2.8, 2.6, 2.55)),
        ("it is flat", curve(4, 3, 2.5, 2.501, 2.502, 2.503, 2.504)),
        ("the training loss rises too", curve(4, 2.5, 2.6, 2.7, 2.8, train=RISING)),
        ("nothing is known of training", curve(4, 2.5, 2.6, 2.7, 2.8, train=[])),
        ("it was never evaluated", curve()),
    ],
)
def test_what_is_not_overfitting(why, innocent):
    assert innocent.overfits_after is None, why


def test_smoothing_keeps_a_constant_and_a_line():
    assert smooth([3.0] * 100) == pytest.approx([3.0] * 100)
    line = [float(i) for i in range(300)]
    assert smooth(line)[:290] == pytest.approx(line[:290])


def test_smoothing_removes_noise():
    noisy = [2 + (-1) ** i * 0.5 for i in range(300)]
    assert max(abs(x - 2) for x in smooth(noisy)[10:]) < 0.06


@settings(deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), max_size=200))
def test_smoothing_stays_within_the_values_one_for_one(values):
    averages = smooth(values)
    assert len(averages) == len(values)
    slack = 1e-3
    assert all(min(values) - slack <= a <= max(values) + slack for a in averages)


def test_the_summary_says_where_a_run_stands():
    (row,) = summary([Curve("run", [(0, 4.0), (30, 3.0)], [(20, 2.5), (25, 2.6)], 7.5, 60)])
    assert row == {
        "run": "run", "steps": 30, "train_loss": 3.0, "val_loss": 2.6, "best_val_loss": 2.5,
        "best_step": 20, "overfits_after": None, "tokens_per_sec": 7.5, "seconds": 60,
        "dropped_lines": 0,
    }  # fmt: skip


def test_what_is_not_known_is_none_not_zero():
    (row,) = summary([Curve("run", [], [(20, 2.5)])])
    assert row["train_loss"] is None
    assert row["tokens_per_sec"] is None
    assert row["seconds"] is None


def test_panels_and_samples_come_from_the_log_and_a_resumed_run_replaces_them():
    lines = [
        b'{"event": "train", "step": 1, "loss": 3.0, "lr": 0.1, "tokens_per_sec": 10}',
        b'{"event": "sample", "step": 1, "prompt": "a", "text": "b"}',
        b'{"event": "sample", "step": 2, "prompt": 7, "text": "lost"}',
        b'{"event": "sample", "step": 2, "prompt": 7, "text": "kept"}',
        b'{"event": "sample", "step": 3, "text": 7}',
    ]
    curve = to_curve("log", metrics.parse(lines))
    assert curve.panels == {"lr": [(1, 0.1)], "speed": [(1, 10.0)]}
    assert curve.samples == (Sample(1, "a", "b"), Sample(2, "", "kept"))


def test_smoothing_averages_as_many_neighbours_as_it_is_told():
    values = [0.0, 3.0, 0.0, 3.0, 0.0, 3.0]
    assert smooth(values, 0) == values
    assert smooth(values, 3) == pytest.approx([0, 1, 2, 1, 2, 1.5])
