"""From what was asked for to a run: dataset, starting weights, settings and folder.

Settings are laid over each other: defaults, preset, configuration file, command line.
"""

import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import torch

from nanogpt_cli.checkpoint.load import load_checkpoint
from nanogpt_cli.checkpoint.schema import HEAD, RELATIVE, WPE, WTE, Checkpoint
from nanogpt_cli.config import (
    PRESETS,
    ModelConfig,
    TrainConfig,
    config_fields,
    flag,
    parse_duration,
    preset_for,
)
from nanogpt_cli.data.store import Dataset, open_dataset
from nanogpt_cli.device import available_memory, find_device
from nanogpt_cli.errors import CheckpointError, DataError, UsageError
from nanogpt_cli.files import stamp
from nanogpt_cli.runs import BEST, LAST, RUNS, find_checkpoint, find_dataset, saved_states
from nanogpt_cli.training import dial as budget
from nanogpt_cli.training.loop import Run, refuse_existing
from nanogpt_cli.training.optim import fitted_learning_rate


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
    if request.preset != "auto" and request.preset not in PRESETS:
        raise UsageError(
            f"--preset {request.preset} is not known", f"choose one of: {', '.join(PRESETS)}"
        )
    return _resumed(request) if request.init_from == "resume" else _new(request)


def _new(request: Request) -> Run:
    preset, asked = request.preset, _checked(request.settings)
    data = open_dataset(find_dataset(request.data))
    notes = list(data.notes)
    device = find_device(asked.get("device", TrainConfig.device))
    base = PRESETS[preset_for(device.type) if preset == "auto" else preset]
    start = _initial(request.init_from)
    if start is None:
        layers = [base, asked, {"vocab_size": _padded(data.vocab_size, device)}]
    else:
        more = data.tokenizer.vocab_size - start.config.vocab_size
        if more > 0 and _extends(data, start):
            start = _grown(start, more)
            notes.append(f"the data has {more} more tokens than the model: they start as a mean")
        free = {"dropout", "block_size"}
        _refuse_differences(Path(request.init_from), start, asked, data, free)
        layers = [asdict(start.config), asked]
    model_config = _settings(ModelConfig, *layers)
    longest = _longest_block(data)
    if model_config.block_size > longest:
        if "block_size" in asked:
            raise _too_short(data, model_config)
        notes.append(f"the text is short: block_size {longest}, not {model_config.block_size}")
        model_config = replace(model_config, block_size=longest)
    if start is None and preset == "auto" and _leaves_the_size_open(asked):
        draft = _settings(TrainConfig, _adapted(base, asked, model_config), asked)
        base = {**base, **budget.fit(data, model_config, draft, device)}
        model_config = _settings(ModelConfig, asdict(model_config), base, asked)
        notes.append(
            f"fitted to {draft.time:g} s: {model_config.n_layer} layers, {model_config.n_embd} "
            f"wide, dropout {model_config.dropout:g}"
        )
    config = _settings(TrainConfig, _adapted(base, asked, model_config), asked)
    config = _fitting(model_config, config, device, notes)
    folder = request.out_dir or _free_folder(
        f"{data.folder.resolve().name}-{model_config.pos_embd}"
    )
    if not request.force:
        refuse_existing(folder)
    start = start and _cropped(start, model_config)
    fresh = not request.force
    return Run(data, folder, model_config, config, start, fresh=fresh, notes=tuple(notes))


def _resumed(request: Request) -> Run:
    asked = _checked(request.settings)
    path = find_checkpoint(str(request.out_dir) if request.out_dir else None, last=True)
    notes: list[str] = []
    path, start, loaded = _last_good(path, notes)
    data = open_dataset(find_dataset(request.data or start.data.get("folder")))
    _refuse_differences(path, start, asked, data, free={"dropout"})
    known = start.data.get("fingerprint")
    if known and known != data.fingerprint and not request.force:
        raise DataError(
            f"{data.folder} has changed since {path} was written",
            "name the old data with --data-dir, or go on with the new with --force",
        )
    model_config = _settings(ModelConfig, asdict(start.config), asked)
    if model_config.block_size > _longest_block(data):
        raise _too_short(data, model_config)
    notes.append(f"resuming {path} at step {start.step:,}")
    try:
        _settings(TrainConfig, start.train_config, {})
    except UsageError as error:
        raise CheckpointError(
            f"{path} is damaged: {error.message}", "take the copy that you made of it"
        ) from error
    config = _settings(TrainConfig, start.train_config, asked)
    config = _fitting(model_config, config, find_device(config.device), notes)
    keep, original = None, path.with_name(f"{path.stem}_original{path.suffix}")
    old = path.name == BEST and "fingerprint" not in start.data
    if old and not original.exists() and not config.eval_only:
        keep = (path, original)  # nanoGPT's, which this run's own ckpt.pt will replace
        notes.append(f"the old {path.name} is kept as {original.name}")
    return Run(
        data,
        path.parent,
        model_config,
        config,
        start,
        resume=True,
        loaded=(path, loaded),
        keep=keep,
        notes=(*data.notes, *notes),
    )


