"""What a metric is, and the values of all that are registered.

A new metric is one file beside this one with a ``METRIC``, and one line in ``registry``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nanogpt_cli.evaluation.loss import Loss
from nanogpt_cli.registry import METRICS


@dataclass(frozen=True)
class TextSample:
    """What a metric that needs ``text`` is computed from."""

    loss: Loss
    """Of the model, over the text that it is evaluated on."""


@dataclass(frozen=True)
class Metric:
    """A number that says how good a model is."""

    name: str
    """Its key in JSON."""
    needs: str
    """The kind of sample that ``compute`` takes: ``text`` is a TextSample."""
    compute: Callable[[Any], float | None]
    """Returns the value, or None where it cannot be computed."""
    title: str = ""
    """The head of its column; by default its name."""
    format: str = ".4f"
    """How its value is printed in a table, as a format specification."""

    def show(self, value: float | None) -> str:
        """Return a value as a table shows it."""
        return "-" if value is None else f"{value:{self.format}}"


def registered_metrics() -> dict[str, Metric]:
    """Return all metrics by their name in the registry, in its order."""
    return {name: METRICS.get(name) for name in METRICS}


def compute_metrics(samples: Mapping[str, Any]) -> dict[str, float | None]:
    """Return the value of each metric by name.

    ``samples`` has a sample of each kind that was taken; metrics that need another are absent.
    """
    return {
        name: metric.compute(samples[metric.needs])
        for name, metric in registered_metrics().items()
        if metric.needs in samples
    }
