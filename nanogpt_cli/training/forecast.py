"""What a run will need and what may come of it, said beforehand."""

from dataclasses import dataclass
from statistics import fmean
from typing import Literal

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from nanogpt_cli.config import ModelConfig, TrainConfig, tokens_per_step
from nanogpt_cli.device import autocast, find_dtype
from nanogpt_cli.errors import MachineError
from nanogpt_cli.model.factory import make_meta_model, make_model
from nanogpt_cli.model.gpt import GPT
from nanogpt_cli.training.batches import smaller_micro_batches
from nanogpt_cli.training.dial import timed_steps
from nanogpt_cli.training.evaluator import EVALUATIONS, steps_of_evaluation
from nanogpt_cli.training.optim import make_optimizers
from nanogpt_cli.training.run import Run


@dataclass(frozen=True)
class Forecast:
    """What a run will need and what may come of it."""

    steps: int
    seconds: float
    tokens_per_sec: float
    tokens_per_weight: float
    epochs: float
    peak_memory_bytes: int
    overfitting: Literal["low", "medium", "high"]
    """The risk that the text is memorised before the run ends."""
    timed_steps: int
    step_seconds: tuple[float, float]
    """How long a step took, but for the fastest and the slowest tenth."""


PATIENCE, MOST_STEPS = 4.0, 200
"""Seconds and steps that are timed at most: a machine that is busy now and then is seen."""


def forecast(run: Run, device: torch.device) -> Forecast:
    """Forecast a run, from some timed steps and a step without numbers."""
    times = timed_steps(
        run.model_config, run.config, run.dataset, device, PATIENCE, most=MOST_STEPS
    )
    times.sort()
    tenth = len(times) // 10
    per_step = fmean(times[tenth : len(times) - tenth])  # also of a machine with two speeds
    steps = max(1, round(run.config.time / per_step)) if run.config.time else run.config.max_iters
    interval = run.config.eval_interval
    evaluations = 1 + (steps // interval if interval else min(steps, EVALUATIONS))
    cost = steps_of_evaluation(run.dataset, run.model_config, run.config)
    tokens = steps * tokens_per_step(run.model_config, run.config)
    epochs = tokens / len(run.dataset.train)
    parameters = make_meta_model(run.model_config).parameter_count()
    return Forecast(
        steps=steps,
        seconds=run.config.time or (steps + evaluations * cost) * per_step,
        tokens_per_sec=tokens_per_step(run.model_config, run.config) / per_step,
        tokens_per_weight=tokens / parameters,
        epochs=epochs,
        peak_memory_bytes=peak_memory(run.model_config, run.config, device),
        overfitting=_overfitting(epochs, run.model_config.dropout),
        timed_steps=len(times),
        step_seconds=(times[tenth], times[-1 - tenth]),
    )


def _overfitting(epochs: float, dropout: float) -> Literal["low", "medium", "high"]:
    """Compare how often a text is read with how often one with this dropout can."""
    tolerable = 6 + 120 * dropout
    return "low" if epochs <= tolerable else "medium" if epochs <= 3 * tolerable else "high"


def fit_memory(
    model_config: ModelConfig, config: TrainConfig, device: torch.device, available: int
) -> TrainConfig:
    """Return ``config`` with micro-batches that fit into the ``available`` bytes of a CPU's memory.

    Raises MachineError where not even single windows do. A GPU says so itself when it is full.
    """
    if device.type != "cpu" or _rough_memory(model_config, config) < available:
        return config
    fitting: TrainConfig | None = config
    while fitting is not None:
        needed = peak_memory(model_config, fitting, device)
        if needed <= available:
            return fitting
        fitting = smaller_micro_batches(fitting)
    raise MachineError(
        f"training needs about {needed / 1e9:.1f} GB of memory, and {available / 1e9:.1f} GB are "
        "available",
        "use a shorter --block-size or a smaller model (--n-embd, --n-layer)",
    )


def _rough_memory(model: ModelConfig, config: TrainConfig) -> int:
    """Estimate ``peak_memory`` from above, without the second that its tools take to load."""
    parameters = make_meta_model(model).parameter_count()
    per_layer = 60 * model.n_embd + 8 * model.n_head * model.block_size
    per_token = model.n_layer * per_layer + 6 * model.vocab_size
    per_token += (_WITH_BIAS + _WITH_FLOAT_SCORES) * model.n_head * model.block_size
    return 4 * (8 * parameters + config.batch_size * model.block_size * per_token)


def peak_memory(model_config: ModelConfig, config: TrainConfig, device: torch.device) -> int:
    """Estimate the memory in bytes that training takes, torch itself not counted.

    Parameters, gradients and optimizer states are known, and so are the copies that are being
    saved; what a step keeps for its backward pass is counted on tensors without numbers.
    """
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage()._cdata] = tensor
        return tensor

    dtype = find_dtype(config.dtype, device)
    with FakeTensorMode(), torch.device(device):
        model = make_model(model_config).train()
        own = {p.untyped_storage()._cdata for p in model.parameters()}
        ids = torch.zeros(config.batch_size, model_config.block_size, dtype=torch.long)
        hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
        with hooks, autocast(device, dtype):
            model(ids, ids)
        states = make_optimizers(model, config).memory()
    saved = sum(t.untyped_storage().nbytes() for key, t in kept.items() if key not in own)
    passing = _passing_scores(model, config, dtype, device)
    return round(_PASSING * saved) + passing + states * (2 if device.type == "cpu" else 1)


_PASSING = 1.3
"""What a step holds for a moment besides, as a share: found on a CPU, see docs/levers.md."""
_WITH_BIAS, _WITH_FLOAT_SCORES = 3, 6
"""How often the scores of one layer are held for a moment in float32 where a bias is added to them,
and where those of a step in bfloat16 are computed in float32: found on a CPU too."""


def _passing_scores(
    model: GPT, config: TrainConfig, dtype: torch.dtype, device: torch.device
) -> int:
    """Estimate the bytes of attention scores (B, H, T, T) that a layer holds for a moment."""
    shape = model.config
    scores = 4 * config.batch_size * shape.n_head * shape.block_size**2
    at = torch.arange(2, device=device)[None]  # 1, T
    with FakeTensorMode(allow_non_fake_inputs=True):
        biased = any(position.bias(at, 2) is not None for position in model.positions)
    bounded = model.block_class.attention_class.bounded_scores
    floats = dtype == torch.bfloat16 and device.type == "cpu" and not bounded
    return scores * (_WITH_BIAS * biased + _WITH_FLOAT_SCORES * floats)
