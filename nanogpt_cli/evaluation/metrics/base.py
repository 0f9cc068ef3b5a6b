"""What a metric is, the samples it is computed from, and the numbers of all that are asked for.

A new metric is one file beside this one with a ``METRIC``, and one line in ``registry``.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nanogpt_cli.errors import UsageError
from nanogpt_cli.evaluation.statistics import Floats, Number, Parts, number
from nanogpt_cli.registry import METRICS

if TYPE_CHECKING:  # torch loads with it, and listing the metrics needs none
    from nanogpt_cli.evaluation.loss import Loss


class NotApplicable(Exception):  # noqa: N818 - it is not an error of the user's
    """A metric does not apply to a model or its data; the message says why."""


@dataclass(frozen=True)
class Resources:
    """What metrics may need beside the model and its data."""

    bertscore_model: Path | None = None
    """The folder of a Hugging Face encoder."""
    sentiment_model: Path | None = None
    """The folder of a Hugging Face classifier of sentiment; without one, a lexicon (VADER)."""
    labels: Path | None = None
    """A file of texts, each with a label."""


@dataclass(frozen=True)
class TextSample:
    """What a metric that needs ``text`` is computed from."""

    loss: "Loss"
    """Of the model, over the text that it is evaluated on."""
    stretches: Floats | None = None
    """Nats, tokens and bytes of stretches of the text (N, 3), which add up to the loss."""

    def parts(self, combine: Callable[[Floats], Floats], whole: float) -> Parts | float:
        """Return a number made of sums of nats, tokens and bytes (R, 3), and of the loss."""
        return whole if self.stretches is None else Parts(self.stretches, combine, whole)


@dataclass(frozen=True)
class ScoredReply:
    """A reply of the model to a held-out prompt, beside the reply that stands in the data."""

    prompt: tuple[tuple[str, str], ...]
    """The turns before, each a role and a text."""
    reference: str
    reply: str
    tokens: int
    ended: bool
    """Whether the reply ended by itself, before the longest length."""
    document: int = 0
    """The number of the conversation it is out of."""


@dataclass(frozen=True)
class ReplySample:
    """What a metric that needs ``replies`` is computed from."""

    replies: Sequence[ScoredReply]
    in_training: Callable[[Sequence[str]], list[bool]] | None = None
    """Tells which texts stand as whole replies in the training data; None without that data."""
    resources: Resources = field(default_factory=Resources)

    @property
    def hypotheses(self) -> list[str]:
        """The model's replies."""
        return [reply.reply for reply in self.replies]

    @property
    def references(self) -> list[str]:
        """The replies of the data."""
        return [reply.reference for reply in self.replies]

    @property
    def documents(self) -> list[int]:
        """The conversation of each reply."""
        return [reply.document for reply in self.replies]

    def with_replies(self, texts: Sequence[str]) -> "ReplySample":
        """Return a sample in which others have replied."""
        made = [
            replace(old, reply=text, ended=True)
            for old, text in zip(self.replies, texts, strict=True)
        ]
        return replace(self, replies=made)


@dataclass(frozen=True)
class RankedSample:
    """What a metric that needs ``labels`` is computed from: labels ranked by their likelihood."""

    labels: tuple[str, ...]
    """All different labels."""
    truth: Sequence[int]
    """The label of each text (N,)."""
    chosen: Sequence[int]
    """The label that the model thinks likeliest after each text (N,)."""


Result = Parts | float | None
"""A number that documents add up to, one without an interval, or None where there is none."""


@dataclass(frozen=True)
class Metric:
    """A number, or several of one kind, that say how good a model is."""

    name: str
    """What it is asked for by, and its key in JSON."""
    needs: str
    """The kind of sample that ``compute`` takes: ``text`` is a TextSample, ``replies`` a
    ReplySample, ``labels`` a RankedSample."""
    compute: Callable[[Any], Result | Mapping[str, Result]]
    """Returns the number, or several by name, the main one last; may raise NotApplicable."""
    title: str = ""
    """The head of its column; by default its name."""
    format: str = ".4f"
    """How its value is printed in a table, as a format specification."""
    about: str = ""
    """What it measures, in one line for ``--metrics list``."""
    titles: dict[str, str] = field(default_factory=dict)
    """The titles of its numbers, where there are several."""
    better: str = ""
    """``higher`` or ``lower``, where one of them is."""
    by_default: bool = True
    """Whether it is computed unless other metrics are named."""
    of_references: bool = False
    """Whether it says something of any replies, so that those of the data are a yardstick."""
    of_any_pairs: bool = False
    """Whether it compares with the references, so that replies to other prompts are a yardstick."""
    requires: str = ""
    """What must be installed or named for it, in words."""
    asked_by: str = ""
    """The field of Resources that asks for it without its name."""
    check: Callable[[Resources], None] = lambda resources: None
    """Raises UsageError where what it requires is missing, DataError where it cannot be used."""

    @property
    def main(self) -> str:
        """The name of its main number."""
        return next(reversed(self.titles), self.name)

    def show(self, value: float | None) -> str:
        """Return a value as a table shows it."""
        return "-" if value is None else f"{value:{self.format}}"

    def numbers(
        self, sample: Any, documents: Sequence[int] = (), seed: int = 0
    ) -> dict[str, Number]:
        """Return its numbers with their intervals by name; may raise NotApplicable."""
        result = self.compute(sample)
        if not isinstance(result, Mapping):
            return {self.name: number(result, documents, seed)}
        return {name: number(part, documents, seed) for name, part in result.items()}


def registered_metrics() -> dict[str, Metric]:
    """Return all metrics by their name in the registry, in its order."""
    return {name: METRICS.get(name) for name in METRICS}


def choose_metrics(names: Iterable[str] | None, resources: Resources) -> dict[str, Metric]:
    """Return the metrics of these names, by default those that need nothing more.

    A file or folder that a metric requires asks for it too. Raises UsageError for an
    unknown name, and where what a metric requires is missing, DataError where it cannot be used.
    """
    metrics = registered_metrics()
    if names is None:
        chosen = [
            name
            for name, metric in metrics.items()
            if metric.by_default or getattr(resources, metric.asked_by or "_", None)
        ]
    else:
        chosen = list(dict.fromkeys(names))
        for name in chosen:
            METRICS.check(name)
        if not chosen:
            raise UsageError("--metrics names no metric", "see them: nanogpt eval --metrics list")
    for name in chosen:
        metrics[name].check(resources)
    return {name: metrics[name] for name in chosen}


def missing_package(metric: str, package: str) -> UsageError:
    """Return the error to raise where a metric's package is not installed."""
    return UsageError(
        f"{metric} needs the package {package}, which is not installed",
        "install it: pip install 'nanogpt-cli[eval]'; without a network, copy the wheels here and "
        "add --no-index --find-links FOLDER",
    )
