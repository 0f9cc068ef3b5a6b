"""What a checkpoint holds, and the checks of everything that was read from one.

All that the program takes from a checkpoint is described here: the types of its entries, the sizes
a configuration may claim, the versions of the format, the names of the tables. A new check is one
more line of ``FIELDS`` or ``TRAINING_FIELDS``. This module does not know how a file is read, what
earlier formats looked like, or which weights a configuration asks for.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from types import NoneType
from typing import Any

from torch import Tensor

from nanogpt_cli.checkpoint import torchfile
from nanogpt_cli.checkpoint.torchfile import CORRUPT_HINT
from nanogpt_cli.config import ModelConfig
from nanogpt_cli.errors import CheckpointError, NanoGPTError, UnreadableError
from nanogpt_cli.logs.metrics import LONGEST_RUN

FORMAT, VERSION = "nanogpt", 2

WTE = "transformer.wte.weight"
"""The token embeddings (V, C)."""
HEAD = "lm_head.weight"
"""The output layer (V, C), the same tensor as ``WTE`` in GPT-2."""
WPE = "transformer.wpe.weight"
"""The learned table of absolute positions (block_size, C)."""
RELATIVE = "transformer.relative.relative_embeddings.weight"
"""The learned bias of each distance and head (block_size, H)."""

LARGEST = 2**31
"""No model is as large as this in any direction."""
LONGEST_NAME = 200
"""Characters in the name of a tensor; the table of changes is as wide as the longest."""
LONGEST_TEXT = 4096
"""Characters of a setting or a path, as long as systems allow."""
MOST = 2**53
"""No run counts that far; floats hold every integer up to there."""

Content = dict[str, Any]
"""A checkpoint as a dictionary of tensors and plain types, as it is in a file."""


@dataclass(frozen=True)
class Checkpoint:
    """A model with everything needed to use it; in ``last.pt`` also what resuming needs."""

    config: ModelConfig
    model: dict[str, Tensor]
    """The state dict, under nanoGPT's names."""
    tokenizer: dict[str, Any] | None = None
    """The output of ``Tokenizer.to_dict``."""
    chat_format: dict[str, str] | None = None
    """The tags of a dialogue model; None where the model continues text."""
    data: dict[str, Any] = field(default_factory=dict)
    """The dataset's ``folder`` and ``fingerprint``, and what the loss counts: ``loss_on``; and
    ``order``, the version of the order in which a run goes over it."""
    train_config: dict[str, Any] = field(default_factory=dict)
    step: int = 0
    val_loss: float | None = None
    training: dict[str, Any] | None = None
    """The state of training, see ``TRAINING_FIELDS``; in ``last.pt`` and the states beside it."""

    def to_content(self) -> Content:
        """Return the dictionary that is written to a file."""
        content = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "config"}
        stamp = {"format": FORMAT, "version": VERSION, "model_config": asdict(self.config)}
        return content | stamp

    def save(self, path: Path, cancelled: Callable[[], bool] = lambda: False) -> None:
        """Write the checkpoint whole or not at all, the latter where it is ``cancelled`` meanwhile.

        Raises MachineError where the disk is full or fails.
        """
        torchfile.write(path, self.to_content(), cancelled)


@dataclass(frozen=True)
class Field:
    """What an entry of a checkpoint may be."""

    types: tuple[type, ...]
    valid: Callable[[Any], bool] = lambda value: True
    """Called with a value of one of the ``types``."""

    def accepts(self, value: object) -> bool:
        """Whether a value may be used; True and False are not numbers."""
        return isinstance(value, self.types) and not isinstance(value, bool) and self.valid(value)


def _number(least: float, most: float = MOST, *types: type) -> Field:
    """Return what a number from ``least`` to ``most`` may be, an integer unless others are named.

    That leaves out nan, and what overflows when it is computed with or shown.
    """
    return Field(types or (int,), lambda value: least <= value <= most)


def is_scalar(value: object) -> bool:
    """Whether a value is text, a number or None, which can be printed whatever it is."""
    return isinstance(value, str | int | float | NoneType)


def _is_flat(value: dict[Any, Any]) -> bool:
    """Whether a dictionary holds nothing nested and nothing long, so that it can be shown."""
    return all(
        is_scalar(inner)
        and not (isinstance(inner, str) and len(inner) > LONGEST_TEXT)
        and not (isinstance(inner, int) and abs(inner) > 2**64)
        for inner in value.values()
    )


def _describes_data(value: dict[Any, Any]) -> bool:
    return _is_flat(value) and isinstance(value.get("folder"), str | NoneType)


def _describes_machine(value: dict[Any, Any]) -> bool:
    return _is_flat(value) and all(len(str(inner)) <= LONGEST_NAME for inner in value.values())


_SCALER: Mapping[str, Field] = {
    "scale": _number(1e-300, 1e300, float, int),
    "growth_factor": _number(1, 1e6, float, int),
    "backoff_factor": _number(1e-6, 1, float, int),
    "growth_interval": _number(1, 2**31 - 1),
    "_growth_tracker": _number(0, 2**31 - 1),
}
"""All entries of torch's GradScaler."""

