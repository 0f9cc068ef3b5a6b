"""From what was asked for to a run: dataset, starting weights, settings and folder.

Settings are laid over each other: defaults, preset, configuration file, command line.
"""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from nanogpt_cli import migrate
from nanogpt_cli.checkpoint import Checkpoint
from nanogpt_cli.config import (
    PRESETS,
    ModelConfig,
    TrainConfig,
    config_fields,
    flag,
    preset_for,
)
from nanogpt_cli.dataset import Dataset, open_dataset
from nanogpt_cli.device import find_device
from nanogpt_cli.errors import CheckpointError, DataError, UsageError
from nanogpt_cli.runs import BEST, LAST, RUNS, find_checkpoint, find_dataset
from nanogpt_cli.train import Run


@dataclass(frozen=True)
class Request:
    """What was asked for, as it was typed or read from a file."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    """Fields of ModelConfig and TrainConfig that were asked for, and only those."""
    data: str | None = None
    """The dataset's folder or name; None is the newest."""
    out_dir: Path | None = None
    init_from: str = "scratch"
    preset: str = "auto"
    force: bool = False


def make_run(request: Request) -> Run:
    """Put a run together. Raises the errors of all that cannot work, before anything is written."""
    return _resumed(request) if request.init_from == "resume" else _new(request)


def _new(request: Request) -> Run:
    preset, asked = request.preset, request.settings
    if preset != "auto" and preset not in PRESETS:
        raise UsageError(f"--preset {preset} is not known", f"choose one of: {', '.join(PRESETS)}")
    data = open_dataset(find_dataset(request.data))
    notes = list(data.notes)
    device = find_device(asked.get("device", TrainConfig.device))
    base = PRESETS[preset_for(device.type) if preset == "auto" else preset]
    start = _initial(request.init_from)
    if start is None:
        model_config = _settings(ModelConfig, base, asked, {"vocab_size": data.vocab_size})
    else:
        _refuse_differences(start, asked, data, free={"dropout", "block_size"})
        free = {k: v for k, v in asked.items() if k in ("dropout", "block_size")}
        model_config = _settings(ModelConfig, asdict(start.config), free)
    longest = min(len(data.train), len(data.val)) - 1
    if model_config.block_size > longest:
        _refuse_short(data, longest, asked)
        notes.append(f"the text is short: block_size {longest}, not {model_config.block_size}")
        model_config = replace(model_config, block_size=longest)
    config = _settings(TrainConfig, _adapted(base, asked), asked)
    folder = request.out_dir or _free_folder(f"{data.folder.name}-{model_config.pos_embd}")
    if not request.force:
        _refuse_existing(folder)
    start = start and _cropped(start, model_config)
    return Run(data, folder, model_config, config, start, notes=tuple(notes))


def _resumed(request: Request) -> Run:
    path = find_checkpoint(str(request.out_dir) if request.out_dir else None, last=True)
    start = migrate.load(path)
    data = open_dataset(find_dataset(request.data or start.data.get("folder")))
    _refuse_differences(start, request.settings, data, free={"dropout"})
    known = start.data.get("fingerprint")
    if known and known != data.fingerprint and not request.force:
        raise DataError(
            f"{data.folder} has changed since {path} was written",
            "name the old data with --data-dir, or go on with the new with --force",
        )
    dropout = {k: v for k, v in request.settings.items() if k == "dropout"}
    return Run(
        data,
        path.parent,
        replace(start.config, **dropout),
        _settings(TrainConfig, start.train_config, request.settings),
        start,
        resume=True,
        notes=(*data.notes, f"resuming {path} at step {start.step:,}"),
    )


def _settings(kind: type, *layers: Mapping[str, Any]) -> Any:
    """Make a ``kind`` of the layers, later ones over earlier ones; other fields are left out.

    Raises UsageError for a value of the wrong type.
    """
    names = {f for f in kind.__dataclass_fields__}
    merged = {k: v for layer in layers for k, v in layer.items() if k in names}
    return kind(**{name: _typed(kind, name, value) for name, value in merged.items()})


