"""Several evaluated models: which is the best, how they differ, and what cannot be said.

Differences are paired: the same stretches of text, or the same prompts, are resampled for both.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nanogpt_cli.evaluation.metrics.base import (
    Metric,
    NotApplicable,
    ReplySample,
    registered_metrics,
)
from nanogpt_cli.evaluation.run import Evaluation, number_entries
from nanogpt_cli.evaluation.statistics import Number, difference

PER_TOKEN = ("val_loss", "perplexity")
"""Numbers that only models with the same tokens share."""


@dataclass(frozen=True)
class Comparison:
    """Which rows of a table are the best."""

    best: frozenset[int] = frozenset()
    """Indices of the rows with the fewest bits per byte; none where rows cannot be compared."""
    note: str | None = None
    """What must not be concluded from the table, and why."""


def compare(results: Sequence[Evaluation]) -> Comparison:
    """Compare models by their bits per byte, where all were evaluated over the same text.

    The same text means the same data and the same number of bytes: tokenizers and block sizes cut
    it at different places, so that the last window may end earlier.
    """
    losses = [result.loss for result in results if result.loss is not None]
    if len(results) < 2 or len(losses) < len(results):
        return Comparison()
    if len({result.data for result in results}) > 1:
        return Comparison(
            note="no model is marked as the best: they were evaluated on different data, and their "
            "losses cannot be compared; name one text with --data"
        )
    if len({result.loss_on for result in results}) > 1:
        return Comparison(
            note="no model is marked as the best: the losses of some are those of replies alone, "
            "as in their training"
        )
    bits = [loss.bits_per_byte for loss in losses]
    if None in bits:
        return Comparison(
            note="no model is marked as the best: a text of special tokens alone has no bits per "
            "byte"
        )
    several_tokenizers = len({result.tokenizer for result in results}) > 1
    if len({loss.text_bytes for loss in losses}) > 1:
        why = "tokenizers or block sizes" if several_tokenizers else "block sizes"
        per_token = ", losses per token cannot be compared" if several_tokenizers else ""
        return Comparison(
            note=f"no model is marked as the best: their {why} differ, so they were evaluated on "
            "slightly different parts of the text; bits per byte are the fairest comparison"
            f"{per_token}"
        )
    lowest = min((b for b in bits if b is not None and math.isfinite(b)), default=None)
    best = frozenset(row for row, b in enumerate(bits) if b == lowest)
    note = "losses per token of different tokenizers cannot be compared; bits per byte can"
    return Comparison(best, note if several_tokenizers else None)


def not_comparable(results: Sequence[Evaluation]) -> frozenset[str]:
    """Return the numbers of a table that are per token, where models have different tokens."""
    texts = {
        (result.text, result.tokenizer, result.loss_on)
        for result in results
        if result.loss is not None
    }
    return frozenset(PER_TOKEN if len(texts) > 1 else ())


def best(results: Sequence[Evaluation]) -> dict[str, frozenset[int]]:
    """Return which models have the best value of each number, where all can be compared."""
    metrics = by_number(registered_metrics())
    found = {}
    for name in results[0].numbers if len(results) > 1 else ():
        metric = metrics.get(name)
        values = [result.metrics.get(name) for result in results]
        numbers = [value for value in values if value is not None]
        if metric is None or not metric.better or len(numbers) < len(results):
            continue
        if all(_comparable(metric, result, results[0]) for result in results):
            chosen = (max if metric.better == "higher" else min)(numbers)
            found[name] = frozenset(i for i, value in enumerate(values) if value == chosen)
    return found


@dataclass(frozen=True)
class Differences:
    """How one model differs from the first of a table."""

    model: int
    numbers: Mapping[str, Number] = field(default_factory=dict)
    """Its number minus the first's, by name; those that can be compared."""


def differences(results: Sequence[Evaluation]) -> list[Differences]:
    """Return how each model differs from the first, with paired 95% intervals."""
    return [
        Differences(i, _differences(result, results[0]))
        for i, result in enumerate(results[1:], start=1)
    ]


