"""Which of several evaluated models is the best, and when that cannot be said."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nanogpt_cli.evaluation.run import Evaluation


@dataclass(frozen=True)
class Comparison:
    """Which rows of a table are the best."""

    best: frozenset[int] = frozenset()
    """Indices of the rows with the fewest bits per byte; none where rows cannot be compared."""
    note: str | None = None
    """What must not be concluded from the table, and why."""


def compare(results: Sequence[Evaluation]) -> Comparison:
    """Compare models by their bits per byte, where all were evaluated over the same text.

    The same text means the same data and the same number of bytes: tokenizers and block sizes cut
    it at different places, so that the last window may end earlier.
    """
    if len(results) < 2:
        return Comparison()
    if len({result.data for result in results}) > 1:
        return Comparison(
            note="no model is marked as the best: they were evaluated on different data, and their "
            "losses cannot be compared; name one text with --data"
        )
    bits = [result.loss.bits_per_byte for result in results]
    if None in bits:
        return Comparison(
            note="no model is marked as the best: a text of special tokens alone has no bits per "
            "byte"
        )
    several_tokenizers = len({result.tokenizer for result in results}) > 1
    if len({result.loss.text_bytes for result in results}) > 1:
        why = "tokenizers or block sizes" if several_tokenizers else "block sizes"
        return Comparison(
            note=f"no model is marked as the best: their {why} differ, so they were evaluated on "
            "slightly different parts of the text; bits per byte are the fairest comparison"
        )
    lowest = min((b for b in bits if b is not None and math.isfinite(b)), default=None)
    best = frozenset(row for row, b in enumerate(bits) if b == lowest)
    note = "losses per token of different tokenizers cannot be compared; bits per byte can"
    return Comparison(best, note if several_tokenizers else None)
