"""The exponential of the mean loss: how many tokens the model hesitates between."""

from nanogpt_cli.evaluation.metrics.base import Metric, TextSample


def compute(sample: TextSample) -> float | None:
    """Return it for the text of a sample."""
    return sample.loss.perplexity


METRIC = Metric("perplexity", "text", compute, "perplexity", ",.2f")
