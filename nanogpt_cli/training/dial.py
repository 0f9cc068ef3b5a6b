"""From a wall-clock budget to a model; and from a run to what it will need.

``fit`` is the one dial: a few steps of each size are timed on the data and machine at hand, and the
largest size that will see enough tokens for its weights in the time is taken. What was found to be
enough stands with its measurements in docs/levers.md. ``forecast`` says of any run, beforehand, how
long it takes, how much memory, and how likely it learns its text by heart.
"""

import time
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from nanogpt_cli.config import ModelConfig, TrainConfig, tokens_per_step
from nanogpt_cli.data.batches import training_batch
from nanogpt_cli.data.store import Dataset
from nanogpt_cli.device import autocast, find_dtype
from nanogpt_cli.errors import MachineError
from nanogpt_cli.model.gpt import GPT
from nanogpt_cli.training.loop import (
    Run,
    TrainState,
    apply_gradients,
    compute_gradients,
    smaller_micro_batches,
)
from nanogpt_cli.training.optim import make_optimizers
from nanogpt_cli.training.parallel import World


@dataclass(frozen=True)
class Size:
    """A size that the dial can choose."""

    n_layer: int
    n_head: int
    n_embd: int
    batch_size: int

    @property
    def weights(self) -> int:
        """Weights in the matrices of the blocks."""
        return 12 * self.n_layer * self.n_embd**2


LADDER = (
    Size(2, 2, 64, 8),
    Size(2, 4, 128, 8),
    Size(3, 4, 128, 8),
    Size(3, 3, 192, 8),
    Size(4, 3, 192, 8),
    Size(4, 4, 256, 8),
    Size(6, 4, 256, 8),
    Size(6, 6, 384, 16),
    Size(8, 8, 512, 32),
    Size(12, 12, 768, 32),
)

TOKENS_PER_WEIGHT = 7
"""How many tokens a size must see per weight to be better than the next smaller one."""

WEIGHTS_PER_TOKEN = 1.5
"""How large a model may be for its text; a larger one learns it by heart before it understands."""


def fit(
    dataset: Dataset, model_config: ModelConfig, config: TrainConfig, device: torch.device
) -> dict[str, Any]:
    """Choose n_layer, n_head, n_embd, batch_size and dropout for a run of ``config.time`` seconds.

    The other settings are taken as they are.
    """
    chosen, tokens = LADDER[0], 0.0
    room = WEIGHTS_PER_TOKEN * len(dataset.train)
    for size in LADDER:
        if size != LADDER[0] and size.weights > room:
            break
        sized = replace(model_config, n_layer=size.n_layer, n_head=size.n_head, n_embd=size.n_embd)
        trial = replace(config, batch_size=size.batch_size, gradient_accumulation_steps=1)
        seconds = seconds_per_step(sized, trial, dataset, device, patience=config.time / 200)
        enough = config.time / seconds * tokens_per_step(sized, trial)
        if size != LADDER[0] and enough < TOKENS_PER_WEIGHT * size.weights:
            break
        chosen, tokens = size, enough
    return {
        "n_layer": chosen.n_layer,
        "n_head": chosen.n_head,
        "n_embd": chosen.n_embd,
        "batch_size": chosen.batch_size,
        "gradient_accumulation_steps": 1,
        "dropout": fitting_dropout(tokens / len(dataset.train)),
    }


def fitting_dropout(epochs: float) -> float:
    """Give the dropout for a text that is read so many times."""
    return 0.0 if epochs < 6 else 0.1 if epochs < 40 else 0.2