def _typed(kind: type, name: str, value: Any) -> Any:
    """Take 1 for 1.0 and 1.0 for 1 where a file says so. Raises UsageError for other types."""
    default = kind.__dataclass_fields__[name].default
    wanted = type(default)
    if default is None or type(value) is wanted:
        return value
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number and wanted is float:
        return float(value)
    if number and wanted is int and value == int(value):
        return int(value)
    raise UsageError(f"{flag(name)} {value!r} is no {wanted.__name__}", f"such as {default}")


def _adapted(base: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """Fit what goes with a preset's learning rate and length to those that were asked for."""
    adapted = dict(base)
    if "learning_rate" in asked:
        adapted["min_lr"] = asked["learning_rate"] * base["min_lr"] / base["learning_rate"]
    if "max_iters" in asked:
        adapted["warmup_iters"] = min(base["warmup_iters"], asked["max_iters"] // 10)
        adapted["lr_decay_iters"] = 0
    return adapted


def _initial(init_from: str) -> Checkpoint | None:
    """Give the checkpoint that ``--init-from`` names, or None for scratch."""
    if init_from == "scratch":
        return None
    if init_from.startswith("gpt2") and not Path(init_from).exists():
        raise UsageError(
            f"--init-from {init_from} would download weights, and nanogpt opens no connection",
            "download the model's folder (config.json, model.safetensors) and name that folder",
        )
    is_hf = (Path(init_from) / "config.json").is_file()
    return migrate.load(Path(init_from) if is_hf else find_checkpoint(init_from))


def _refuse_differences(
    start: Checkpoint, asked: Mapping[str, Any], data: Dataset, free: set[str]
) -> None:
    """Raise CheckpointError where what was asked for, or the data, contradicts a checkpoint."""
    shape = asked.keys() & config_fields(ModelConfig).keys() - free
    differences = [
        f"{flag(name)} {asked[name]}, the checkpoint has {getattr(start.config, name)}"
        for name in sorted(shape)
        if getattr(start.config, name) != asked[name]
    ]
    if data.tokenizer.vocab_size > start.config.vocab_size:
        differences.append(
            f"the data has {data.tokenizer.vocab_size} tokens, the model {start.config.vocab_size}"
        )
    elif start.tokenizer is not None and start.tokenizer != data.tokenizer.to_dict():
        differences.append(f"the data's tokenizer, {data.tokenizer.name}, is another one")
    if differences:
        raise CheckpointError(
            f"the checkpoint does not fit: {'; '.join(differences)}",
            "leave those flags out, or train from scratch",
        )


def _refuse_short(data: Dataset, longest: int, asked: Mapping[str, Any]) -> None:
    """Raise DataError where the text is shorter than a block that was asked for, or no text."""
    if longest < 1:
        raise DataError(f"{data.folder} has too little text to train on", "prepare more text")
    if "block_size" in asked:
        raise DataError(
            f"the text in {data.folder} is shorter than --block-size {asked['block_size']} + 1",
            f"use --block-size {longest} or less, or more text",
        )


def _cropped(start: Checkpoint, config: ModelConfig) -> Checkpoint:
    """Cut the position tables of a checkpoint down to a shorter block."""
    block = config.block_size
    if block > start.config.block_size:
        raise CheckpointError(
            f"--block-size {block} is more than the checkpoint's {start.config.block_size}",
            "leave it out",
        )
    tables = (migrate.WPE, migrate.RELATIVE)
    model = {k: v[:block].clone() if k in tables else v for k, v in start.model.items()}
    return replace(start, config=config, model=model)


def _free_folder(name: str) -> Path:
    """Give a folder under out/ that is not there yet."""
    number, folder = 1, RUNS / name
    while folder.exists():
        number += 1
        folder = RUNS / f"{name}-{number}"
    return folder


def _refuse_existing(folder: Path) -> None:
    """Raise UsageError where ``folder`` holds a run, unless another process just began it."""
    started_by_other = os.environ.get("RANK", "0") != "0"
    if any((folder / name).exists() for name in (BEST, LAST)) and not started_by_other:
        raise UsageError(
            f"{folder} holds a run already",
            f"go on with it: --init-from resume --out-dir {folder}; or start over: --force",
        )
