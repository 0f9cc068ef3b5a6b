"""The order of an epoch is a permutation, the same everywhere, with and without an array."""

import numpy as np
import pytest

from nanogpt_cli.data import order
from nanogpt_cli.data.batches import training_starts
from nanogpt_cli.data.order import Order


@pytest.mark.parametrize("n", [1, 2, 3, 5, 64, 1000, 4097])
def test_a_function_is_a_permutation(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order, "MOST_IN_ARRAY", 0)
    found = Order(7, 0, n, room=0).at(np.arange(n))
    assert sorted(found.tolist()) == list(range(n))
    if n >= 64:
        for other in (Order(8, 0, n, 0), Order(7, 1, n, 0)):
            assert (other.at(np.arange(n)) == found).mean() < 0.2
        assert abs(np.corrcoef(found, np.arange(n))[0, 1]) < 4 / n**0.5
        assert np.array_equal(Order(7, 0, n, 0).at(np.array([n - 1, 0])), found[[n - 1, 0]])


def test_billions_of_windows_take_no_memory() -> None:
    n = 3 * 10**9
    found = Order(1, 2, n, room=5).at(np.arange(n - 1000, n))
    assert len(set(found.tolist())) == 1000
    assert found.min() >= 0
    assert found.max() < n
    assert found.max() - found.min() > n / 2


def test_few_windows_have_the_order_of_earlier_runs() -> None:
    rng = np.random.default_rng([1337, 3])
    expected, phase = rng.permutation(500), int(rng.integers(0, 8))
    for version in (1, 2):
        found = Order(1337, 3, 500, room=7, version=version)
        assert np.array_equal(found.at(np.arange(500)), expected)
        assert found.phase == phase


def test_a_run_goes_on_in_the_order_that_it_began_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order, "MOST_IN_ARRAY", 100)
    tokens = np.zeros(5000, np.uint16)
    place = {"seed": 1, "block_size": 8}
    first = training_starts(tokens, numbers=range(400), order=1, **place)
    rng = np.random.default_rng([1, 0])
    expected = rng.permutation(624)[:400] * 8 + int(rng.integers(0, 8))
    assert np.array_equal(first, expected)
    second = training_starts(tokens, numbers=range(400), **place)
    assert not np.array_equal(first, second)
    both = np.concatenate([second, training_starts(tokens, numbers=range(400, 624), **place)])
    assert len(set((both // 8).tolist())) == 624
