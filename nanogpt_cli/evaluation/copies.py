"""Which replies stand, word for word, as whole replies in the training data.

Compares token ids, so that the training data are never decoded.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from nanogpt_cli.data.store import Tokens
from nanogpt_cli.dialogue import ChatFormat
from nanogpt_cli.evaluation.prompts import turn_spans
from nanogpt_cli.tokenizer.load import Tokenizer

CANDIDATES = 1 << 22
"""Token ids that are compared at a time."""


def training_replies(
    tokens: Tokens, tokenizer: Tokenizer, chat: ChatFormat
) -> Callable[[Sequence[str]], list[bool]]:
    """Return the function that tells which texts are whole replies in ``tokens``."""
    spans = turn_spans(tokens, tokenizer, chat)
    starts = spans.starts[spans.of("bot")]
    lengths = spans.ends[spans.of("bot")] - starts

    @lru_cache(maxsize=4096)
    def stands(text: str) -> bool:
        ids = np.array(tokenizer.encode(text), dtype=np.int64)
        return len(ids) > 0 and _stands(tokens, starts[lengths == len(ids)], ids)

    return lambda texts: [stands(text) for text in texts]


def _stands(tokens: Tokens, starts: npt.NDArray[np.int64], ids: npt.NDArray[np.int64]) -> bool:
    """Whether ``ids`` (T,) stand at one of the places, of which the first tokens sift most."""
    for i in range(min(4, len(ids))):
        starts = starts[tokens[starts + i] == ids[i]]
    steps = np.arange(len(ids))
    size = max(1, CANDIDATES // len(ids))
    return any(
        bool((tokens[starts[first : first + size, None] + steps] == ids).all(axis=1).any())
        for first in range(0, len(starts), size)
    )
