"""From a checkpoint of any origin to a model that can be used."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nanogpt_cli.checkpoint import migrations
from nanogpt_cli.config import ModelConfig
from nanogpt_cli.device import find_device
from nanogpt_cli.dialogue import ChatFormat
from nanogpt_cli.errors import CheckpointError, DataError
from nanogpt_cli.model.gpt import GPT
from nanogpt_cli.tokenizer.load import Tokenizer, from_dict


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
    """Load a checkpoint of any origin. Raises CheckpointError where it cannot be used."""
    checkpoint = migrations.load(path, data_dir)
    if checkpoint.tokenizer is None:
        raise CheckpointError(
            f"{path} carries no tokenizer, and its vocabulary of {checkpoint.config.vocab_size} "
            "is not GPT-2's",
            "name the folder of the data that it was trained on: --data-dir DIR",
        )
    try:
        chat = ChatFormat.from_dict(checkpoint.chat_format) if checkpoint.chat_format else None
    except DataError as error:
        raise CheckpointError(f"{path}: {error.message}", error.hint) from error
    model = migrations.make_model(checkpoint, find_device(device))
    about = {
        name: getattr(checkpoint, name) for name in ("step", "val_loss", "data", "train_config")
    }
    tokenizer = from_dict(checkpoint.tokenizer)
    return LoadedModel(path, checkpoint.config, model, tokenizer, chat, about)
