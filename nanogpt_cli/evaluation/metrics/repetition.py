"""How much a reply repeats itself: 1 minus different 4-grams by 4-grams (Welleck et al. 2020)."""

from nanogpt_cli.evaluation.metrics.base import Metric, NotApplicable, ReplySample, Result
from nanogpt_cli.evaluation.metrics.words import ngrams
from nanogpt_cli.evaluation.statistics import ratio

N = 4


def compute(sample: ReplySample) -> Result:
    """Return the mean over replies of at least four words, 0 to 1."""
    grams = [ngrams(text.split(), N) for text in sample.hypotheses]
    if not any(grams):
        raise NotApplicable("no reply has four words")
    return ratio(
        [1 - len(set(g)) / len(g) if g else 0 for g in grams], [bool(g) for g in grams], scale=1.0
    )


METRIC = Metric(
    "repetition",
    "replies",
    compute,
    "repetition",
    ".1%",
    about="share of 4-grams that stand earlier in the same reply",
    better="lower",
    of_references=True,
)
