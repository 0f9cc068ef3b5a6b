"""One optimizer step: gradients of all micro-batches, then the update.

A loss is a sum of nats and a number of targets until it is shown; it is divided once, over all
micro-batches and processes. Shape letters: B batch, T tokens (block_size).
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from torch import Tensor, nn

from nanogpt_cli.training.batches import Batches
from nanogpt_cli.training.state import TrainState


def gradients(
    state: TrainState,
    forward: nn.Module,
    batches: Batches,
    *,
    grad_clip: float = 0.0,
    precision: Callable[[], AbstractContextManager[object]] = nullcontext,
    votes: Callable[[], Sequence[float]] = tuple,
) -> tuple[float, float, list[float]]:
    """Compute the gradients of a step; return its mean loss in nats, their norm and the votes.

    ``forward`` is the model as it is called: compiled, or wrapped for many processes. The mean is
    over the targets that count (those of -1 do not), however they are spread over micro-batches and
    processes; a step in which none counts has loss 0 and gradients 0. A norm that is finite has
    been clipped to ``grad_clip``, unless that is 0. ``votes`` returns what this process has to say
    once its gradients are there; the sums over all processes travel with those of the loss.
    """
    parallel = batches.parallel
    share = batches.targets / parallel.size  # the gradients of all processes are averaged
    count = batches.micro_batches
    sums = parallel.zeros(2)  # nats, and targets that count
    state.optimizers.zero_grad()
    for number, (inputs, targets) in enumerate(batches.of(state.step), 1):
        with nullcontext() if number == count else parallel.no_sync(forward):
            with precision():
                nats = forward(inputs, targets)
            loss = nats / share
            (state.scaler.scale(loss) if state.scaler else loss).backward()
        sums += torch.stack([nats.detach(), (targets >= 0).sum()])
    if state.scaler:
        for part in state.optimizers.parts:
            state.scaler.unscale_(part)
    sums = torch.cat([sums, sums.new_tensor(votes())])
    sums, grads, norm = parallel.exchange(state, sums)
    norm = _clip(grads, norm, batches.targets / sums[1].clamp(min=1), grad_clip)
    norm_value, total, counted, *votes_sum = torch.stack([norm.to(sums.dtype), *sums]).tolist()
    return total / max(1.0, counted), norm_value, votes_sum


def _clip(grads: list[Tensor], norm: Tensor, scale: Tensor, limit: float) -> Tensor:
    """Multiply the gradients by ``scale`` () and clip their norm () to ``limit``; return it ().

    An infinite norm clips nothing, so that what is wrong with the gradients can still be seen.
    """
    scale = scale.to(norm.dtype)
    norm = scale * norm
    clipped = scale * (limit / (norm + 1e-6)).clamp(max=1) if limit else scale
    torch._foreach_mul_(grads, torch.where(norm.isfinite(), clipped, scale).to(grads[0].dtype))
    return norm


def apply(state: TrainState, lr: float) -> None:
    """Update the parameters as their gradients ask for."""
    state.optimizers.set_lr(lr)
    state.optimizers.step(state.scaler)
    if state.scaler:
        state.scaler.update()


def step_seed(seed: int, step: int, rank: int) -> int:
    """Return the seed of a step's dropout in the process ``rank``, a pure function."""
    return int(np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)[0] >> 1)
