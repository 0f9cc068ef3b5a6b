"""Batches are a pure function of seed and step."""

import numpy as np
import pytest

from nanogpt_cli.data import order
from nanogpt_cli.data.batches import evaluation_starts, training_batch
from nanogpt_cli.errors import DataError


def batch(tokens, index, batch_size=4, block_size=8, seed=1):
    numbers = range(index * batch_size, (index + 1) * batch_size)
    return training_batch(tokens, seed=seed, numbers=numbers, block_size=block_size)


def test_targets_are_the_inputs_one_later():
    tokens = np.arange(1000, dtype=np.uint16)
    inputs, targets = batch(tokens, 3)
    assert inputs.shape == targets.shape == (4, 8)
    assert (targets == inputs + 1).all()


def test_a_batch_depends_on_seed_and_index_alone():
    tokens = np.arange(1000, dtype=np.uint16)
    first = batch(tokens, 5)[0]
    batch(tokens, 2)
    assert (batch(tokens, 5)[0] == first).all()
    assert (batch(tokens, 6)[0] != first).any()
    assert (batch(tokens, 5, seed=2)[0] != first).any()


@pytest.mark.parametrize("largest", [1 << 22, 10])
def test_an_epoch_covers_every_window_once(monkeypatch, largest):
    """Whether its order is a table, or computed because it would be too large."""
    monkeypatch.setattr(order, "MOST_IN_ARRAY", largest)
    tokens = np.arange(8 * 20 + 4, dtype=np.uint16)
    starts = np.concatenate([batch(tokens, i, seed=largest)[0][:, 0].numpy() for i in range(5)])
    assert len(set(starts)) == 20
    assert set(np.diff(sorted(starts))) == {8}
    again = np.concatenate([batch(tokens, i, seed=largest)[0][:, 0].numpy() for i in range(5, 10)])
    assert len(set(again)) == 20
    assert list(again) != list(starts)


def test_a_batch_may_span_two_epochs():
    tokens = np.arange(8 * 3 + 1, dtype=np.uint16)
    starts = [batch(tokens, 0)[0][:, 0], batch(tokens, 1)[0][:, 0]]
    assert sorted(np.concatenate(starts)[:3].tolist()) == [0, 8, 16]


def test_too_short_a_text_names_the_flag():
    with pytest.raises(DataError) as error:
        batch(np.arange(8, dtype=np.uint16), 0)
    assert "--block-size 7" in error.value.hint


@pytest.mark.parametrize("n", [9, 16, 17, 18, 100])
def test_evaluation_windows_are_all_that_fit(n):
    starts = evaluation_starts(np.zeros(n, dtype=np.uint16), 8)
    assert len(starts) == (n - 1) // 8
    assert (starts == np.arange(len(starts)) * 8).all()


def test_a_limited_evaluation_spreads_over_the_whole_text():
    starts = evaluation_starts(np.zeros(8001, dtype=np.uint16), 8, limit=5)
    assert starts.tolist() == [0, 1992, 3992, 5992, 7992]
