"""The loss in bits per byte of UTF-8 text, comparable between tokenizers."""

import math

import numpy as np

from nanogpt_cli.evaluation.metrics.base import Metric, Result, TextSample
from nanogpt_cli.evaluation.statistics import Floats


def compute(sample: TextSample) -> Result:
    """Return it for the text of a sample."""
    whole = sample.loss.bits_per_byte
    return None if whole is None else sample.parts(_bits_per_byte, whole)


def _bits_per_byte(sums: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return sums[:, 0] / math.log(2) / sums[:, 2]


METRIC = Metric(
    "bits_per_byte",
    "text",
    compute,
    "bits/byte",
    about="loss in bits per byte of text; comparable between tokenizers",
    better="lower",
)
