"""Checkpoints: what is in one, how it is written whole, and how it is read safely.

A checkpoint is a dictionary of tensors and plain types in a torch zip file, whose entries carry
CRC-32 checksums. ``read`` checks them and gives any torch file's dictionary, without running code
that may be in it; bringing old ones up to date is the business of ``migrate``.
"""

import warnings
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from types import NoneType
from typing import IO, Any, cast

import torch
from torch import Tensor

from nanogpt_cli.config import ModelConfig
from nanogpt_cli.errors import CheckpointError, MachineError, NanoGPTError, is_out_of_memory
from nanogpt_cli.files import atomic_write, machine_errors

FORMAT, VERSION = "nanogpt", 2

_NOT_OURS = "name a checkpoint of nanogpt, nanoGPT or the like"
_DAMAGED = "take another checkpoint, or the copy that you made of it"


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

    def save(self, path: Path, given_up: Callable[[], bool] = lambda: False) -> None:
        """Write the checkpoint whole or not at all, the latter where it is ``given_up`` meanwhile.

        Raises MachineError.
        """
        content = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "config"}
        content |= {"format": FORMAT, "version": VERSION, "model_config": asdict(self.config)}
        try:
            with atomic_write(path) as file:
                torch.save(content, cast(IO[bytes], _Target(file, given_up)))
        except RuntimeError as error:  # torch's own writer hides what the disk said
            if isinstance(error.__context__, OSError):
                with machine_errors(path):
                    raise error.__context__ from error
            if is_out_of_memory(error):
                raise
            raise MachineError(f"cannot write {path}: {error}", "free some space") from error


@dataclass
class _Target:
    """A file that refuses to be written further once the save is given up."""

    file: IO[bytes]
    given_up: Callable[[], bool]

    def write(self, data: bytes) -> int:
        if self.given_up():
            raise InterruptedError("given up")
        return self.file.write(data)

    def flush(self) -> None:
        self.file.flush()


_KINDS: dict[str, tuple[type, ...]] = {
    "model": (dict,),
    "tokenizer": (dict, NoneType),
    "chat_format": (dict, NoneType),
    "data": (dict,),
    "train_config": (dict,),
    "step": (int,),
    "val_loss": (float, int, NoneType),
    "training": (dict, NoneType),
}


def from_content(content: dict[str, Any], path: Path) -> Checkpoint:
    """Give the checkpoint that an up-to-date dictionary describes. Raises CheckpointError."""
    parts = {name: content[name] for name in _KINDS if name in content}
    wrong = [name for name, value in parts.items() if not isinstance(value, _KINDS[name])]
    if wrong:
        raise CheckpointError(f"{path} is damaged: {', '.join(wrong)}", _DAMAGED)
    return Checkpoint(config=_model_config(content.get("model_config"), path), **parts)


def _model_config(settings: object, path: Path) -> ModelConfig:
    """Check the description of a model. Raises CheckpointError."""
    if not isinstance(settings, dict):
        raise CheckpointError(f"{path} lacks the model's configuration", _NOT_OURS)
    defaults = asdict(ModelConfig())
    if unknown := [str(name) for name in settings if name not in defaults]:
        raise CheckpointError(
            f"{path} has settings that this version does not know: {', '.join(unknown)}",
            "update nanogpt",
        )
    for name, value in settings.items():
        if not isinstance(value, float | int if name == "dropout" else type(defaults[name])):
            raise CheckpointError(f"{path} is damaged: its {name} is {value!r}", _DAMAGED)
    try:
        return ModelConfig(**settings)
    except NanoGPTError as error:
        raise CheckpointError(f"{path}: {error.message}", error.hint) from error


def read(path: Path) -> dict[str, Any]:
    """Give the dictionary in a torch file of any origin, on the CPU, without running its code.

    Raises CheckpointError for what is no checkpoint, is damaged, or would run code.
    """
    try:
        with path.open("rb") as file:
            if not file.read(64).strip(b"\0"):
                raise CheckpointError(f"{path} is empty", _DAMAGED)
            _check_sums(file, path)
            content = _load(file, path)
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}", "check the path") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} holds no model", _NOT_OURS)
    return content


def _check_sums(file: IO[bytes], path: Path) -> None:
    """Check the CRC-32 of every entry; torch itself would load flipped bits silently."""
    file.seek(0)
    if file.read(2) != b"PK":
        return  # torch's format before 1.6 has no checksums
    try:
        with zipfile.ZipFile(file) as archive:
            bad = archive.testzip()
    except Exception as error:  # zipfile raises many types here, for any kind of damage
        raise CheckpointError(f"{path} is cut off or damaged", _DAMAGED) from error
    if bad is not None:
        raise CheckpointError(f"{path} is damaged: the checksum of {bad} is wrong", _DAMAGED)


def _load(file: IO[bytes], path: Path) -> object:
    """Let torch read the file, tensors and plain types only."""
    file.seek(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's thoughts on how the file was pickled
            return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many types here, for any kind of damage
        if "GLOBAL" in str(error):  # the pickle's word for what it wants to import
            raise CheckpointError(
                f"{path} holds more than tensors and plain data, and could run code",
                "have it saved as a plain state dictionary by whoever made it",
            ) from error
        raise CheckpointError(f"{path} is damaged or no checkpoint", _DAMAGED) from error
