"""Axes have few round ticks, and labels keep their distance."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nanogpt_cli.plot.scale import spread, ticks


@settings(deadline=None)
@given(st.floats(-1e12, 1e12), st.floats(1e-9, 1e12), st.integers(2, 12))
def test_ticks_are_few_round_and_inside(low, width, count):
    high = low + width
    if high - low < 1e-6 * max(1, abs(low)):
        return
    places, labels = ticks(low, high, count)
    assert len(places) == len(set(labels)) <= count + 1
    assert all(low - width * 1e-6 <= tick <= high + width * 1e-6 for tick in places)


def test_what_is_too_close_is_moved_apart_and_stays_below_the_top():
    places = spread([2.0 + i * 1e-6 for i in range(6)], gap=0.1, high=2.3)
    assert [b - a for a, b in itertools.pairwise(places)] == pytest.approx([0.1] * 5)
    assert places[-1] == pytest.approx(2.3)
    assert spread([1.0, 2.0], gap=0.1, high=2.3) == [1.0, 2.0]
    assert spread([], gap=0.1, high=2.3) == []
