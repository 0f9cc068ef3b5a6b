"""Kneser-Ney in numpy is the one in the paper, and its probabilities sum to one."""

from collections import Counter, defaultdict

import numpy as np
import pytest

from nanogpt_cli.evaluation.ngrams import LEAST_DISCOUNT, KneserNey

V = 6


@pytest.fixture
def text() -> np.ndarray:
    """Give a text that repeats itself, with one token that never occurs in it."""
    rng = np.random.default_rng(0)
    words = [rng.integers(0, V - 1, n) for n in (2, 3, 5, 4)]
    return np.concatenate([words[i] for i in rng.integers(0, 4, 200)]).astype(np.uint16)


def after(model: KneserNey, context: list[int]) -> list[float]:
    """Return the probability of each token after a context."""
    return [
        float(model.probabilities(np.array([*context, token], np.uint16))[-1]) for token in range(V)
    ]


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_probabilities_sum_to_one_after_any_context(text, order):
    model = KneserNey(text, V, order)
    seen = [text[i : i + 4].tolist() for i in range(0, 400, 37)]
    for context in [[], [0], [V - 1] * 4, [0, V - 1, 1, 2], *seen]:
        chances = after(model, context)
        assert sum(chances) == pytest.approx(1, abs=1e-12)
        assert min(chances) > 0  # also of the token that never occurs


class Naive:
    """Interpolated modified Kneser-Ney as Chen & Goodman write it, one context at a time."""

    def __init__(self, words: list[int], order: int) -> None:
        grams = {
            n: Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))
            for n in range(1, order + 1)
        }
        self.counts = {order: grams[order]}
        for n in range(1, order):
            before: dict[tuple[int, ...], set[int]] = defaultdict(set)
            for gram in grams[n + 1]:
                before[gram[1:]].add(gram[0])
            self.counts[n] = Counter({gram: len(found) for gram, found in before.items()})
        self.discounts = {n: self._discounts(counts) for n, counts in self.counts.items()}

    @staticmethod
    def _discounts(counts: Counter) -> list[float]:
        n1, n2, n3, n4 = (sum(c == k for c in counts.values()) for k in (1, 2, 3, 4))
        if not (n1 and n2 and n3 and n4):
            return [0, 0.5, 0.5, 0.5]
        y = n1 / (n1 + 2 * n2)
        found = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
        return [0, *(min(max(d, LEAST_DISCOUNT), k + 1) for k, d in enumerate(found))]

    def chance(self, context: tuple[int, ...], word: int) -> float:
        n = len(context) + 1
        lower = 1 / V if n == 1 else self.chance(context[1:], word)
        following = {w: self.counts[n][(*context, w)] for w in range(V)}
        total = sum(following.values())
        if not total:
            return lower
        discount = self.discounts[n]
        left = sum(discount[min(c, 3)] for c in following.values())
        own = following[word] - discount[min(following[word], 3)]
        return (own + left * lower) / total


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_it_agrees_with_the_formula(text, order):
    naive, model = Naive(text.tolist(), order), KneserNey(text, V, order)
    query = np.random.default_rng(1).integers(0, V, 60).astype(np.uint16)
    query[10:30] = text[50:70]
    chances = model.probabilities(query)
    for i in range(order - 1, len(query)):
        context = tuple(query[i - order + 1 : i].tolist())
        assert chances[i] == pytest.approx(naive.chance(context, int(query[i])), rel=1e-9)


def test_more_context_predicts_a_text_with_structure_better(text):
    train, val = text[:-100], text[-100:]
    nats = [-np.log(KneserNey(train, V, order).probabilities(val)).mean() for order in (1, 2, 3)]
    assert nats[0] > nats[1] > nats[2]


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_text_shorter_than_the_order(length):
    model = KneserNey(np.arange(length, dtype=np.uint16), V)
    assert sum(after(model, [0, 1, 2, 3])) == pytest.approx(1)
