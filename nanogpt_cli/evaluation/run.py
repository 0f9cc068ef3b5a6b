"""Evaluate models: what ``nanogpt eval`` shows, as plain results.

This module knows neither a screen nor the command line.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nanogpt_cli.checkpoint.load import (
    LoadedModel,
    attach_tokenizer,
    from_checkpoint,
    load_checkpoint,
)
from nanogpt_cli.errors import CheckpointError
from nanogpt_cli.evaluation.loss import Loss
from nanogpt_cli.evaluation.metrics.base import TextSample, compute_metrics
from nanogpt_cli.evaluation.scorer import ModelScorer
from nanogpt_cli.evaluation.text import evaluation_text
from nanogpt_cli.runs import find_checkpoint, find_dataset

Model = str | Path | LoadedModel
"""A run's name, a checkpoint's folder or file, or a model that is loaded already."""


@dataclass(frozen=True)
class Evaluation:
    """What was measured of one model."""

    checkpoint: Path
    data: Path
    loss: Loss
    metrics: dict[str, float | None]
    """The value of each registered metric by name."""
    tokenizer: str
    """The tokenizer's name."""
    step: int
    pos_embd: str
    parameters: int

    def to_dict(self) -> dict[str, Any]:
        """Return the result in JSON's types: an entry of ``models`` in ``eval --json``."""
        return {
            "checkpoint": str(self.checkpoint),
            "data": str(self.data),
            **self.metrics,
            "tokens": self.loss.tokens,
            "step": self.step,
            "pos_embd": self.pos_embd,
            "parameters": self.parameters,
        }


@dataclass(frozen=True)
class Progress:
    """How many of the ``total`` tokens one model has predicted."""

    checkpoint: Path
    done: int
    total: int


def evaluate(
    models: Sequence[Model],
    data: str | Path | None = None,
    device: str = "auto",
    advance: Callable[[Progress], None] = lambda progress: None,
    note: Callable[[str], None] = lambda text: None,
) -> list[dict[str, Any]]:
    """Measure models and return a dictionary for each, see ``Evaluation.to_dict``.

    ``data`` is a dataset's folder or name, or a text file; by default what each model was trained
    on. ``device`` is where models are loaded to; loaded ones stay where they are. ``advance`` is
    called after each batch and may raise to stop, ``note`` with what the user should know. Raises
    CheckpointError for a model, DataError for data that cannot be used.
    """
    return [result.to_dict() for result in evaluations(models, data, device, advance, note)]


def evaluations(
    models: Sequence[Model],
    data: str | Path | None = None,
    device: str = "auto",
    advance: Callable[[Progress], None] = lambda progress: None,
    note: Callable[[str], None] = lambda text: None,
) -> Iterator[Evaluation]:
    """Yield what ``evaluate`` measures, one model in memory at a time."""
    for model in models:
        yield _evaluate_one(_loaded(model, data, device), data, advance, note)


def _evaluate_one(
    loaded: LoadedModel,
    data: str | Path | None,
    advance: Callable[[Progress], None],
    note: Callable[[str], None],
) -> Evaluation:
    text = evaluation_text(loaded, data)
    for line in text.notes:
        note(line)
    done, total = 0, len(text.tokens)

    def count(tokens: int) -> None:
        nonlocal done
        done += tokens
        advance(Progress(loaded.path, done, total))

    advance(Progress(loaded.path, 0, total))
    loss = ModelScorer(loaded, count).nats(text.tokens, text.mask)
    return Evaluation(
        checkpoint=loaded.path,
        data=text.source,
        loss=loss,
        metrics=compute_metrics({"text": TextSample(loss)}),
        tokenizer=loaded.tokenizer.name,
        step=loaded.about["step"],
        pos_embd=loaded.config.pos_embd,
        parameters=loaded.model.parameter_count(),
    )


def _loaded(model: Model, data: str | Path | None, device: str) -> LoadedModel:
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
