"""Axes have few round ticks, and labels keep their distance."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nanogpt_cli.plot.scale import log_ticks, spread, ticks


@settings(deadline=None)
@given(st.floats(-1e12, 1e12), st.floats(1e-9, 1e12), st.integers(2, 12))
def test_ticks_are_few_round_and_inside(low, width, count):
    high = low + width
    if high - low < 1e-6 * max(1, abs(low)):
        return
    places, labels = ticks(low, high, count)
    assert len(places) == len(set(labels)) <= count + 1
    assert all(low - width * 1e-6 <= tick <= high + width * 1e-6 for tick in places)


@settings(deadline=None)
@given(st.floats(-9, 12), st.floats(0.01, 20), st.integers(2, 12))
def test_logarithmic_ticks_are_few_and_inside(low, width, count):
    places, labels = log_ticks(low, low + width, count)
    assert len(places) == len(set(labels)) <= 2 * count + 2
    assert all(low <= tick <= low + width for tick in places)
    assert [float(label.replace(",", "")) for label in labels] == pytest.approx(
        [10**place for place in places]
    )


def test_what_is_too_close_is_moved_apart_around_where_it_was():
    assert spread([1.0, 2.0], 0.1, 0, 3) == [1.0, 2.0]
    assert spread([], 0.1, 0, 3) == []
    assert spread([1.0, 1.0, 1.0, 2.0], 0.1, 0, 3) == pytest.approx([0.9, 1.0, 1.1, 2.0])
    assert spread([0.0, 0.0], 0.1, 0, 3) == pytest.approx([0.0, 0.1])
    assert spread([2.9, 3.0, 3.0], 0.1, 0, 3) == pytest.approx([2.8, 2.9, 3.0])


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), max_size=20))
def test_labels_keep_their_order_and_distance(places):
    gap = 0.9 / max(len(places), 1)
    moved = spread(sorted(places), gap, gap / 2, 1 - gap / 2)
    assert len(moved) == len(places)
    assert all(b - a > 0.999 * gap for a, b in itertools.pairwise(moved))
    assert all(-1e-9 <= place <= 1 + 1e-9 for place in moved)
