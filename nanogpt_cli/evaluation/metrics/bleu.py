"""BLEU-1 to BLEU-4 of the replies (Papineni et al. 2002), as sacrebleu computes them (Post 2018).

0 to 100; 13a tokens, case kept, exponential smoothing: sacrebleu's defaults.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from nanogpt_cli.evaluation.metrics.base import Metric, ReplySample, Result
from nanogpt_cli.evaluation.statistics import Floats, Parts

ORDER = 4


def compute(sample: ReplySample) -> dict[str, Result]:
    """Return BLEU with n-grams up to each order."""
    from sacrebleu.metrics.bleu import BLEU

    sentence = BLEU(max_ngram_order=ORDER, effective_order=True)
    scores = [
        sentence.sentence_score(reply, [reference])
        for reply, reference in zip(sample.hypotheses, sample.references, strict=True)
    ]
    parts = np.array([[*s.counts, *s.totals, s.sys_len, s.ref_len] for s in scores], np.float64)
    return {
        f"bleu_{n}": Parts(parts, partial(np.apply_along_axis, _bleu(n), 1))  # (R, 10) to (R,)
        for n in range(1, ORDER + 1)
    }


def _bleu(order: int) -> Callable[[Floats], float]:
    """Return sacrebleu's function from counts, totals and lengths (10,) to BLEU."""
    from sacrebleu.metrics.bleu import BLEU

    def score(sums: Floats) -> float:
        counts, totals = sums[:order].tolist(), sums[ORDER : ORDER + order].tolist()
        ours, theirs = map(int, sums[2 * ORDER :])
        found = BLEU.compute_bleu(
            counts, totals, ours, theirs, smooth_method="exp", max_ngram_order=order
        )
        return float(found.score)

    return score


METRIC = Metric(
    "bleu",
    "replies",
    compute,
    "BLEU",
    ".2f",
    about="BLEU-1 to BLEU-4 of the replies, sacrebleu's, 0 to 100",
    titles={f"bleu_{n}": f"BLEU-{n}" for n in range(1, ORDER + 1)},
    better="higher",
    of_any_pairs=True,
)
