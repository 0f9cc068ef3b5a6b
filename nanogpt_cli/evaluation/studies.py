"""What ``nanogpt eval`` measures beside its table, where it is asked for.

A study is measured for one model at a time, and has a result with ``to_dict`` or a reason why there
is none. This module knows neither a screen nor the command line.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from nanogpt_cli.checkpoint.load import LoadedModel
from nanogpt_cli.data.store import Dataset, open_dataset
from nanogpt_cli.errors import DataError
from nanogpt_cli.evaluation.index_file import open_index
from nanogpt_cli.evaluation.loss import Loss
from nanogpt_cli.evaluation.memorisation import (
    SAMPLES,
    SAMPLING,
    Memorisation,
    measure_memorisation,
)
from nanogpt_cli.evaluation.positions import ContextLoss, contexts, measure_context
from nanogpt_cli.evaluation.progress import Working, counting, labelled, silent
from nanogpt_cli.evaluation.run import Model, loaded_model
from nanogpt_cli.evaluation.scorer import ModelScorer
from nanogpt_cli.evaluation.speed import Speed, measure_speed
from nanogpt_cli.evaluation.text import EvaluationText, evaluation_text
from nanogpt_cli.evaluation.yardsticks import Material, Yardstick, measure_yardsticks

Name = Literal["yardsticks", "positions", "memorisation", "speed"]
NAMES: tuple[Name, ...] = ("yardsticks", "positions", "memorisation", "speed")


@dataclass(frozen=True)
class Yardsticks:
    """What the yardsticks need for the text that a model was evaluated on."""

    data: Path
    tokenizer: str
    trained_on: Path | None
    """The dataset whose training text they have read."""
    yardsticks: list[Yardstick]
    replies_alone: bool = False
    """Whether the table of losses counts replies alone, which the yardsticks never do."""

    def to_dict(self) -> dict[str, Any]:
        """Return it in JSON's types."""
        return {
            "data": str(self.data),
            "tokenizer": self.tokenizer,
            "trained_on": None if self.trained_on is None else str(self.trained_on),
            "yardsticks": [yardstick.to_dict() for yardstick in self.yardsticks],
        }


@dataclass(frozen=True)
class PositionLosses:
    """The loss by position, for windows of several lengths."""

    contexts: list[ContextLoss]

    def to_dict(self) -> dict[str, Any]:
        """Return it in JSON's types."""
        return {"contexts": [context.to_dict() for context in self.contexts]}


@dataclass(frozen=True)
class Study:
    """One study of one model."""

    checkpoint: Path
    name: Name
    result: Yardsticks | PositionLosses | Memorisation | Speed | None
    reason: str | None = None
    """Why there is no result."""
    loss: Loss | None = None
    """Of the model over all that yardsticks are measured on; None for other studies."""

    def to_dict(self) -> dict[str, Any]:
        """Return it in JSON's types: an entry of the list that has the study's name as its key."""
        content = {"reason": self.reason} if self.result is None else self.result.to_dict()
        of_model = {} if self.loss is None else {"bits_per_byte": self.loss.bits_per_byte}
        return {"checkpoint": str(self.checkpoint), **of_model, **content}


def studies(
    models: Sequence[Model],
    names: Sequence[Name],
    data: str | Path | None = None,
    device: str = "auto",
    note: Callable[[str], None] = lambda text: None,
    working: Working = silent,
    losses: Mapping[Path, Loss] | None = None,
) -> Iterator[Study]:
    """Yield each study of each model, one model in memory at a time.

    ``models``, ``data`` and ``device`` are as in ``evaluate``. ``note`` is told what the user
    should know, ``working`` what is being done. ``losses`` are those over all tokens of the text
    that are known already, by checkpoint. Raises CheckpointError and DataError.
    """
    known: dict[object, Yardsticks] = {}
    for model in models:
        loaded = loaded_model(model, data, device)
        text = evaluation_text(loaded, data) if set(names) - {"speed"} else None
        for name in names:
            say = labelled(working, f"{loaded.path}: {name}")
            if name == "speed":
                yield Study(loaded.path, name, measure_speed(loaded, working=say))
                continue
            assert text is not None
            if name == "positions":
                yield Study(loaded.path, name, _positions(loaded, text, say))
                continue
            dataset, why = training_data(loaded, data)
            if dataset and _changed(loaded, dataset):
                note(f"{dataset.folder} has changed since {loaded.path} was trained on it")
            if name == "yardsticks":
                found = _yardsticks(loaded, text, dataset, known, say)
                loss = (losses or {}).get(loaded.path) or _loss(loaded, text, say)
                yield Study(loaded.path, name, found, loss=loss)
            elif dataset is None:
                yield Study(loaded.path, name, None, why)
            else:
                index = open_index(dataset, note, say)
                result = measure_memorisation(
                    loaded, dataset, index, text.tokens, SAMPLING, SAMPLES, say, text.mask
                )
                yield Study(loaded.path, name, result)


def training_data(
    loaded: LoadedModel, data: str | Path | None = None
) -> tuple[Dataset | None, str | None]:
    """Return the dataset that a model was trained on, or None and why it is not known.

    Where that is gone, ``data`` takes its place, if it is a dataset with the model's tokenizer.
    """
    why = "the data that it was trained on is not known"
    for name in (loaded.about["data"].get("folder"), data):
        if name is None or not Path(str(name)).is_dir():
            continue
        try:
            dataset = open_dataset(Path(str(name)))
        except DataError as error:
            why = error.message
            continue
        if dataset.tokenizer.to_dict() == loaded.tokenizer.to_dict():
            return dataset, None
        why = f"{dataset.folder} has another tokenizer by now"
    return None, why


def _changed(loaded: LoadedModel, dataset: Dataset) -> bool:
    """Whether the folder that a model was trained on holds other data by now."""
    about = loaded.about["data"]
    same_folder = str(dataset.folder) == str(about.get("folder"))
    return same_folder and about.get("fingerprint") not in (None, dataset.fingerprint)


def _yardsticks(
    loaded: LoadedModel,
    text: EvaluationText,
    dataset: Dataset | None,
    known: dict[object, Yardsticks],
    say: Working,
) -> Yardsticks:
    """Measure the yardsticks, once for all models that are evaluated alike."""
    material = Material(
        None if dataset is None else dataset.train,
        text.tokens,
        loaded.tokenizer,
        loaded.tokenizer.vocab_size,
        loaded.config.block_size,
    )
    folder = None if dataset is None else dataset.folder
    key = (text.source, repr(loaded.tokenizer.to_dict()), material.window, folder)
    if key not in known:
        found = measure_yardsticks(material, say)
        known[key] = Yardsticks(
            text.source, loaded.tokenizer.name, folder, found, text.mask is not None
        )
    return known[key]


def _loss(loaded: LoadedModel, text: EvaluationText, say: Working) -> Loss:
    """Return the loss over all tokens, as yardsticks count them, whatever training counted."""
    advance = counting(say, "measuring the model", len(text.tokens))
    return ModelScorer(loaded, advance).nats(text.tokens)


def _positions(loaded: LoadedModel, text: EvaluationText, say: Working) -> PositionLosses:
    results = []
    for T in contexts(loaded.model, text.tokens):
        advance = counting(say, f"windows of {T:,} tokens", len(text.tokens))
        results.append(measure_context(loaded.model, text.tokens, T, advance, text.mask))
    return PositionLosses(results)
