"""What a chart has room for: the run, not the fall of its first steps."""

import pytest
from example_curves import FALLING, HEALTHY, OVERFITTING, STEEP, curve
from hypothesis import given, settings
from hypothesis import strategies as st

from nanogpt_cli.errors import DataError
from nanogpt_cli.logs.curves import Curve
from nanogpt_cli.plot.view import PLAIN, View, arrange, visible


def test_the_loss_before_training_does_not_own_the_axis():
    scene = arrange([STEEP], PLAIN, 0)
    low, high = scene.losses
    assert low == STEEP.smooth_train[-1][1]
    assert 1.4 < high < 1.6
    assert scene.above == 4.2


def test_full_shows_all():
    scene = arrange([STEEP], View(full=True), 0)
    assert scene.losses[1] == 4.2
    assert scene.above is None


@pytest.mark.parametrize(
    "whole", [HEALTHY, OVERFITTING, curve(4, 1, train=[]), Curve("r", FALLING[:3], [(0, 9.0)])]
)
def test_nothing_is_cut_off_where_it_takes_little_or_nothing_else_is_known(whole):
    scene = arrange([whole], PLAIN, 0)
    assert scene.losses[1] == max(loss for _, loss in whole.val)
    assert scene.above is None


def test_a_loss_that_jumps_late_is_shown():
    diverged = Curve("r", STEEP.train, [*STEEP.val[:-1], (1000, 9.0)])
    assert arrange([diverged], PLAIN, 0).losses[1] == 9.0


def test_of_a_short_and_a_long_run_both_are_shown():
    short = Curve("short", [(s // 50, 1 + loss) for s, loss in STEEP.train[5:]], [])
    assert arrange([STEEP, short], PLAIN, 0).losses[1] > 2.3


def test_no_line_leads_from_the_loss_before_training_through_what_is_known():
    (trace,) = arrange([STEEP], PLAIN, 0).traces
    assert trace.untrained == [(0, 4.2)]
    assert trace.val[0][0] == 100
    (alone,) = arrange([curve(4, 3, train=[])], PLAIN, 0).traces
    assert alone.untrained == []
    assert len(alone.val) == 2


@pytest.mark.parametrize(
    ("x", "label", "last"),
    [
        ("step", "step", 1000),
        ("tokens", "tokens", 512_000),
        ("time", "minutes of training", 200 / 60),
    ],
)
def test_it_is_along_steps_tokens_or_time(x, label, last):
    scene = arrange([STEEP], View(x), 0)
    assert scene.label == label
    assert scene.along == pytest.approx((0, last))
    assert scene.traces[0].best[0][0] == pytest.approx(last)


def test_a_log_without_tokens_is_named():
    with pytest.raises(DataError, match="healthy has no tokens"):
        arrange([STEEP, HEALTHY], View("tokens"), 0)


def test_a_logarithm_leaves_out_what_has_none():
    scene = arrange([Curve("r", [(1, 1.0), (2, 0.0), (3, 0.01)], [])], View(log=True), 0)
    assert scene.losses == pytest.approx((-2, 0))
    with pytest.raises(DataError, match="no losses above zero"):
        arrange([Curve("r", [(1, -1.0)], [])], View(log=True), 0)


@pytest.mark.parametrize(
    ("points", "pieces"),
    [
        ([(0, 1), (2, 2)], [[(0, 1), (2, 2)]]),
        ([(0, 5), (4, 1)], [[(2, 3), (4, 1)]]),
        ([(0, 2), (2, 4), (4, 2)], [[(0, 2), (1, 3)], [(3, 3), (4, 2)]]),
        ([(0, 4), (4, 0)], [[(1, 3), (3, 1)]]),
        ([(0, 9)], []),
        ([], []),
    ],
)
def test_a_line_is_cut_where_it_leaves_the_range(points, pieces):
    assert visible(points, 1, 3) == pieces


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 99), st.floats(-10, 10)), max_size=20))
def test_what_is_visible_is_inside(points):
    points = sorted(points)
    pieces = visible(points, -1, 1)
    assert all(pieces)
    assert all(-1 <= loss <= 1 for piece in pieces for _, loss in piece)
    assert {p for p in points if abs(p[1]) <= 1} <= {p for piece in pieces for p in piece}
