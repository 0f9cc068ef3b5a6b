"""chrF of the replies (Popović 2015), as sacrebleu computes it: n-grams of characters, 0 to 100."""

import numpy as np

from nanogpt_cli.evaluation.metrics.base import Metric, ReplySample, Result
from nanogpt_cli.evaluation.statistics import Floats, Parts

ORDER, BETA = 6, 2


def compute(sample: ReplySample) -> Result:
    """Return sacrebleu's chrF, with an interval made of the counts of each pair."""
    from sacrebleu.metrics.chrf import CHRF

    metric = CHRF(char_order=ORDER, word_order=0, beta=BETA)
    whole = metric.corpus_score(sample.hypotheses, [sample.references]).score
    pairs = zip(sample.hypotheses, sample.references, strict=True)
    return Parts(np.array([_counts(*pair) for pair in pairs], np.float64), _chrf, float(whole))


def _counts(reply: str, reference: str) -> list[int]:
    """Return, for each order, the n-grams of reply and reference and how many match (3 ORDER,)."""
    from sacrebleu.metrics.helpers import extract_all_char_ngrams

    counts = []
    grams = (extract_all_char_ngrams(text, ORDER, False) for text in (reply, reference))
    for ours, theirs in zip(*grams, strict=True):
        known = theirs.total()
        counts += [ours.total() if known else 0, known, (ours & theirs).total()]
    return counts


def _chrf(sums: Floats) -> Floats:
    """Map counts (R, 3 ORDER) to the F-score of mean precision and mean recall (R,)."""
    ours, theirs, matches = (sums[:, i::3] for i in range(3))  # R, ORDER
    there = (ours > 0) & (theirs > 0)
    orders = np.maximum(1, there.sum(axis=1))
    precision = np.where(there, matches / np.maximum(1, ours), 0).sum(axis=1) / orders
    recall = np.where(there, matches / np.maximum(1, theirs), 0).sum(axis=1) / orders
    below = BETA**2 * precision + recall
    score: Floats = 100 * (1 + BETA**2) * precision * recall / np.where(below > 0, below, 1)
    return score


METRIC = Metric(
    "chrf",
    "replies",
    compute,
    "chrF",
    ".2f",
    about="character n-gram F-score of the replies, sacrebleu's, 0 to 100",
    better="higher",
    of_any_pairs=True,
)
