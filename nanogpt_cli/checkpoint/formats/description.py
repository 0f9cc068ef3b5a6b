"""What a checkpoint says besides its tensors, as JSON inside of other formats' files.

Whatever is read from it is untrusted: ``schema`` checks each entry.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nanogpt_cli.checkpoint.schema import FORMAT, VERSION, Checkpoint, Content
from nanogpt_cli.errors import CheckpointError
from nanogpt_cli.logs.events import finite

KEYS = ("tokenizer", "chat_format", "data", "train_config", "step", "val_loss")
LARGEST = 64 << 20
"""Bytes; the tokens of the largest vocabularies take a tenth of it."""


def describe(checkpoint: Checkpoint) -> str:
    """Return everything of a checkpoint but tensors and the state of training, as JSON."""
    about: dict[str, Any] = {
        "format": FORMAT, "version": VERSION, "model_config": asdict(checkpoint.config)
    }  # fmt: skip
    about |= {key: getattr(checkpoint, key) for key in KEYS}
    return json.dumps(finite(about), allow_nan=False)


def read_description(text: str | bytes, path: Path) -> Content:
    """Return what ``describe`` wrote. Raises CheckpointError for what is not such a description."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _corrupt(path) from error
    if not isinstance(found, dict) or not isinstance(found.get("model_config"), dict):
        raise _corrupt(path)
    return {key: found[key] for key in ("format", "version", "model_config", *KEYS) if key in found}


def _corrupt(path: Path) -> CheckpointError:
    return CheckpointError(
        f"{path} is corrupt: its description is not one of nanogpt", "export the model again"
    )
