"""Which text a model is evaluated on, as the tokens that it was trained with."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nanogpt_cli.checkpoint.load import LoadedModel
from nanogpt_cli.data.encode import encode_file
from nanogpt_cli.data.mask import LossMask
from nanogpt_cli.data.store import Dataset, Tokens, open_dataset
from nanogpt_cli.errors import DataError
from nanogpt_cli.evaluation.retokenize import retokenize
from nanogpt_cli.runs import find_dataset

_REPLIES = "the loss is that of the replies, as in training"


@dataclass(frozen=True)
class EvaluationText:
    """What to evaluate on."""

    source: Path
    """The dataset's folder, or the text file."""
    tokens: Tokens
    fingerprint: str
    """By which it is recognised: the same text as the same tokens, of which the same count."""
    dataset: Dataset | None = None
    """None for a file."""
    mask: LossMask | None = None
    """Which tokens the loss counts; None where it counts all."""
    notes: tuple[str, ...] = ()
    """What had to be assumed or left out, for the user to read."""

    @property
    def loss_on(self) -> str:
        """What the loss counts: ``replies`` or ``all``."""
        return "all" if self.mask is None else "replies"


def evaluation_text(loaded: LoadedModel, data: str | Path | None = None) -> EvaluationText:
    """Return the validation split of a dataset, or a whole text file.

    ``data`` is a file, or a dataset by folder or name; by default what the model was trained on.
    A dataset with another tokenizer is decoded and encoded anew. Raises DataError where there is no
    such data, it cannot be used, or it has too little text.
    """
    if data is not None and Path(data).is_file():
        text = _file_text(loaded, Path(data))
    else:
        text = _dataset_text(loaded, data)
    if len(text.tokens) < 2:
        raise DataError(f"{text.source} has too little text to evaluate", "name more text: --data")
    return text


def _file_text(loaded: LoadedModel, file: Path) -> EvaluationText:
    counted = bytearray()
    ids, unknown = encode_file(str(file), loaded.tokenizer, loaded.chat_format, counted)
    tokens = np.array(ids, dtype=np.uint32)
    content = hashlib.sha256(tokens.tobytes())
    notes = []
    if unknown:
        notes.append(f"{file}: characters unknown to the model are left out: {unknown[:8]}")
    mask = None
    if loaded.about["data"].get("loss_on") == "replies" and 1 in counted and 0 in counted:
        mask = LossMask.of(np.frombuffer(counted, np.bool_))
        content.update(counted)
        notes.append(f"{file}: {_REPLIES}")
    return EvaluationText(file, tokens, content.hexdigest(), None, mask, tuple(notes))


def _other_tokens(loaded: LoadedModel, dataset: Dataset) -> EvaluationText:
    """Return the text of a dataset in the tokens of a model that has others."""
    found = retokenize(dataset, loaded.tokenizer)
    content = hashlib.sha256(found.ids.tobytes())
    notes = [
        *dataset.notes,
        f"{dataset.folder} has another tokenizer ({dataset.tokenizer.name}) than {loaded.path} "
        f"({loaded.tokenizer.name}): its text is encoded anew; bits per byte can be compared",
    ]
    if found.unknown:
        notes.append(
            f"{dataset.folder}: characters unknown to the model are left out: "
            f"{[*found.unknown[:8]]}"
        )
    if found.left_out:
        names = ", ".join(found.left_out)
        notes.append(f"{dataset.folder}: the model has no token for {names}, which is left out")
    mask = None
    if found.counted is not None:
        mask = LossMask.of(found.counted)
        content.update(found.counted.tobytes())
        notes.append(f"{dataset.folder}: {_REPLIES}")
    return EvaluationText(
        dataset.folder, found.ids, content.hexdigest(), dataset, mask, tuple(notes)
    )


def _dataset_text(loaded: LoadedModel, data: str | Path | None) -> EvaluationText:
    name = data or loaded.about["data"].get("folder")
    dataset = open_dataset(find_dataset(None if name is None else str(name)))
    if dataset.tokenizer.to_dict() != loaded.tokenizer.to_dict():
        return _other_tokens(loaded, dataset)
    notes = (*dataset.notes, *((f"{dataset.folder}: {_REPLIES}",) if dataset.val_mask else ()))
    return EvaluationText(
        dataset.folder, dataset.val, dataset.fingerprint, dataset, dataset.val_mask, notes
    )
