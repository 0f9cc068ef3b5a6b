"""From a wall-clock budget to a model.

``fit`` is the one dial: a few steps of each size are timed on the data and machine at hand, and the
largest size that will see enough tokens for its parameters in the time is taken. What was found to
be enough stands with its measurements in docs/levers.md.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from statistics import median
from typing import Any

import torch
from torch import nn

from nanogpt_cli.config import ModelConfig, TrainConfig, tokens_per_step
from nanogpt_cli.data.store import Dataset
from nanogpt_cli.device import autocast, compiles, find_dtype, try_compile
from nanogpt_cli.model.factory import make_model
from nanogpt_cli.sizes import TOKENS_PER_PARAMETER, Size, fitting_sizes
from nanogpt_cli.training.batches import Batches
from nanogpt_cli.training.optim import make_optimizers
from nanogpt_cli.training.parallel import Parallel
from nanogpt_cli.training.state import TrainState
from nanogpt_cli.training.step import apply, gradients

GPU_BATCH = 64
"""Sequences in a step that keep a GPU busy; fewer take it as long."""

COMPILED_GAIN = 1.5
"""How many times as fast a compiled step is on a GPU: 1.4 to 1.6, see docs/benchmarks.md."""


def fit(
    dataset: Dataset,
    model_config: ModelConfig,
    config: TrainConfig,
    device: torch.device,
    doing: Callable[[str], None] = lambda text: None,
    processes: int = 1,
) -> dict[str, Any]:
    """Choose n_layer, n_head, n_embd, batch_size and dropout for a run of ``config.time`` seconds.

    The other settings are taken as they are. ``doing`` is told which size is timed. Of several
    ``processes`` each is taken to do its share of a step in that part of the time.
    """
    on_gpu = device.type == "cuda"

    def batch_size(size: Size) -> int:
        return max(size.batch_size, processes * (GPU_BATCH if on_gpu else 1))

    sizes = fitting_sizes(len(dataset.train))

    def tokens_seen(size: Size) -> float:
        sized = replace(model_config, n_layer=size.n_layer, n_head=size.n_head, n_embd=size.n_embd)
        trial = replace(config, batch_size=batch_size(size), gradient_accumulation_steps=1)
        doing(f"timing models for this machine: {size.n_layer} layers of {size.n_embd}")
        # compiling a size would take longer than it could be wrong
        eager = replace(trial, compile=False)
        seconds = seconds_per_step(sized, eager, dataset, device, patience=config.time / 200)
        if on_gpu and compiles(config.compile, device):
            seconds /= COMPILED_GAIN
        return processes * config.time / seconds * tokens_per_step(sized, trial)

    chosen, tokens = _climb(sizes, tokens_seen)
    return {
        "n_layer": chosen.n_layer,
        "n_head": chosen.n_head,
        "n_embd": chosen.n_embd,
        "batch_size": batch_size(chosen),
        "gradient_accumulation_steps": 1,
        "dropout": fitting_dropout(tokens / len(dataset.train)),
    }


def _climb(sizes: list[Size], tokens_seen: Callable[[Size], float]) -> tuple[Size, float]:
    """Return the largest size before the first that would see too few tokens, and its tokens."""
    chosen, tokens = sizes[0], tokens_seen(sizes[0])
    for size in sizes[1:]:
        seen = tokens_seen(size)
        if seen < TOKENS_PER_PARAMETER * size.parameters:
            break
        chosen, tokens = size, seen
    return chosen, tokens


def fitting_dropout(epochs: float) -> float:
    """Return the dropout for a text that is read so many times."""
    return 0.0 if epochs < 6 else 0.1 if epochs < 40 else 0.2


def seconds_per_step(
    model_config: ModelConfig,
    config: TrainConfig,
    dataset: Dataset,
    device: torch.device,
    patience: float = 1.0,
) -> float:
    """Return the median of a few optimizer steps that are timed."""
    return median(timed_steps(model_config, config, dataset, device, patience, most=11))


def timed_steps(
    model_config: ModelConfig,
    config: TrainConfig,
    dataset: Dataset,
    device: torch.device,
    patience: float,
    most: int,
) -> list[float]:
    """Time optimizer steps, as many as fit into ``patience`` seconds but at least two.

    Of a step that would take long only a part is timed. No state is kept.
    """
    dtype = find_dtype(config.dtype, device)
    with torch.random.fork_rng(enabled=True):
        model = make_model(model_config).to(device)
    state = TrainState(model, make_optimizers(model, config))
    per_sequence = model.flops_per_token() * model_config.block_size
    most_flops = _TRIAL_FLOPS_ON_GPU if device.type == "cuda" else _TRIAL_FLOPS
    sequences = max(1, min(config.batch_size, int(most_flops / per_sequence)))
    trial = replace(config, batch_size=sequences, gradient_accumulation_steps=1)

    batches = Batches(dataset.train, model_config, trial, Parallel(device), dataset.train_mask)
    forward: nn.Module = model
    if compiles(config.compile, device):
        example = next(batches.of(0))
        forward = try_compile(model, example, partial(autocast, device, dtype), lambda text: None)
    times: list[float] = []
    while len(times) < 3 or (sum(times) < patience and len(times) <= most):
        begin = time.perf_counter()
        gradients(
            state, forward, batches, precision=partial(autocast, device, dtype), grad_clip=1.0
        )
        apply(state, lr=1e-6)
        state.step += 1
        times.append(time.perf_counter() - begin)
    part = sequences / (config.batch_size * config.gradient_accumulation_steps)
    return [seconds / part for seconds in times[1:]]  # the first one allocates


_TRIAL_FLOPS, _TRIAL_FLOPS_ON_GPU = 1e12, 1e14
"""At most this many floating-point operations in a step that is timed."""
