"""An n-gram model with modified Kneser-Ney smoothing, in numpy.

Chen & Goodman 1999, "An empirical study of smoothing techniques for language modeling": the
interpolated form, three discounts for each order, and a uniform distribution below the unigrams,
so that the probabilities of all tokens of the vocabulary sum to one after any context.

Shape letters: N tokens, V vocabulary, U different n-grams of an order, H its different contexts.
"""

import numpy as np
import numpy.typing as npt

from nanogpt_cli.data.store import Tokens

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

LEAST_DISCOUNT = 0.1
"""Something is always left to tokens that did not occur, so that none is impossible."""


class KneserNey:
    """How often each token followed the tokens before it, smoothed.

    ``tokens`` (N,) is the text to learn from, at least one token, all ids below ``vocab_size``.
    """

    def __init__(self, tokens: Tokens, vocab_size: int, order: int = 5) -> None:
        self.vocab_size = vocab_size
        words = np.asarray(tokens, dtype=np.int64)  # N
        numbers = words  # of the n-gram that ends at each token from the n-th on
        keys, counts = np.arange(vocab_size), np.bincount(words, minlength=vocab_size)
        contexts = 1
        self._orders: list[_Order] = []
        for n in range(1, min(order, len(words))):
            longer, first, above, occurrences = np.unique(
                numbers[:-1] * vocab_size + words[n:],
                return_index=True,
                return_inverse=True,
                return_counts=True,
            )
            # below the highest order, what counts is after how many different tokens it occurred
            different = np.bincount(numbers[1:][first], minlength=len(keys))
            self._orders.append(_Order(keys, different, vocab_size, contexts))
            contexts = len(keys)
            numbers, keys, counts = above, longer, occurrences
        self._orders.append(_Order(keys, counts, vocab_size, contexts))

    def probabilities(self, tokens: Tokens) -> Floats:
        """Return the probability (N,) of each token after those before it.

        The first tokens have as much context as there is.
        """
        words = np.asarray(tokens, dtype=np.int64)
        result = np.full(len(words), 1 / self.vocab_size)
        contexts = np.zeros(len(words), dtype=np.int64)  # the empty one; -1 where it is unknown
        for order in self._orders:
            numbers, result = order.interpolate(contexts, words, result)
            contexts = np.concatenate(([-1], numbers[:-1]))
        return result


class _Order:
    """The n-grams of one length, numbered in the order of their keys.

    A key (U,) is the number of the context, which is an n-gram of the order below, times V, plus
    the last token. ``counts`` (U,) is how often each occurred.
    """

    def __init__(self, keys: Ints, counts: Ints, vocab_size: int, contexts: int) -> None:
        self._keys, self._counts, self._vocab_size = keys, counts, vocab_size
        self._discounts = _discounts(counts)  # 4
        context = keys // vocab_size  # U
        taken = self._discounts[np.minimum(counts, 3)]  # U
        self._totals = np.bincount(context, weights=counts, minlength=contexts)  # H
        self._left = np.bincount(context, weights=taken, minlength=contexts)  # H

    def interpolate(self, contexts: Ints, words: Ints, lower: Floats) -> tuple[Ints, Floats]:
        """Return the number of each n-gram (N,), -1 where it is unknown, and its probability (N,).

        ``contexts`` (N,) are numbers of the order below, ``lower`` (N,) the probabilities there.
        """
        keys = contexts * self._vocab_size + words
        at = np.searchsorted(self._keys, keys).clip(max=len(self._keys) - 1)
        found = (self._keys[at] == keys) & (contexts >= 0)
        counts = np.where(found, self._counts[at], 0)
        total = np.where(contexts >= 0, self._totals[contexts], 0)
        seen = total > 0  # otherwise there is nothing but the lower order
        own = counts - self._discounts[np.minimum(counts, 3)]
        mixed = (own + self._left[contexts] * lower) / np.where(seen, total, 1)
        return np.where(found, at, -1), np.where(seen, mixed, lower)


def _discounts(counts: Ints) -> Floats:
    """Return what is taken from counts of 0, 1, 2, and 3 or more (Chen & Goodman 1999, eq. 26).

    A small or odd text may have no n-grams of some count; it gets a half of each.
    """
    n1, n2, n3, n4 = (int((counts == count).sum()) for count in (1, 2, 3, 4))
    if not (n1 and n2 and n3 and n4):
        return np.array([0.0, 0.5, 0.5, 0.5])
    y = n1 / (n1 + 2 * n2)
    wanted = [1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3]
    return np.array([0.0, *np.clip(wanted, LEAST_DISCOUNT, (1, 2, 3))])
