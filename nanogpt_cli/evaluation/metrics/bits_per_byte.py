"""The loss in bits per byte of UTF-8 text, comparable between tokenizers."""

from nanogpt_cli.evaluation.metrics.base import Metric, TextSample


def compute(sample: TextSample) -> float | None:
    """Return it for the text of a sample."""
    return sample.loss.bits_per_byte


METRIC = Metric("bits_per_byte", "text", compute, "bits/byte")
