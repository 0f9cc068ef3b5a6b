"""Checkpoints: what is in one, how it is written whole, and how it is read safely.

A checkpoint is a dictionary of tensors and plain types in a torch zip file, whose entries carry
CRC-32 checksums. ``read`` checks them and gives any torch file's dictionary, without running code
that may be in it; bringing old ones up to date is the business of ``migrate``.
"""

import io
import zipfile
import zlib
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nanogpt_cli.config import ModelConfig
from nanogpt_cli.errors import CheckpointError, MachineError, NanoGPTError
from nanogpt_cli.files import atomic_write

FORMAT, VERSION = "nanogpt", 1


@dataclass(frozen=True)
class Checkpoint:
    """A model with everything needed to use it; in ``last.pt`` also what is needed to go on."""

    config: ModelConfig
    model: dict[str, Tensor]
    tokenizer: dict[str, Any] | None = None
    """As ``Tokenizer.to_dict`` gave it."""
    chat_format: dict[str, str] | None = None
    """The tags of a dialogue model; None where the model continues text."""
    data: dict[str, Any] = field(default_factory=dict)
    """The dataset's ``folder`` and ``fingerprint``."""
    train_config: dict[str, Any] = field(default_factory=dict)
    step: int = 0
    val_loss: float | None = None
    training: dict[str, Any] | None = None
    """Optimizer, RNGs and counters, in ``last.pt`` only."""

    def save(self, path: Path) -> None:
        """Write the checkpoint whole or not at all. Raises MachineError."""
        content = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "config"}
        content |= {"format": FORMAT, "version": VERSION, "model_config": asdict(self.config)}
        try:
            with atomic_write(path) as file:
                torch.save(content, file)
        except RuntimeError as error:  # torch's own writer reports a full disk this way
            raise MachineError(f"cannot write {path}: {error}", "free some space") from error


def from_content(content: dict[str, Any], path: Path) -> Checkpoint:
    """Give the checkpoint that an up-to-date dictionary describes. Raises CheckpointError."""
    names = {f.name for f in fields(Checkpoint)} - {"config"}
    config_names = {f.name for f in fields(ModelConfig)}
    raw_config = content.get("model_config")
    if not isinstance(raw_config, dict) or not isinstance(content.get("model"), dict):
        raise CheckpointError(f"{path} lacks the model or its configuration", _NOT_OURS)
    if unknown := set(raw_config) - config_names:
        raise CheckpointError(
            f"{path} has settings that this version does not know: {', '.join(sorted(unknown))}",
            "update nanogpt",
        )
    try:
        config = ModelConfig(**raw_config)
    except NanoGPTError as error:
        raise CheckpointError(f"{path}: {error.message}", error.hint) from error
    except TypeError as error:
        raise CheckpointError(f"{path}: its configuration is damaged", _NOT_OURS) from error
    return Checkpoint(config=config, **{k: v for k, v in content.items() if k in names})


_NOT_OURS = "name a checkpoint of nanogpt, nanoGPT or the like"
_DAMAGED = "take another checkpoint, or the copy that you made of it"


def read(path: Path) -> dict[str, Any]:
    """Give the dictionary in a torch file of any origin, on the CPU, without running its code.

    Raises CheckpointError for what is no checkpoint, is damaged, or would run code.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}", "check the path") from error
    if not data.strip(b"\0"):
        raise CheckpointError(f"{path} is empty", _DAMAGED)
    _check_sums(data, path)
    try:
        content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many types here, for any kind of damage
        if "Unsupported global" in str(error) or "unsupported operand" in str(error).lower():
            raise CheckpointError(
                f"{path} holds more than tensors and plain data, and could run code",
                "have it saved as a plain state dictionary by whoever made it",
            ) from error
        raise CheckpointError(f"{path} is damaged or no checkpoint", _DAMAGED) from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} holds no model", _NOT_OURS)
    return content


def _check_sums(data: bytes, path: Path) -> None:
    """Check the CRC-32 of every entry; torch itself would load flipped bits silently."""
    if not data.startswith(b"PK"):
        return  # torch's format before 1.6 has no checksums
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            bad = archive.testzip()
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        OSError,
        ValueError,
        NotImplementedError,
    ) as e:
        raise CheckpointError(f"{path} is cut off or damaged", _DAMAGED) from e
    if bad is not None:
        raise CheckpointError(f"{path} is damaged: the checksum of {bad} is wrong", _DAMAGED)
