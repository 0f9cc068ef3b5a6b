"""The share of replies that end by themselves, before the longest length."""

from nanogpt_cli.evaluation.metrics.base import Metric, ReplySample, Result
from nanogpt_cli.evaluation.statistics import mean


def compute(sample: ReplySample) -> Result:
    """Return the share, 0 to 1."""
    return mean([float(reply.ended) for reply in sample.replies])


METRIC = Metric(
    "ended",
    "replies",
    compute,
    "end by themselves",
    ".1%",
    about="share of replies that end before --max-tokens",
    better="higher",
)
