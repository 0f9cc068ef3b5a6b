"""The exponential of the mean loss: how many tokens the model hesitates between."""

import numpy as np

from nanogpt_cli.evaluation.metrics.base import Metric, Result, TextSample
from nanogpt_cli.evaluation.statistics import Floats


def compute(sample: TextSample) -> Result:
    """Return it for the text of a sample."""
    whole = sample.loss.perplexity
    return None if whole is None else sample.parts(_perplexity, whole)


def _perplexity(sums: Floats) -> Floats:
    with np.errstate(over="ignore"):
        perplexity: Floats = np.exp(sums[:, 0] / sums[:, 1])
    return perplexity


METRIC = Metric(
    "perplexity",
    "text",
    compute,
    "perplexity",
    ",.2f",
    about="exponential of the loss per token",
    better="lower",
)