def seconds_per_step(
    model_config: ModelConfig,
    config: TrainConfig,
    dataset: Dataset,
    device: torch.device,
    patience: float = 1.0,
) -> float:
    """Time a few optimizer steps, as many as fit into ``patience`` seconds but at least two.

    Of a step that would take long only a part is timed. Nothing is kept.
    """
    dtype = find_dtype(config.dtype, device)
    with torch.random.fork_rng(enabled=True):
        model = GPT(model_config).to(device)
    state = TrainState(model, make_optimizers(model, config))
    per_sequence = model.flops_per_token() * model_config.block_size
    sequences = max(1, min(config.batch_size, int(_TRIAL_FLOPS / per_sequence)))
    trial = replace(config, batch_size=sequences, gradient_accumulation_steps=1)

    def batch(micro: int) -> tuple[Tensor, Tensor]:
        inputs, targets = training_batch(
            dataset.train,
            seed=config.seed,
            index=state.step,
            batch_size=sequences,
            block_size=model_config.block_size,
        )
        return inputs.to(device), targets.to(device)

    times: list[float] = []
    while len(times) < 3 or (sum(times) < patience and len(times) < 12):
        begin = time.perf_counter()
        compute_gradients(
            state, model, batch, trial, world=World(), precision=lambda: autocast(device, dtype)
        )
        apply_gradients(state, lr=1e-6)
        state.step += 1
        times.append(time.perf_counter() - begin)
    part = sequences / (config.batch_size * config.gradient_accumulation_steps)
    return sorted(times[1:])[len(times[1:]) // 2] / part  # the first one allocates


_TRIAL_FLOPS = 1e12
"""At most this many floating-point operations in a step that is timed."""


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
    """The risk that the text is learned by heart before the run ends."""


def forecast(run: Run, device: torch.device) -> Forecast:
    """Forecast a run, from a few timed steps and a step without numbers."""
    per_step = seconds_per_step(run.model_config, run.config, run.dataset, device)
    steps = max(1, round(run.config.time / per_step)) if run.config.time else run.config.max_iters
    tokens = steps * tokens_per_step(run.model_config, run.config)
    epochs = tokens / len(run.dataset.train)
    with torch.device("meta"):
        weights = GPT(run.model_config).parameter_count()
    return Forecast(
        steps=steps,
        seconds=run.config.time or steps * per_step,
        tokens_per_sec=tokens_per_step(run.model_config, run.config) / per_step,
        tokens_per_weight=tokens / weights,
        epochs=epochs,
        peak_memory_bytes=peak_memory(run.model_config, run.config, device),
        overfitting=_overfitting(epochs, run.model_config.dropout),
    )


def _overfitting(epochs: float, dropout: float) -> Literal["low", "medium", "high"]:
    """Compare how often a text is read with how often a model with this dropout may read it."""
    bearable = 6 + 120 * dropout
    return "low" if epochs <= bearable else "medium" if epochs <= 3 * bearable else "high"


def fit_memory(
    model_config: ModelConfig, config: TrainConfig, device: torch.device, available: int
) -> TrainConfig:
    """Give ``config`` with micro-batches that fit into the ``available`` bytes of a CPU's memory.

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
    with torch.device("meta"):
        weights = GPT(model).parameter_count()
    per_layer = 60 * model.n_embd + 8 * model.n_head * model.block_size
    per_token = model.n_layer * per_layer + 6 * model.vocab_size
    return 4 * (8 * weights + config.batch_size * model.block_size * per_token)


def peak_memory(model_config: ModelConfig, config: TrainConfig, device: torch.device) -> int:
    """Estimate the memory in bytes that training takes, torch itself not counted.

    Weights, gradients and optimizer states are known, and so are the copies that are being saved;
    what a step keeps for its backward pass is counted on tensors without numbers.
    """
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage()._cdata] = tensor
        return tensor

    dtype = find_dtype(config.dtype, device)
    with FakeTensorMode(), torch.device(device):
        model = GPT(model_config).train()
        own = {p.untyped_storage()._cdata for p in model.parameters()}
        ids = torch.zeros(config.batch_size, model_config.block_size, dtype=torch.long)
        hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
        with hooks, autocast(device, dtype):
            model(ids, ids)
        states = make_optimizers(model, config).memory()
    saved = sum(t.untyped_storage().nbytes() for key, t in kept.items() if key not in own)
    return round(_PASSING * saved) + states * (2 if device.type == "cpu" else 1)


_PASSING = 1.3
"""What a step holds for a moment besides, as a share: found on a CPU, see docs/levers.md."""