def _differences(one: Evaluation, other: Evaluation) -> dict[str, Number]:
    metrics = by_number(registered_metrics())
    found = {}
    for name, mine in one.numbers.items():
        theirs, metric = other.numbers.get(name), metrics.get(name)
        if theirs is None or metric is None or not _comparable(metric, one, other):
            continue
        if pair := difference(mine, theirs, one.sampling.get("seed", 0)):
            found[name] = pair
    return found


def _comparable(metric: Metric, one: Evaluation, other: Evaluation) -> bool:
    """Whether two models' numbers of a metric are of the same text, or of the same prompts."""
    if metric.needs == "replies":
        return _same_prompts(one, other)
    if metric.needs == "labels":
        return True
    if one.loss_on != other.loss_on:
        return False
    return one.text == other.text if metric.name in PER_TOKEN else one.data == other.data


def _same_prompts(one: Evaluation, other: Evaluation) -> bool:
    """Whether both have replied to the same prompts, which have the same references."""
    pairs = [
        [(reply.prompt, reply.reference) for reply in found.replies.replies]
        for found in (one, other)
        if found.replies is not None
    ]
    return len(pairs) == 2 and pairs[0] == pairs[1]


def by_number(metrics: Mapping[str, Metric]) -> dict[str, Metric]:
    """Return the metric of each number, by the number's name."""
    return {name: metric for metric in metrics.values() for name in metric.titles or [metric.name]}


@dataclass(frozen=True)
class Baseline:
    """What somebody else scores on the same prompts."""

    name: str
    numbers: Mapping[str, Number]


def baselines(results: Sequence[Evaluation], seed: int = 0) -> list[Baseline]:
    """Return what the references themselves score, and references of other prompts.

    The first is what people's replies look like, the second what a fitting length and style alone
    bring a reply that has nothing to do with its prompt. None where models had different prompts.
    """
    found = next((result for result in results if result.replies is not None), None)
    if found is None or found.replies is None or len(found.replies.replies) < 2:
        return []
    if any(result.replies and not _same_prompts(result, found) for result in results):
        return []
    metrics = by_number(registered_metrics())
    wanted = {metrics[n].name: metrics[n] for n in found.numbers if n in metrics}
    references = found.replies.references
    order = np.random.default_rng(seed).permutation(len(references))
    others = [""] * len(references)
    for place, source in zip(order, np.roll(order, 1), strict=True):
        others[place] = references[source]
    rows = (
        ("references", references, [m for m in wanted.values() if m.of_references]),
        ("other replies", others, [m for m in wanted.values() if m.of_any_pairs]),
    )
    return [
        Baseline(name, numbers)
        for name, texts, chosen in rows
        if (numbers := _numbers(chosen, found.replies.with_replies(texts), seed))
    ]


def _numbers(metrics: Sequence[Metric], sample: ReplySample, seed: int) -> dict[str, Number]:
    found: dict[str, Number] = {}
    for metric in metrics:
        try:
            found |= metric.numbers(sample, sample.documents, seed)
        except NotApplicable:
            continue
    return {name: value for name, value in found.items() if value.value is not None}


def document(results: Sequence[Evaluation], show: int = 0) -> dict[str, Any]:
    """Return the document of ``eval --json``: models, and what compares them."""
    found: dict[str, Any] = {"models": [result.to_dict(show) for result in results]}
    if pairs := differences(results):
        found["differences"] = [
            {
                "model": str(results[pair.model].checkpoint),
                "against": str(results[0].checkpoint),
                "metrics": number_entries(pair.numbers),
            }
            for pair in pairs
        ]
    if rows := baselines(results):
        found["baselines"] = [
            {"name": row.name, "metrics": number_entries(row.numbers)} for row in rows
        ]
    if note := compare(results).note:
        found["note"] = note
    return found
