"""distinct-1 and distinct-2 of the replies (Li et al. 2016): different n-grams of all n-grams.

Words are what stands between white space. Fewer replies have a higher share, so compare equal
numbers of prompts.
"""

from collections import Counter

from nanogpt_cli.evaluation.metrics.base import Metric, ReplySample, Result
from nanogpt_cli.evaluation.metrics.words import ngrams
from nanogpt_cli.evaluation.statistics import jackknifed


def compute(sample: ReplySample) -> dict[str, Result]:
    """Return both shares, 0 to 1; None where no reply is long enough."""
    return {f"distinct_{n}": _distinct(sample.hypotheses, n) for n in (1, 2)}


def _distinct(texts: list[str], n: int) -> Result:
    grams = [Counter(ngrams(text.split(), n)) for text in texts]
    holders = Counter(gram for counts in grams for gram in counts)
    different, total = len(holders), sum(counts.total() for counts in grams)
    if not total:
        return None
    without = [
        (different - sum(holders[gram] == 1 for gram in counts)) / max(1, total - counts.total())
        for counts in grams
    ]
    return jackknifed(different / total, without)


METRIC = Metric(
    "distinct",
    "replies",
    compute,
    "distinct",
    ".3f",
    about="distinct-1 and distinct-2: different words and pairs of words, of all",
    titles={"distinct_1": "distinct-1", "distinct_2": "distinct-2"},
    better="higher",
    of_references=True,
)
