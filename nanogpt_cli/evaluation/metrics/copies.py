"""The share of replies that stand word for word as a reply in the training data.

Short ones do in any conversation: the references' own share is what to compare with.
"""

from nanogpt_cli.evaluation.metrics.base import Metric, NotApplicable, ReplySample, Result
from nanogpt_cli.evaluation.statistics import mean


def compute(sample: ReplySample) -> Result:
    """Return the share, 0 to 1. Raises NotApplicable without the training data."""
    if sample.in_training is None:
        raise NotApplicable("the model's training data are not there")
    return mean([float(copied) for copied in sample.in_training(sample.hypotheses)])


METRIC = Metric(
    "copies",
    "replies",
    compute,
    "verbatim copies",
    ".1%",
    about="share of replies that stand as a whole reply in the training data",
    of_references=True,
)
