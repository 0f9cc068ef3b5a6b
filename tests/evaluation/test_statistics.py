"""Numbers of sums over documents, their intervals, and differences of two models."""

import numpy as np
import pytest

from nanogpt_cli.evaluation.statistics import (
    FEWEST_DOCUMENTS,
    MOST_DOCUMENTS,
    Number,
    difference,
    jackknifed,
    mean,
    number,
    ratio,
)


def test_the_interval_of_a_mean_is_that_of_its_standard_error():
    values = np.random.default_rng(0).normal(5, 2, 400)
    found = number(mean(values))
    assert found.value == pytest.approx(values.mean())
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * values.std() / 20, rel=0.1)
    assert found.low < found.value < found.high


def test_a_ratio_is_of_sums_not_a_mean_of_ratios():
    assert number(ratio([1, 9], [10, 10], 100.0)).value == 50
    assert number(ratio([1, 0], [1, 9], 1.0)).value == pytest.approx(0.1)
    assert number(ratio([0.0], [0.0], 1.0)) == Number(None)


def test_few_documents_have_no_interval():
    few = number(mean(np.arange(FEWEST_DOCUMENTS - 1)))
    assert (few.low, few.high) == (None, None)
    assert number(mean(np.arange(FEWEST_DOCUMENTS))).low is not None
    assert number(mean([])) == Number(None)
    assert number(3.5) == Number(3.5)
    assert number(None) == Number(None)


def test_documents_of_one_conversation_are_drawn_together():
    values = np.repeat(np.random.default_rng(0).normal(0, 1, 40), 10)
    groups = np.repeat(np.arange(40), 10)
    alone, together = number(mean(values)), number(mean(values), groups)
    assert together.value == pytest.approx(alone.value)
    assert together.high - together.low > 2.5 * (alone.high - alone.low)  # sqrt(10), about
    assert number(mean(values), np.zeros(400)).low == alone.low  # one conversation: its replies


def test_many_documents_are_merged_and_the_number_stays():
    values = np.random.default_rng(0).normal(1, 1, MOST_DOCUMENTS + 1)
    found = number(mean(values))
    assert found.value == pytest.approx(values.mean())
    assert len(found.parts.parts) == -(-(MOST_DOCUMENTS + 1) // 2)
    assert (found.high - found.low) / 2 == pytest.approx(1.96 / np.sqrt(len(values)), rel=0.15)


def test_a_paired_difference_is_surer_than_both_numbers():
    rng = np.random.default_rng(0)
    hard = rng.normal(0, 10, 200)
    one, other = number(mean(hard + rng.normal(1, 0.5, 200))), number(mean(hard))
    assert one.low < other.high  # the intervals overlap
    both = difference(one, other)
    assert both.value == pytest.approx(1, abs=0.1)
    assert 0 < both.low < 1 < both.high
    assert difference(one, number(mean(hard[:50]))) is None
    assert difference(one, Number(None)) is None


def test_a_jackknifed_number_keeps_its_value_and_its_standard_error():
    values = np.random.default_rng(0).normal(3, 1, 100)
    without = (values.sum() - values) / 99
    found, plain = number(jackknifed(values.mean(), without)), number(mean(values))
    assert found.value == pytest.approx(plain.value)
    assert found.low == pytest.approx(plain.low)
