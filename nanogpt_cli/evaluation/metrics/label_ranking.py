"""How often the model prefers the right label by its own likelihood, beside chance and majority."""

from collections import Counter

from nanogpt_cli.evaluation.metrics.base import (
    Metric,
    RankedSample,
    Resources,
    Result,
)
from nanogpt_cli.evaluation.statistics import mean


def compute(sample: RankedSample) -> dict[str, Result]:
    """Return the accuracy, 0 to 1, after that of chance and of the most frequent label."""
    frequent = Counter(sample.truth).most_common(1)[0][1]
    pairs = zip(sample.chosen, sample.truth, strict=True)
    return {
        "label_chance": 1 / len(sample.labels),
        "label_majority": frequent / len(sample.truth),
        "label_ranking": mean([float(chosen == true) for chosen, true in pairs]),
    }


def check(resources: Resources) -> None:
    """Raise DataError where the labelled file cannot be used, before anything is computed."""
    from nanogpt_cli.evaluation.labels import read_labels

    if resources.labels is not None:
        read_labels(resources.labels)


METRIC = Metric(
    "label_ranking",
    "labels",
    compute,
    "label ranking",
    ".1%",
    about="accuracy of the label that the model itself thinks likeliest",
    titles={
        "label_chance": "labels: chance",
        "label_majority": "labels: majority",
        "label_ranking": "labels: model",
    },
    better="higher",
    by_default=False,
    requires="--labels FILE, or data whose replies begin with a tag like [joy]",
    asked_by="labels",
    check=check,
)
