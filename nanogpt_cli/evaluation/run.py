"""Evaluate models: what ``nanogpt eval`` shows, as plain results.

This module knows neither a screen nor the command line.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nanogpt_cli.checkpoint.load import (
    LoadedModel,
    attach_tokenizer,
    from_checkpoint,
    load_checkpoint,
)
from nanogpt_cli.errors import CheckpointError, DataError, MachineError, UsageError
from nanogpt_cli.evaluation.loss import Loss
from nanogpt_cli.evaluation.metrics.base import (
    Metric,
    NotApplicable,
    ReplySample,
    ScoredReply,
    TextSample,
    choose_metrics,
    registered_metrics,
)
from nanogpt_cli.evaluation.samples import KINDS, Request, Subject, sample
from nanogpt_cli.evaluation.statistics import FEWEST_DOCUMENTS, Number
from nanogpt_cli.evaluation.store import Store, content_hash
from nanogpt_cli.evaluation.text import evaluation_text
from nanogpt_cli.runs import find_checkpoint, find_dataset
from nanogpt_cli.version import __version__

Model = str | Path | LoadedModel
"""A run's name, a checkpoint's folder or file, or a model that is loaded already."""


@dataclass(frozen=True)
class Evaluation:
    """What was measured of one model."""

    checkpoint: Path
    data: Path
    loss: Loss | None
    """Over the text; None where no metric of it was asked for."""
    metrics: dict[str, float | None]
    """The value of each number by name; None where it cannot be computed."""
    tokenizer: str
    """The tokenizer's name."""
    step: int
    pos_embd: str
    parameters: int
    numbers: Mapping[str, Number] = field(default_factory=dict)
    """The values with their intervals, those of all metrics that apply."""
    absent: Mapping[str, str] = field(default_factory=dict)
    """Why a metric does not apply, by its name."""
    replies: ReplySample | None = None
    """What the model replied, where that was asked for."""
    sampling: Mapping[str, Any] = field(default_factory=dict)
    """How replies were drawn: the fields of SampleConfig, and how many ``prompts``."""
    text: str = ""
    """The fingerprint of the text: equal for the same text as the same tokens."""
    loss_on: str = "all"
    """What the losses count: ``replies`` or ``all``."""

    def to_dict(self, show: int = 0) -> dict[str, Any]:
        """Return the result in JSON's types: an entry of ``models`` in ``eval --json``.

        It has the first ``show`` replies.
        """
        of_text = {"val_loss": None, "perplexity": None, "bits_per_byte": None}
        found: dict[str, Any] = {
            "checkpoint": str(self.checkpoint),
            "data": str(self.data),
            **of_text,
            **self._flat(),
            "tokens": self.loss.tokens if self.loss else None,
            "loss_on": self.loss_on,
            "step": self.step,
            "pos_embd": self.pos_embd,
            "parameters": self.parameters,
            "tokenizer": self.tokenizer,
            "metrics": number_entries(self.numbers),
            "absent": dict(self.absent),
        }
        if self.replies is not None:
            found["sampling"] = dict(self.sampling)
        if self.replies is not None and show:
            found["replies"] = [_shown(reply) for reply in self.replies.replies[:show]]
        return found

    def _flat(self) -> dict[str, float | None]:
        """Return the numbers of the text, which stand beside the others too."""
        of_text = {name for name, m in registered_metrics().items() if m.needs == "text"}
        return {name: value for name, value in self.metrics.items() if name in of_text}


def number_entries(numbers: Mapping[str, Number]) -> dict[str, dict[str, float | None]]:
    """Return numbers in JSON's types; a metric of several has its main one under its own name."""
    entries = {
        name: {"value": found.value, "low": found.low, "high": found.high}
        for name, found in numbers.items()
    }
    for name, metric in registered_metrics().items():
        if metric.main in entries:
            entries[name] = entries[metric.main]
    return entries


def _shown(reply: ScoredReply) -> dict[str, Any]:
    """Return a reply in JSON's types: ``prompt`` is the last turn, ``context`` those before it."""
    *context, (_, prompt) = reply.prompt
    return {
        "prompt": prompt,
        "reference": reply.reference,
        "reply": reply.reply,
        "ended": reply.ended,
        "context": [{"role": role, "text": text} for role, text in context],
    }


@dataclass(frozen=True)
class Progress:
    """How much of one model's evaluation is done."""

    checkpoint: Path
    done: int
    total: int
    what: str = "tokens"
    """What is counted: tokens, replies or texts."""


def evaluate(
    models: Sequence[Model],
    data: str | Path | None = None,
    device: str = "auto",
    advance: Callable[[Progress], None] = lambda progress: None,
    note: Callable[[str], None] = lambda text: None,
    request: Request | None = None,
) -> list[dict[str, Any]]:
    """Measure models and return a dictionary for each, see ``Evaluation.to_dict``.

    ``data`` is a dataset's folder or name, or a text file; by default what each model was trained
    on. ``device`` is where models are loaded to; loaded ones stay where they are. ``advance`` is
    called after each batch and may raise to stop, ``note`` with what the user should know. Raises
    CheckpointError for a model, DataError for data that cannot be used, UsageError for metrics
    that cannot be computed here.
    """
    results = evaluations(models, data, device, advance, note, request)
    return [result.to_dict() for result in results]