def _last_good(path: Path, notes: list[str]) -> tuple[Path, Checkpoint, object]:
    """Load a state to go on from; where it is damaged, the newest sound one of its folder.

    Gives its path, what it holds, and the file's stamp. Raises CheckpointError where there is none.
    """
    others = saved_states(path.parent) if path.name == LAST else []
    first: CheckpointError | None = None
    for candidate in others or [path]:
        was = stamp(candidate)
        try:
            start = load_checkpoint(candidate)
        except CheckpointError as error:
            first = first or error
            continue
        if first:
            notes.append(f"{first.message}; going on from {candidate}, the last good one")
        return candidate, start, was
    assert first is not None
    raise first


def _fitting(
    model_config: ModelConfig, config: TrainConfig, device: torch.device, notes: list[str]
) -> TrainConfig:
    """Cut the micro-batches until they fit into memory. Raises MachineError where none does."""
    if config.eval_only:
        return config
    available = available_memory() // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    fitting = budget.fit_memory(model_config, config, device, available)
    if fitting is not config:
        notes.append(
            f"{available / 1e9:.1f} GB of memory are available: "
            f"{fitting.gradient_accumulation_steps} micro-batches of {fitting.batch_size}, "
            "the same tokens per step"
        )
    return fitting


def _settings(kind: type, *layers: Mapping[str, Any]) -> Any:
    """Make a ``kind`` of the layers, later ones over earlier ones; other fields are left out."""
    names = {f.name for f in fields(kind)}
    if "max_iters" in layers[-1] and "time" not in layers[-1]:
        layers = (*layers, {"time": 0.0})  # steps that were asked for replace an earlier budget
    return kind(**_checked({k: v for layer in layers for k, v in layer.items() if k in names}))


