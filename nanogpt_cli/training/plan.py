"""From what was asked for to a run: dataset, starting parameters, settings and folder."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from nanogpt_cli.checkpoint.schema import Checkpoint
from nanogpt_cli.config import PRESETS, ModelConfig, TrainConfig, preset_for
from nanogpt_cli.data.split import too_little
from nanogpt_cli.data.store import Dataset, open_dataset
from nanogpt_cli.device import available_memory, find_device
from nanogpt_cli.errors import DataError, UsageError
from nanogpt_cli.logs import metrics
from nanogpt_cli.runs import (
    BEST,
    LAST,
    METRICS,
    RUNS,
    find_checkpoint,
    find_dataset,
    run_folders,
    run_of,
    saved_states,
)
from nanogpt_cli.text import counted, duration, shell_word
from nanogpt_cli.training import dial, forecast
from nanogpt_cli.training.folder import refuse_existing
from nanogpt_cli.training.other_data import other_dataset
from nanogpt_cli.training.parallel import join, launched
from nanogpt_cli.training.run import Run
from nanogpt_cli.training.settings import Base, checked, merge, train_config, with_eval_tokens
from nanogpt_cli.training.start import (
    extends,
    fitted_to_block,
    grown,
    initial_checkpoint,
    last_good_state,
    refuse_differences,
    saved_order,
)
from nanogpt_cli.training.trackers.base import check_trackers


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


def make_run(request: Request, doing: Callable[[str], None] = lambda text: None) -> Run:
    """Plan a run; ``doing`` is told what takes long.

    Raises the errors of all that cannot work, before anything is written.
    """
    if request.preset != "auto" and request.preset not in PRESETS:
        raise UsageError(
            f"unknown --preset {request.preset}", f"choose one of: {', '.join(PRESETS)}"
        )
    launch = launched()
    if launch.restarts and request.init_from != "resume":
        request = restarted(request, launch.job)
    run = _resumed(request) if request.init_from == "resume" else _new(request, doing)
    check_trackers(run.config.log_to)
    return run


def restarted(request: Request, job: str | None) -> Request:
    """Return what to do where torchrun has started a job again: resume what it has saved.

    The run is found by the job's name in its log.
    """
    folders = [request.out_dir] if request.out_dir else run_folders()
    own = [folder for folder in folders if job and _job_of(folder) == job]
    if not own:
        return request
    if not saved_states(own[0]):
        return replace(request, out_dir=own[0], force=True)
    return replace(request, out_dir=own[0], init_from="resume")


def _job_of(folder: Path) -> str | None:
    """Return the name of the job that began or resumed a run last."""
    path = folder / METRICS
    if not path.is_file():
        return None
    begun = [event for event in metrics.read(path).events if event.get("event") == "run"]
    return str(begun[-1].get("job")) if begun else None


def _new(request: Request, doing: Callable[[str], None]) -> Run:
    asked = checked(request.settings)
    data = open_dataset(find_dataset(request.data), asked.get("loss_on", TrainConfig.loss_on))
    notes = list(data.notes)
    device = find_device(asked.get("device", TrainConfig.device))
    automatic = request.preset == "auto"
    preset = PRESETS[preset_for(device.type) if automatic else request.preset]
    start = initial_checkpoint(request.init_from)
    if start is None:
        layers = [preset, asked, {"vocab_size": _padded(data.vocab_size, device)}]
        base = Base(preset)
    else:
        start = _adapted_to_data(start, request, asked, data, notes)
        layers = [asdict(start.config), asked]
        base = Base(preset, _optimizer_of(start) if automatic else None, len(data.train))
    model_config = _with_block_that_fits(merge(ModelConfig, *layers), asked, data, notes)
    config = train_config(base, asked, model_config)
    if start is None and automatic and _leaves_the_size_open(asked):
        with join(config.backend, device) as parallel:  # one decides, and all agree
            size = parallel.size
            fitted = (
                dial.fit(data, model_config, config, parallel.device, doing, size)
                if parallel.is_main
                else {}
            )
            fitted = parallel.agreed(fitted)
        base = Base({**preset, **fitted})
        model_config = merge(ModelConfig, asdict(model_config), base.values, asked)
        evaluated = {"eval_tokens": config.eval_tokens, "eval_iters": None}
        config = train_config(base, {**asked, **evaluated}, model_config)
        notes.append(
            f"chosen for {duration(config.time)}: {counted(model_config.n_layer, 'layer')}, "
            f"{model_config.n_embd} wide, dropout {model_config.dropout:g}"
        )
    if base.fine_tuning:
        notes.append(
            f"fine-tuning: {config.optimizer}, learning rate {config.learning_rate:.2g}, "
            f"{counted(config.warmup_iters, 'step')} of warm-up"
            + ("" if config.time else f", {counted(config.max_iters, 'step')}")
        )
    config = _that_fits_memory(model_config, config, device, notes)
    folder = request.out_dir or _free_folder(
        f"{data.folder.resolve().name}-{model_config.pos_embd}"
    )
    if not request.force:
        refuse_existing(folder)
    other = None
    if start:
        other, config = other_dataset(config, start, data)
        start = fitted_to_block(start, model_config)
    return Run(
        data,
        folder,
        model_config,
        config,
        start,
        other=other,
        fresh=not request.force,
        notes=tuple(notes),
    )


def _resumed(request: Request) -> Run:
    asked = checked(request.settings)
    path = find_checkpoint(str(request.out_dir) if request.out_dir else None, last=True)
    notes: list[str] = []
    path, start, loaded = last_good_state(path, notes)
    folder = run_of(path)
    trained = start.train_config.get("loss_on", TrainConfig.loss_on)
    data = open_dataset(
        find_dataset(request.data or start.data.get("folder")), asked.get("loss_on", trained)
    )
    refuse_differences(path, start, asked, data, free={"dropout"})
    known = start.data.get("fingerprint")
    if known and known != data.fingerprint and not request.force:
        raise DataError(
            f"{data.folder} has changed since {path} was written",
            "name the old data with --data-dir, or continue with the new with --force",
        )
    model_config = merge(ModelConfig, asdict(start.config), asked)
    if model_config.block_size > _longest_block(data):
        raise _too_short(data, model_config)
    notes.append(f"resuming {path} at step {start.step:,}")
    later = any(saved.name == LAST for saved in saved_states(folder))
    if path.name.startswith("step-") and later:
        notes.append(f"the log after step {start.step:,} and later saved states are replaced")
    config = with_eval_tokens(
        merge(TrainConfig, start.train_config, asked), model_config.block_size
    )
    config = _that_fits_memory(model_config, config, find_device(config.device), notes)
    backup, original = None, path.with_name(f"{path.stem}_original{path.suffix}")
    old = path.name == BEST and "fingerprint" not in start.data
    if old and not original.exists() and not config.eval_only:
        backup = (path, original)  # nanoGPT's, which this run's own ckpt.pt will replace
        notes.append(f"the old {path.name} is kept as {original.name}")
    other, config = other_dataset(config, start, data, notes)
    return Run(
        data,
        folder,
        model_config,
        config,
        start,
        other=other,
        resume=True,
        loaded=(path, loaded),
        backup=backup,
        notes=(*data.notes, *notes),
        order=saved_order(path, start),
    )


def _adapted_to_data(
    start: Checkpoint, request: Request, asked: Mapping[str, Any], data: Dataset, notes: list[str]
) -> Checkpoint:
    """Let a checkpoint's vocabulary grow by the data's special tokens. Raises CheckpointError."""
    more = data.tokenizer.vocab_size - start.config.vocab_size
    if more > 0 and extends(data, start):
        start = grown(start, more)
        notes.append(
            f"the data has {counted(more, 'more token')} than the model: they start as a mean"
        )
    free = {"dropout", "block_size"}
    refuse_differences(Path(request.init_from), start, asked, data, free)
    return start


def _optimizer_of(start: Checkpoint) -> str:
    """Return what a checkpoint was trained with: AdamW unless it says otherwise."""
    return "muon" if start.train_config.get("optimizer") == "muon" else "adamw"


def _with_block_that_fits(
    model_config: ModelConfig, asked: Mapping[str, Any], data: Dataset, notes: list[str]
) -> ModelConfig:
    """Shorten the block to the text, unless it was asked for. Raises DataError."""
    longest = _longest_block(data)
    if model_config.block_size <= longest:
        return model_config
    if "block_size" in asked:
        raise _too_short(data, model_config)
    notes.append(f"the text is short: block_size {longest}, not {model_config.block_size}")
    return replace(model_config, block_size=longest)


def _that_fits_memory(
    model_config: ModelConfig, config: TrainConfig, device: torch.device, notes: list[str]
) -> TrainConfig:
    """Cut the micro-batches until they fit into memory. Raises MachineError where none does."""
    if config.eval_only:
        return config
    available = available_memory() // launched().local_size
    fitting = forecast.fit_memory(model_config, config, device, available)
    if fitting is not config:
        notes.append(
            f"{available / 1e9:.1f} GB of memory are available: "
            f"{fitting.gradient_accumulation_steps} micro-batches of {fitting.batch_size}, "
            "the same tokens per step"
        )
    return fitting


def _padded(vocab_size: int, device: torch.device) -> int:
    """Round a large vocabulary up to whole tiles of a GPU's matrix units; the rest stays unused."""
    tiles = device.type == "cuda" and vocab_size >= 1024
    return math.ceil(vocab_size / 64) * 64 if tiles else vocab_size


def _leaves_the_size_open(asked: Mapping[str, Any]) -> bool:
    """Whether a time budget is to choose the model."""
    shape = {"n_layer", "n_head", "n_embd", "batch_size", "gradient_accumulation_steps"}
    return bool(asked.get("time")) and not asked.keys() & shape


def _longest_block(data: Dataset) -> int:
    """Return the longest block that both splits hold once. Raises DataError where there is none."""
    if problem := too_little(len(data.train), len(data.val)):
        raise DataError(
            f"{data.folder}: {problem}",
            "prepare more text, at least some thousand words: nanogpt prepare YOUR.txt --force "
            f"--out {shell_word(data.folder)}",
        )
    return min(len(data.train), len(data.val)) - 1


def _too_short(data: Dataset, config: ModelConfig) -> DataError:
    return DataError(
        f"the text in {data.folder} is shorter than --block-size {config.block_size} + 1",
        f"use --block-size {_longest_block(data)} or less, or more text",
    )


def _free_folder(name: str) -> Path:
    """Return a folder under out/ that does not exist yet."""
    number, folder = 1, RUNS / name
    while folder.exists():
        number += 1
        folder = RUNS / f"{name}-{number}"
    return folder
