"""Settings laid over each other: defaults, preset, configuration file, command line.

Later layers win. What a preset says for its own model and batch is adapted to those asked for.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from types import NoneType
from typing import Any, get_args, get_type_hints

from nanogpt_cli.config import ModelConfig, TrainConfig
from nanogpt_cli.errors import UsageError
from nanogpt_cli.setting import MOST, check_setting, flag, parse_duration
from nanogpt_cli.text import shortened
from nanogpt_cli.training.optim import fitted_learning_rate

FINE_TUNING_RATE = 0.1
"""The learning rate of fine-tuning, as a part of that from scratch."""
FINE_TUNING_WARMUP = 100
"""Steps of warm-up when fine-tuning, but at most a tenth of the run."""
FINE_TUNING_EPOCHS, FINE_TUNING_LEAST = 6, 20
"""How often fine-tuning reads the text where no length was asked for, and its fewest steps."""


@dataclass(frozen=True)
class Base:
    """What is used where nothing was asked for."""

    values: Mapping[str, Any]
    """A preset, or what the dial chose over it."""
    fine_tuning: str | None = None
    """The optimizer to fine-tune with, where trained parameters are the start."""
    train_tokens: int = 0
    """How much text there is to fine-tune on."""


def merge(kind: type, *layers: Mapping[str, Any]) -> Any:
    """Make a ``kind`` of the layers, later ones over earlier ones; other fields are left out.

    Raises UsageError for values that cannot be.
    """
    names = {f.name for f in fields(kind)}
    if "max_iters" in layers[-1] and "time" not in layers[-1]:
        layers = (*layers, {"time": 0.0})  # steps that were asked for replace an earlier budget
    if "eval_tokens" in layers[-1]:
        layers = (*layers, {"eval_iters": None})
    return kind(**checked({k: v for layer in layers for k, v in layer.items() if k in names}))


def checked(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Take 1 for 1.0 and 1.0 for 1, as files write them, and check each value by itself.

    Nothing is computed from a setting before this. Raises UsageError for another type, and for what
    its field does not allow.
    """
    values = {name: _typed(name, value) for name, value in settings.items()}
    for name, value in values.items():
        check_setting(_CONFIGS[name], name, value)
    return values


def train_config(base: Base, asked: Mapping[str, Any], model_config: ModelConfig) -> TrainConfig:
    """Return the training settings for a model. Raises UsageError for values that cannot be."""
    config: TrainConfig = merge(TrainConfig, _adapted(base, asked, model_config), asked)
    return with_eval_tokens(config, model_config.block_size)


def with_eval_tokens(config: TrainConfig, block_size: int) -> TrainConfig:
    """Decide the text of an evaluation, before anything changes the batch size."""
    if config.eval_iters is None:
        return config
    tokens = config.eval_iters * config.batch_size * block_size
    return replace(config, eval_tokens=min(tokens, MOST), eval_iters=None)


def _adapted(base: Base, asked: Mapping[str, Any], model_config: ModelConfig) -> dict[str, Any]:
    """Adapt what depends on a preset's model, batch and length to those that were asked for."""
    values = {f.name: base.values.get(f.name, f.default) for f in fields(TrainConfig)}
    if "max_iters" in asked:
        values["warmup_iters"] = min(values["warmup_iters"], asked["max_iters"] // 10)
        values["lr_decay_iters"] = 0
    both = {**values, **asked}
    if base.fine_tuning:
        both["optimizer"] = asked.get("optimizer", base.fine_tuning)
    tokens = model_config.block_size * both["batch_size"] * both["gradient_accumulation_steps"]
    fitted = fitted_learning_rate(both["optimizer"], model_config.n_embd, tokens)
    if base.fine_tuning:
        values["optimizer"] = base.fine_tuning
        values["learning_rate"], values["min_lr"] = FINE_TUNING_RATE * fitted, 0.0
        if "max_iters" not in asked:
            steps = math.ceil(FINE_TUNING_EPOCHS * base.train_tokens / tokens)
            values["max_iters"] = min(values["max_iters"], max(FINE_TUNING_LEAST, steps))
            both["max_iters"] = values["max_iters"]
        values["warmup_iters"] = min(FINE_TUNING_WARMUP, both["max_iters"] // 10)
        values["lr_decay_iters"] = 0
    elif "learning_rate" in asked:
        values["min_lr"] *= asked["learning_rate"] / values["learning_rate"]
    elif "learning_rate" not in base.values or both["optimizer"] != values["optimizer"]:
        values["min_lr"] *= fitted / values["learning_rate"]
        values["learning_rate"] = fitted
    return values


def _typed(name: str, value: Any) -> Any:
    wanted, default = _TYPES[name], _DEFAULTS[name]
    if name == "log_to" and isinstance(value, list | tuple):
        value = ",".join(map(str, value))
    if type(value) is wanted or value is default:
        return value
    if name == "time" and isinstance(value, str):
        return parse_duration(value)
    if name == "save_every" and type(value) in (int, float):
        return shortened(value)  # which the configuration reads
    if isinstance(value, int | float) and not isinstance(value, bool):
        if wanted is float:
            return float(value) if abs(value) < 2**63 else math.inf
        if wanted is int and math.isfinite(value) and value == int(value):
            return int(value)
    example = {bool: "true", int: 8}.get(wanted) if default is None else default
    shown = shortened(repr(value) if isinstance(value, str) else value)
    raise UsageError(f"{flag(name)} cannot be {shown}", f"it is {wanted.__name__}: {example}")


_CONFIGS = {f.name: config for config in (ModelConfig, TrainConfig) for f in fields(config)}
_DEFAULTS = {f.name: f.default for config in (ModelConfig, TrainConfig) for f in fields(config)}
_TYPES: dict[str, Any] = {
    name: next(part for part in get_args(kind) if part is not NoneType)
    if NoneType in get_args(kind)
    else type(_DEFAULTS[name])
    for config in (ModelConfig, TrainConfig)
    for name, kind in get_type_hints(config).items()
}
"""The type of each setting; of one that may be None, the other type."""
