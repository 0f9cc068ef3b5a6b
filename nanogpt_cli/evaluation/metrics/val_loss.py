"""The mean negative log-likelihood in nats per token."""

from nanogpt_cli.evaluation.metrics.base import Metric, TextSample


def compute(sample: TextSample) -> float:
    """Return it for the text of a sample."""
    return sample.loss.per_token


METRIC = Metric("val_loss", "text", compute, "val loss")
