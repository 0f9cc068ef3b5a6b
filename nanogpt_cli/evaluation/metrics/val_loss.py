"""The mean negative log-likelihood in nats per token."""

from nanogpt_cli.evaluation.metrics.base import Metric, Result, TextSample


def compute(sample: TextSample) -> Result:
    """Return it for the text of a sample."""
    return sample.parts(lambda sums: sums[:, 0] / sums[:, 1], sample.loss.per_token)


METRIC = Metric(
    "val_loss", "text", compute, "val loss", about="mean loss in nats per token", better="lower"
)
