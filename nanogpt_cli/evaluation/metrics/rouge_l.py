"""ROUGE-L of the replies (Lin 2004): F1 of the longest common subsequence of words, 0 to 100."""

from nanogpt_cli.evaluation.metrics.base import Metric, ReplySample, Result
from nanogpt_cli.evaluation.metrics.words import plain_words
from nanogpt_cli.evaluation.statistics import mean


def compute(sample: ReplySample) -> Result:
    """Return the mean over all replies."""
    pairs = zip(sample.hypotheses, sample.references, strict=True)
    return mean([_f1(plain_words(a), plain_words(b)) for a, b in pairs], scale=100)


def _f1(reply: list[str], reference: list[str]) -> float:
    common = longest_common_subsequence(reply, reference)
    return 2 * common / (len(reply) + len(reference)) if common else 0.0


def longest_common_subsequence(a: list[str], b: list[str]) -> int:
    """Return its length, by a row of the table as the bits of one number (Hyyrö 2004)."""
    places: dict[str, int] = {}
    for i, word in enumerate(a):
        places[word] = places.get(word, 0) | 1 << i
    full = row = (1 << len(a)) - 1
    for word in b:
        matched = row & places.get(word, 0)
        row = ((row + matched) | (row - matched)) & full
    return len(a) - row.bit_count()


METRIC = Metric(
    "rouge_l",
    "replies",
    compute,
    "ROUGE-L",
    ".2f",
    about="F1 of the longest common subsequence of words, 0 to 100",
    better="higher",
    of_any_pairs=True,
)