def _checked(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Take 1 for 1.0 and 1.0 for 1, as files write them. Raises UsageError for other types."""
    return {name: _typed(name, value) for name, value in settings.items()}


def _typed(name: str, value: Any) -> Any:
    default = _DEFAULTS[name]
    wanted = bool if default is None else type(default)  # compile alone has no default
    if type(value) is wanted or value is default:
        return value
    if name == "time" and isinstance(value, str):
        return parse_duration(value)
    if name == "save_every" and type(value) is int:
        return str(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        if wanted is float:
            return float(value) if abs(value) < 2**63 else math.inf
        if wanted is int and math.isfinite(value) and value == int(value):
            return int(value)
    example = "true" if default is None else default
    raise UsageError(f"{flag(name)} cannot be {value!r}", f"it is {wanted.__name__}: {example}")


_DEFAULTS = {f.name: f.default for config in (ModelConfig, TrainConfig) for f in fields(config)}


def _padded(vocab_size: int, device: torch.device) -> int:
    """Round a large vocabulary up to whole tiles of a GPU's matrix units; the rest stays unused."""
    tiles = device.type == "cuda" and vocab_size >= 1024
    return math.ceil(vocab_size / 64) * 64 if tiles else vocab_size


def _leaves_the_size_open(asked: Mapping[str, Any]) -> bool:
    """Tell whether a time budget is to choose the model; processes would each choose their own."""
    shape = {"n_layer", "n_head", "n_embd", "batch_size", "gradient_accumulation_steps"}
    return bool(asked.get("time")) and not asked.keys() & shape and "RANK" not in os.environ


def _adapted(
    base: Mapping[str, Any], asked: Mapping[str, Any], model_config: ModelConfig
) -> dict[str, Any]:
    """Fit what depends on a preset's model, batch and length to those that were asked for."""
    adapted = {f.name: base.get(f.name, f.default) for f in fields(TrainConfig)}
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    accumulation = adapted["gradient_accumulation_steps"]
    adapted["gradient_accumulation_steps"] = math.ceil(accumulation / processes) * processes
    if "learning_rate" in asked:
        adapted["min_lr"] *= asked["learning_rate"] / adapted["learning_rate"]
    elif "learning_rate" not in base:
        both = {**adapted, **asked}
        tokens = model_config.block_size * (
            both["batch_size"] * both["gradient_accumulation_steps"]
        )
        adapted["learning_rate"] = fitted_learning_rate(
            both["optimizer"], model_config.n_embd, tokens
        )
    if "max_iters" in asked:
        adapted["warmup_iters"] = min(adapted["warmup_iters"], asked["max_iters"] // 10)
        adapted["lr_decay_iters"] = 0
    return adapted


def _initial(init_from: str) -> Checkpoint | None:
    """Give the checkpoint that ``--init-from`` names, or None for scratch."""
    if init_from == "scratch":
        return None
    if init_from in _DOWNLOADS and not (Path(init_from).exists() or (RUNS / init_from).exists()):
        raise UsageError(
            f"--init-from {init_from} would download weights, and nanogpt opens no connection",
            "download the model's folder (config.json, model.safetensors) and name that folder",
        )
    return load_checkpoint(find_checkpoint(init_from))


_DOWNLOADS = ("gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl")
"""What nanoGPT's --init-from takes from the network."""


def _refuse_differences(
    path: Path, start: Checkpoint, asked: Mapping[str, Any], data: Dataset, free: set[str]
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
    elif start.tokenizer is not None and not _extends(data, start):
        differences.append(f"the data's tokenizer, {data.tokenizer.name}, is another one")
    if differences:
        raise CheckpointError(
            f"{path} does not fit: {'; '.join(differences)}",
            "leave those flags out, or train from scratch",
        )


def _extends(data: Dataset, start: Checkpoint) -> bool:
    """Tell whether the data's tokenizer is the checkpoint's, perhaps with more special tokens."""
    if start.tokenizer is None:
        return False
    old, new = start.tokenizer, data.tokenizer.to_dict()
    return (
        old | {"special_tokens": None} == new | {"special_tokens": None}
        and old["special_tokens"].items() <= new["special_tokens"].items()
    )


def _grown(start: Checkpoint, more: int) -> Checkpoint:
    """Give a checkpoint's vocabulary ``more`` tokens, each the mean of all (Hewitt 2021)."""
    tables = {
        name: torch.cat([old, old.mean(0, keepdim=True).expand(more, -1)])
        for name in (WTE, HEAD)
        for old in [start.model[name]]
    }
    config = replace(start.config, vocab_size=start.config.vocab_size + more)
    return replace(start, config=config, model=start.model | tables)


def _longest_block(data: Dataset) -> int:
    """Give the longest block that both splits hold once. Raises DataError where there is none."""
    longest = min(len(data.train), len(data.val)) - 1
    if longest < 1:
        raise DataError(f"{data.folder} has too little text to train on", "prepare more text")
    return longest


def _too_short(data: Dataset, config: ModelConfig) -> DataError:
    return DataError(
        f"the text in {data.folder} is shorter than --block-size {config.block_size} + 1",
        f"use --block-size {_longest_block(data)} or less, or more text",
    )


def _cropped(start: Checkpoint, config: ModelConfig) -> Checkpoint:
    """Cut the position tables of a checkpoint down to a shorter block."""
    block = config.block_size
    if block > start.config.block_size:
        raise CheckpointError(
            f"--block-size {block} is more than the checkpoint's {start.config.block_size}",
            "leave --block-size out",
        )
    tables = (WPE, RELATIVE)
    model = {k: v[:block].clone() if k in tables else v for k, v in start.model.items()}
    return replace(start, config=config, model=model)


def _free_folder(name: str) -> Path:
    """Give a folder under out/ that is not there yet."""
    number, folder = 1, RUNS / name
    while folder.exists():
        number += 1
        folder = RUNS / f"{name}-{number}"
    return folder
