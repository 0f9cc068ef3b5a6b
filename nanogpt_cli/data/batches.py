"""Which windows of tokens a step sees: a pure function of seed and step.

So a run can be resumed anywhere and split over any number of processes. This module knows neither
files nor models.

Shape letters: B batch, T tokens (block_size).
"""

from collections.abc import Callable
from functools import lru_cache, partial

import numpy as np
import numpy.typing as npt
import torch

from nanogpt_cli.data.mask import LossMask
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
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return inputs and targets (B, T), int64, of the windows with these ``numbers`` (B,).

    A target that ``mask`` does not count is -1.
    """
    starts = training_starts(tokens, seed=seed, numbers=numbers, block_size=block_size)
    ids = windows(tokens, starts, block_size)
    inputs, targets = ids[:, :-1], ids[:, 1:]
    if mask is not None:
        targets = targets.masked_fill(~counted_targets(mask, starts, block_size), -1)
    return inputs, targets


def training_starts(
    tokens: Tokens, *, seed: int, numbers: range, block_size: int
) -> npt.NDArray[np.int64]:
    """Return where the windows with these ``numbers`` (B,), counted from the run's first, start.

    An epoch goes once over all windows of ``block_size`` in a shuffled order; each epoch cuts the
    windows at another place. Raises DataError for fewer tokens than one window and its target.
    """
    per_epoch = (len(tokens) - 1) // block_size
    if per_epoch < 1:
        raise DataError(
            f"the training text has {len(tokens)} tokens, too few for a block of {block_size}",
            f"use --block-size {max(1, len(tokens) - 1)} or less, or more text",
        )
    wanted = np.arange(numbers.start, numbers.stop)
    starts = np.empty(len(wanted), dtype=np.int64)
    for epoch in np.unique(wanted // per_epoch):
        chosen = wanted // per_epoch == epoch
        order, phase = _epoch_order(seed, int(epoch), per_epoch, len(tokens), block_size)
        starts[chosen] = order(wanted[chosen] % per_epoch) * block_size + phase
    return starts


LARGEST_TABLE = 1 << 22
"""Windows of an epoch whose order is a table; that of more is computed."""

Numbers = npt.NDArray[np.int64]


@lru_cache(maxsize=2)
def _epoch_order(
    seed: int, epoch: int, per_epoch: int, length: int, block_size: int
) -> tuple[Callable[[Numbers], Numbers], int]:
    """Return the shuffled order of an epoch's windows and where its first window starts."""
    rng = np.random.default_rng([seed, epoch])
    room = length - 1 - per_epoch * block_size
    if per_epoch > LARGEST_TABLE:
        keys = rng.integers(0, 2**64, 6, dtype=np.uint64)
        return partial(_shuffled, count=per_epoch, keys=keys), int(rng.integers(0, room + 1))
    return rng.permutation(per_epoch).__getitem__, int(rng.integers(0, room + 1))


def _shuffled(numbers: Numbers, count: int, keys: npt.NDArray[np.uint64]) -> Numbers:
    """Map ``numbers`` below ``count`` one to one onto others below it, without a table.

    A Feistel network permutes the next power of 4; what is not below ``count`` goes through it
    again (Black & Rogaway 2002). As many ``keys`` as rounds.
    """
    half = np.uint64((count.bit_length() + 1) // 2)
    low = np.uint64((1 << int(half)) - 1)
    found, again = numbers.astype(np.uint64), np.ones(len(numbers), dtype=np.bool_)
    while again.any():
        left, right = found[again] >> half, found[again] & low
        for key in keys:
            mixed = (right ^ key) * np.uint64(0x9E3779B97F4A7C15)
            left, right = right, left ^ ((mixed >> np.uint64(32)) & low)
        found[again] = left << half | right
        again = found >= count
    return found.astype(np.int64)


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