_RECENT_STEP = (_number(0), _number(-1e100, 1e100, float, int), Field((float, int)))
"""A step, its loss and the norm of its gradients, which may have been infinite."""


def _is_scaler(value: dict[Any, Any] | None) -> bool:
    return not value or (value.keys() == _SCALER.keys() and not _unusable(value, _SCALER))


def _is_watch(value: dict[Any, Any]) -> bool:
    """Whether these are the last steps of a run, as ``training.watch`` remembers them."""
    recent = value.get("recent")
    return (
        isinstance(recent, list)
        and len(recent) <= LONGEST_TEXT
        and all(
            isinstance(step, list | tuple)
            and len(step) == len(_RECENT_STEP)
            and all(part.accepts(inner) for part, inner in zip(_RECENT_STEP, step, strict=True))
            for step in recent
        )
        and _number(0).accepts(value.get("skipped"))
    )


TRAINING_FIELDS: Mapping[str, Field] = {
    "optimizers": Field((list,)),  # their entries: see Optimizers.load_state_dict
    "scaler": Field((dict, NoneType), _is_scaler),
    "watch": Field((dict,), _is_watch),
    "machine": Field((dict,), _describes_machine),
    "tokens": _number(0, 2**63),
    "seconds": _number(0, LONGEST_RUN, float, int),
    "best_val_loss": _number(-1e300, math.inf, float, int),
    "evals_since_best": _number(0),
    "evaluated_at": _number(-1),
    "evaluations": _number(0),
}
"""The entries of ``training``, from which a run is resumed; each may be absent, and others
are not looked at."""

FIELDS: Mapping[str, Field] = {
    "model": Field((dict,)),
    "tokenizer": Field((dict, NoneType)),
    "chat_format": Field((dict, NoneType)),
    "data": Field((dict,), _describes_data),
    "train_config": Field((dict,), _is_flat),
    "step": _number(0),
    "val_loss": Field((float, int, NoneType)),
    "training": Field((dict, NoneType)),
}
"""The entries of a checkpoint beside its configuration; each may be absent but the model."""


def check_readable(content: Content, path: Path) -> None:
    """Check what every version of every origin must have: a model whose tensors have names.

    Raises CheckpointError, also for a version that is newer than this program.
    """
    version = content.get("version")
    newer = isinstance(version, int) and version > VERSION
    if content.get("format") == FORMAT and newer:
        raise UnreadableError(f"{path} was made by a newer nanogpt", "update nanogpt")
    model = content.get("model")
    if not isinstance(model, dict):
        raise CheckpointError(
            f"{path} holds no model with its settings",
            "use the whole checkpoint that training wrote, not its weights alone",
        )
    if not all(isinstance(name, str) and len(name) <= LONGEST_NAME for name in model):
        raise CheckpointError(f"{path} has tensors without a valid name", CORRUPT_HINT)


def from_content(content: Content, path: Path) -> Checkpoint:
    """Return the checkpoint that an up-to-date dictionary describes.

    ``path`` is for messages. Raises CheckpointError naming the entries that cannot be used.
    """
    parts = {name: content[name] for name in FIELDS if name in content}
    wrong = _unusable(parts, FIELDS)
    if isinstance(parts.get("training"), dict):
        wrong += [f"training.{name}" for name in _unusable(parts["training"], TRAINING_FIELDS)]
    if wrong:
        raise CheckpointError(f"{path} is corrupt: {', '.join(wrong)}", CORRUPT_HINT)
    return Checkpoint(config=_model_config(content.get("model_config"), path), **parts)


def _unusable(content: Mapping[str, Any], known: Mapping[str, Field]) -> list[str]:
    """Return the names of the entries whose values are not acceptable."""
    present = known.keys() & content.keys()
    return [name for name in known if name in present and not known[name].accepts(content[name])]


def _model_config(settings: object, path: Path) -> ModelConfig:
    """Check the description of a model. Raises CheckpointError."""
    if not isinstance(settings, dict):
        raise CheckpointError(
            f"{path} lacks the model's configuration",
            "name a checkpoint of nanogpt, nanoGPT or the like",
        )
    defaults = asdict(ModelConfig())
    if unknown := [str(name) for name in settings if name not in defaults]:
        raise UnreadableError(
            f"{path} has settings that this version does not know: {', '.join(unknown)}"[:500],
            "update nanogpt",
        )
    for name, value in settings.items():
        # the exact type: torch does not take True for a size
        right = type(value) in ((float, int) if name == "dropout" else (type(defaults[name]),))
        if not right or (isinstance(value, int) and abs(value) > LARGEST):
            shown = repr(value)[:60] if is_scalar(value) else f"a {type(value).__name__}"
            raise CheckpointError(f"{path} is corrupt: its {name} is {shown}", CORRUPT_HINT)
    try:
        return ModelConfig(**settings)
    except NanoGPTError as error:
        raise CheckpointError(f"{path}: {error.message}", error.hint) from error
