"""Which windows of tokens a step sees: a pure function of seed and step.

So a run can be resumed anywhere and split over any number of processes. This module knows neither
files nor models.

Shape letters: B batch, T tokens (block_size).
"""

import numpy as np
import numpy.typing as npt
import torch

from nanogpt_cli.data.mask import LossMask
from nanogpt_cli.data.order import VERSION, epoch_order
from nanogpt_cli.data.store import Tokens
from nanogpt_cli.errors import DataError


def windows(tokens: Tokens, starts: npt.NDArray[np.int64], block_size: int) -> torch.Tensor:
    """Return the ids (B, T + 1), int64, of ``tokens`` at ``starts`` (B,)."""
    return torch.from_numpy(tokens[starts[:, None] + np.arange(block_size + 1)].astype(np.int64))


def counted_targets(mask: LossMask, starts: npt.NDArray[np.int64], block_size: int) -> torch.Tensor:
    """Return whether the loss counts each target (B, T) of the windows at ``starts`` (B,)."""
    return torch.from_numpy(mask.at(starts[:, None] + np.arange(1, block_size + 1)))


def training_batch(
    tokens: Tokens,
    *,
    seed: int,
    numbers: range,
    block_size: int,
    mask: LossMask | None = None,
    order: int = VERSION,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return inputs and targets (B, T), int64, of the windows with these ``numbers`` (B,).

    A target that ``mask`` does not count is -1.
    """
    starts = training_starts(tokens, seed=seed, numbers=numbers, block_size=block_size, order=order)
    ids = windows(tokens, starts, block_size)
    inputs, targets = ids[:, :-1], ids[:, 1:]
    if mask is not None:
        targets = targets.masked_fill(~counted_targets(mask, starts, block_size), -1)
    return inputs, targets


def training_starts(
    tokens: Tokens, *, seed: int, numbers: range, block_size: int, order: int = VERSION
) -> npt.NDArray[np.int64]:
    """Return where the windows with these ``numbers`` (B,), counted from the run's first, start.

    An epoch goes once over all windows of ``block_size`` in a shuffled order; each epoch cuts the
    windows at another place. ``order`` is the version of that order. Raises DataError for fewer
    tokens than one window and its target.
    """
    per_epoch = (len(tokens) - 1) // block_size
    if per_epoch < 1:
        raise DataError(
            f"the training text has {len(tokens)} tokens, too few for a block of {block_size}",
            f"use --block-size {max(1, len(tokens) - 1)} or less, or more text",
        )
    wanted = np.arange(numbers.start, numbers.stop)
    starts = np.empty(len(wanted), dtype=np.int64)
    room = len(tokens) - 1 - per_epoch * block_size
    for epoch in np.unique(wanted // per_epoch):
        chosen = wanted // per_epoch == epoch
        drawn = epoch_order(seed, int(epoch), per_epoch, room, order)
        starts[chosen] = drawn.at(wanted[chosen] % per_epoch) * block_size + drawn.phase
    return starts


def evaluation_starts(
    tokens: Tokens, block_size: int, limit: int | None = None
) -> npt.NDArray[np.int64]:
    """Return where the adjacent windows of an evaluation start, at most ``limit``, spread evenly.

    Without a limit these are all floor((n - 1) / block_size) windows, in order.
    """
    count = (len(tokens) - 1) // block_size
    if limit is None or limit >= count:
        return np.arange(count, dtype=np.int64) * block_size
    return np.linspace(0, count - 1, limit).astype(np.int64) * block_size
