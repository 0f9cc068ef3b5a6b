"""The data that a model knew before it was fine-tuned: the loss there says what it forgets."""

from dataclasses import replace
from pathlib import Path

from nanogpt_cli.checkpoint.schema import Checkpoint
from nanogpt_cli.config import TrainConfig
from nanogpt_cli.data.store import Dataset, open_dataset
from nanogpt_cli.errors import DataError
from nanogpt_cli.runs import find_dataset

AUTO, NONE = "auto", "none"
"""What ``--also-eval`` may be beside the name of a dataset."""


def other_dataset(
    config: TrainConfig, start: Checkpoint, data: Dataset, notes: list[str] | None = None
) -> tuple[Dataset | None, TrainConfig]:
    """Return the dataset that ``--also-eval`` names, and the settings with its folder in them.

    ``auto`` is what ``start`` was trained on, if it is another one, unchanged and still there. A
    run that is resumed has ``notes``: it goes on without a dataset that is gone. Raises DataError
    where the one that was asked for cannot be used.
    """
    asked = config.also_eval
    if asked == NONE:
        return None, config
    if asked == AUTO:
        found = _lineage(start, data)
    else:
        try:
            found = _usable(find_dataset(asked), data)
        except DataError as error:
            if notes is None:
                raise
            notes.append(f"the loss on {asked} is no longer measured: {error.message}")
            found = None
    return found, replace(config, also_eval=str(found.folder) if found else NONE)


def _lineage(start: Checkpoint, data: Dataset) -> Dataset | None:
    """Return what a checkpoint was trained on; None where that is not to be had."""
    folder = start.data.get("folder")
    if not isinstance(folder, str) or start.data.get("fingerprint") == data.fingerprint:
        return None
    try:
        found = _usable(Path(folder), data)
    except DataError:
        return None
    return found if found.fingerprint == start.data.get("fingerprint") else None


def _usable(folder: Path, data: Dataset) -> Dataset:
    """Open a dataset whose ids mean the same as those of ``data``. Raises DataError."""
    found = open_dataset(folder)
    ours, theirs = data.tokenizer.to_dict(), found.tokenizer.to_dict()
    tags, others = (tokenizer["special_tokens"].items() for tokenizer in (ours, theirs))
    alike = ours | {"special_tokens": None} == theirs | {"special_tokens": None}
    if not alike or not (tags <= others or others <= tags):
        raise DataError(
            f"{found.folder} was prepared with another tokenizer than {data.folder}",
            f"prepare one of them with the other's: nanogpt prepare --tokenizer {found.folder}",
        )
    return found
