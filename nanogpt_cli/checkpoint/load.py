"""From a checkpoint of any origin to a model that can be used.

A file or folder is read by the format that recognises it, brought up to date by the migrations,
checked, and given a tokenizer. This module writes nothing.
"""

import math
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nanogpt_cli.checkpoint.formats.base import find_format
from nanogpt_cli.checkpoint.migrations import Changes, apply_migrations
from nanogpt_cli.checkpoint.schema import Checkpoint, Content, check_readable, from_content
from nanogpt_cli.checkpoint.weights import build_model, check_weights
from nanogpt_cli.config import ModelConfig
from nanogpt_cli.data.store import nanogpt_tokenizer, open_dataset
from nanogpt_cli.device import find_device
from nanogpt_cli.dialogue import ChatFormat
from nanogpt_cli.errors import CheckpointError, DataError
from nanogpt_cli.model.gpt import GPT
from nanogpt_cli.runs import dataset_file
from nanogpt_cli.tokenizer.load import Tokenizer, default_gpt2, from_dict


@dataclass(frozen=True)
class LoadedModel:
    """A model in evaluation mode, with the tokenizer and the tags it was trained with."""

    path: Path
    config: ModelConfig
    model: GPT
    tokenizer: Tokenizer
    chat_format: ChatFormat | None
    """None where the model continues text instead of answering."""
    about: dict[str, Any]
    """What else the checkpoint says: ``step``, ``val_loss``, ``data``, ``train_config``."""


def load(path: Path, device: str = "auto", data_dir: Path | None = None) -> LoadedModel:
    """Load a checkpoint of any origin: ours, nanoGPT's, or a Hugging Face folder.

    ``data_dir`` is the data it was trained on, for its tokenizer. Raises CheckpointError where it
    cannot be used, UsageError where the machine has no such device.
    """
    return from_checkpoint(load_checkpoint(path, data_dir), path, device)


def from_checkpoint(checkpoint: Checkpoint, path: Path, device: str = "auto") -> LoadedModel:
    """Build the model of a checkpoint that was read from ``path``.

    The model takes over the checkpoint's tensors. Raises as ``load`` does.
    """
    if checkpoint.tokenizer is None:
        raise CheckpointError(
            f"{path} carries no tokenizer, and its vocabulary of {checkpoint.config.vocab_size} "
            "is not that of GPT-2",
            "name the folder of the data that it was trained on: --data-dir DIR",
        )
    chat = _chat_format(checkpoint, path)
    model = build_model(checkpoint, find_device(device))
    about = {
        name: getattr(checkpoint, name) for name in ("step", "val_loss", "data", "train_config")
    }
    tokenizer = from_dict(checkpoint.tokenizer)
    return LoadedModel(path, checkpoint.config, model, tokenizer, chat, about)


def _chat_format(checkpoint: Checkpoint, path: Path) -> ChatFormat | None:
    if not checkpoint.chat_format:
        return None
    try:
        return ChatFormat.from_dict(checkpoint.chat_format)
    except DataError as error:
        raise CheckpointError(f"{path}: {error.message}", error.hint) from error


def load_checkpoint(path: Path, data_dir: Path | None = None) -> Checkpoint:
    """Load a checkpoint of any origin with its tokenizer, up to date and checked.

    Raises CheckpointError where it cannot be used.
    """
    checkpoint, _ = upgrade(read_content(path), path)
    return attach_tokenizer(checkpoint, path, data_dir)


def read_content(path: Path) -> Content:
    """Return what a file or folder holds, as the first format that recognises it reads it.

    Raises CheckpointError where there is no such file, none recognises it, or it is corrupt.
    """
    found = find_format(path)
    if found.read is None:
        raise CheckpointError(f"{path} cannot be read as a model", found.why_not)
    return found.read(path)


def upgrade(content: Content, path: Path) -> tuple[Checkpoint, Changes]:
    """Bring the content of a checkpoint up to date and check it; ``path`` is for messages.

    Raises CheckpointError for a newer format, and where tensors are missing, unknown or misshapen.
    """
    check_readable(content, path)
    content, changes = apply_migrations(content, path)
    checkpoint = from_content(content, path)
    check_weights(checkpoint, path)
    return checkpoint, changes


def attach_tokenizer(
    checkpoint: Checkpoint, path: Path, data_dir: Path | None = None
) -> Checkpoint:
    """Return a checkpoint with a tokenizer, and check that it fits the vocabulary.

    It is the checkpoint's own, else ``data_dir``'s, else that of the folder it was trained on where
    that is still there, else gpt2 if the vocabulary is as large, else none. Raises CheckpointError
    where it does not fit.
    """
    vocab_size = checkpoint.config.vocab_size
    folder = checkpoint.data.get("folder")
    if checkpoint.tokenizer is not None:
        tokenizer = _own_tokenizer(checkpoint.tokenizer, path)
        if data_dir is not None and _dataset_tokenizer(data_dir).to_dict() != tokenizer.to_dict():
            raise CheckpointError(
                f"{path} carries its own tokenizer, which is not that of {data_dir}",
                "leave --data-dir out",
            )
    elif data_dir is not None:
        tokenizer = _dataset_tokenizer(data_dir)
    elif isinstance(folder, str) and os.path.isfile(Path(folder) / "meta.pkl"):
        tokenizer = nanogpt_tokenizer(Path(folder))
    elif vocab_size >= 50257:
        tokenizer = default_gpt2()
    else:
        return checkpoint
    return _with_tokenizer(checkpoint, tokenizer, path)


def _with_tokenizer(checkpoint: Checkpoint, tokenizer: Tokenizer, path: Path) -> Checkpoint:
    """Return a checkpoint that carries ``tokenizer``. Raises CheckpointError where it does not fit.

    A vocabulary may be padded for speed. Character tokenizers of different texts can only be told
    apart by their number of characters, so these must fit exactly.
    """
    vocab_size = checkpoint.config.vocab_size
    padded = math.ceil(tokenizer.vocab_size / 64) * 64
    if tokenizer.vocab_size > vocab_size or (
        tokenizer.name == "char" and vocab_size not in (tokenizer.vocab_size, padded)
    ):
        raise CheckpointError(
            f"{path}: the tokenizer {tokenizer.name} has {tokenizer.vocab_size} tokens, "
            f"the model {vocab_size}",
            "name the folder of the data that it was trained on: --data-dir DIR",
        )
    return replace(checkpoint, tokenizer=tokenizer.to_dict())


def _own_tokenizer(content: dict[str, Any], path: Path) -> Tokenizer:
    try:
        return from_dict(content)
    except DataError as error:
        raise CheckpointError(f"{path}: {error.message}", error.hint) from error


def _dataset_tokenizer(folder: Path) -> Tokenizer:
    if dataset_file(folder, "meta.json").exists():
        return open_dataset(folder).tokenizer
    return nanogpt_tokenizer(folder)