def evaluations(
    models: Sequence[Model],
    data: str | Path | None = None,
    device: str = "auto",
    advance: Callable[[Progress], None] = lambda progress: None,
    note: Callable[[str], None] = lambda text: None,
    request: Request | None = None,
) -> Iterator[Evaluation]:
    """Yield what ``evaluate`` measures, one model in memory at a time."""
    request = request or Request()
    if request.prompts < 1:
        raise UsageError(f"invalid --prompts {request.prompts}", "write at least 1")
    metrics = choose_metrics(request.metrics, request.resources)
    for model in models:
        yield _evaluate_one(model, data, device, advance, note, request, metrics)


def _evaluate_one(
    model: Model,
    data: str | Path | None,
    device: str,
    advance: Callable[[Progress], None],
    note: Callable[[str], None],
    request: Request,
    metrics: Mapping[str, Metric],
) -> Evaluation:
    loaded = loaded_model(model, data, device)
    text = evaluation_text(loaded, data)
    for line in text.notes:
        note(line)
    store = None if isinstance(model, LoadedModel) else Store.beside(loaded.path)
    key = {
        "checkpoint": content_hash(loaded.path) if store else None,
        "data": text.fingerprint,
        "version": __version__,
    }

    def report(what: str, done: int, total: int) -> None:
        advance(Progress(loaded.path, done, total, what))

    subject = Subject(loaded, text, request, key, store, report, note)
    samples, numbers, absent = _measure(subject, metrics)
    few = samples.get("replies")
    if few is not None and len(few.replies) < FEWEST_DOCUMENTS:
        note(f"fewer than {FEWEST_DOCUMENTS} replies have no 95% interval, and say little")
    if not numbers:
        reasons = "; ".join(dict.fromkeys(absent.values()))
        raise DataError(
            f"nothing that was asked for applies to {loaded.path}: {reasons}",
            "name other metrics (nanogpt eval --metrics list) or other data (--data)",
        )
    text_sample, replies = samples.get("text"), samples.get("replies")
    sampling = {"prompts": request.prompts, **asdict(request.drawn)} if replies else {}
    if subject.store is not None:
        _store_result(subject, numbers, sampling)
    return Evaluation(
        checkpoint=loaded.path,
        data=text.source,
        loss=text_sample.loss if isinstance(text_sample, TextSample) else None,
        metrics={name: found.value for name, found in numbers.items()},
        tokenizer=loaded.tokenizer.name,
        step=loaded.about["step"],
        pos_embd=loaded.config.pos_embd,
        parameters=loaded.model.parameter_count(),
        numbers={name: found for name, found in numbers.items() if found.value is not None},
        absent=absent,
        replies=replies,
        sampling=sampling,
        text=text.fingerprint,
        loss_on=text.loss_on,
    )


def _measure(
    subject: Subject, metrics: Mapping[str, Metric]
) -> tuple[dict[str, Any], dict[str, Number], dict[str, str]]:
    """Return the samples that were taken, the numbers, and why others are absent."""
    samples: dict[str, Any] = {}
    numbers: dict[str, Number] = {}
    absent: dict[str, str] = {}
    reasons: dict[str, str] = {}
    for name, metric in metrics.items():
        kind = metric.needs
        if kind not in KINDS:
            absent[name] = f"nothing here takes samples of {kind}"
            continue
        try:
            if kind not in samples and kind not in reasons:
                samples[kind] = sample(kind, subject)
        except NotApplicable as reason:
            reasons[kind] = str(reason)
        if kind in reasons:
            absent[name] = reasons[kind]
            continue
        try:
            found = metric.numbers(
                samples[kind], getattr(samples[kind], "documents", ()), subject.request.seed
            )
        except NotApplicable as reason:
            absent[name] = str(reason)
            continue
        numbers |= found
        absent |= {n: "it cannot be computed" for n, f in found.items() if f.value is None}
    return samples, numbers, absent


def _store_result(
    subject: Subject, numbers: Mapping[str, Number], sampling: Mapping[str, Any]
) -> None:
    """Store the numbers for whoever reads eval.jsonl."""
    assert subject.store is not None
    content = {
        "data": str(subject.text.source),
        "step": subject.loaded.about["step"],
        "metrics": number_entries(numbers),
    }
    key = {**subject.key, "numbers": sorted(numbers), "sampling": dict(sampling)}
    try:
        subject.store.add("result", key, **content)
    except MachineError as error:
        subject.note(f"the results are not stored: {error.message}")


def loaded_model(model: Model, data: str | Path | None, device: str) -> LoadedModel:
    """Load a model; one that carries no tokenizer gets that of the dataset it is evaluated on."""
    if isinstance(model, LoadedModel):
        return model
    path = find_checkpoint(str(model))
    checkpoint = load_checkpoint(path)
    if checkpoint.tokenizer is None:
        if data is not None and Path(data).is_file():
            raise CheckpointError(
                f"{path} carries no tokenizer",
                "add it: nanogpt migrate-ckpt, with --data-dir for its data",
            )
        name = data or checkpoint.data.get("folder")
        folder = find_dataset(None if name is None else str(name))
        checkpoint = attach_tokenizer(checkpoint, path, folder)
    return from_checkpoint(checkpoint, path, device)
