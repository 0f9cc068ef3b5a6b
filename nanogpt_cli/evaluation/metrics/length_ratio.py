"""How long the replies are beside the references, in words."""

from nanogpt_cli.evaluation.metrics.base import Metric, ReplySample, Result
from nanogpt_cli.evaluation.statistics import ratio


def compute(sample: ReplySample) -> Result:
    """Return the words of all replies by those of all references."""
    words, expected = (
        [len(text.split()) for text in texts] for texts in (sample.hypotheses, sample.references)
    )
    return ratio(words, expected, scale=1.0)


METRIC = Metric(
    "length_ratio",
    "replies",
    compute,
    "length ratio",
    ".2f",
    about="words of the replies by words of the references",
)
