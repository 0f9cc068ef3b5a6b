"""The loss at each position of a window: how much further context helps, and how far it reaches.

Models whose positions have no end, ``rope`` and ``relative``, are also measured over windows of
several times the block that they were trained on.

Shape letters: B windows in a batch, T tokens of a window.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from nanogpt_cli.data.batches import counted_targets, evaluation_starts
from nanogpt_cli.data.mask import LossMask
from nanogpt_cli.data.store import Tokens
from nanogpt_cli.evaluation.loss import window_length, window_nats
from nanogpt_cli.model.gpt import GPT
from nanogpt_cli.model.positions import Learned

BEYOND = (2, 4)
"""Multiples of the block that are measured too."""


@dataclass(frozen=True)
class Span:
    """The mean loss over some positions, the first of which is 1: one token of context."""

    first: int
    last: int
    loss: float
    """Nats per token."""
    tokens: int


@dataclass(frozen=True)
class ContextLoss:
    """The loss over windows of one length."""

    context: int
    """T, in tokens."""
    loss: float | None
    """Nats per token over all positions."""
    beyond: float | None = None
    """Over the positions that no window in training had; None where there are none."""
    spans: tuple[Span, ...] = ()
    reason: str | None = None
    """Why it was not measured."""

    def to_dict(self) -> dict[str, Any]:
        """Return it in JSON's types; what was not measured has a ``reason`` instead."""
        if self.reason is not None:
            return {"context": self.context, "reason": self.reason}
        beyond = {} if self.beyond is None else {"loss_beyond_block": self.beyond}
        spans = [asdict(span) for span in self.spans]
        return {"context": self.context, "loss": self.loss, **beyond, "positions": spans}


def contexts(model: GPT, tokens: Tokens) -> list[int]:
    """Return the lengths of windows to measure: the block, and multiples of it."""
    T = window_length(tokens, model.config.block_size)
    return [T, *(T * times for times in BEYOND)]


def measure_context(
    model: GPT,
    tokens: Tokens,
    T: int,
    advance: Callable[[int], None] = lambda tokens: None,
    mask: LossMask | None = None,
) -> ContextLoss:
    """Return the loss by position over adjacent windows of T tokens, or those that ``mask`` counts.

    ``advance`` is called with the number of tokens after each batch. Raises DataError for a text of
    fewer than two tokens.
    """
    block = model.config.block_size
    if block < T and any(isinstance(p, Learned) for p in model.positions):
        return ContextLoss(T, None, reason=f"its table of positions ends at {block}")
    starts = evaluation_starts(tokens, T)
    if not len(starts):
        return ContextLoss(T, None, reason=f"the text has only {len(tokens):,} tokens")
    sums, counts = np.zeros(T), np.zeros(T, dtype=np.int64)
    done = 0
    for _, nats in window_nats(model, tokens, starts, T):
        counted = torch.ones_like(nats, dtype=torch.bool)
        if mask is not None:
            counted = counted_targets(mask, starts[done : done + len(nats)], T)  # B, T
        sums += (nats.double() * counted).sum(0).numpy()
        counts += counted.sum(0).numpy()
        done += len(nats)
        advance(nats.numel())
    if not counts.any():
        return ContextLoss(T, None, reason="the loss counts no token of it")

    def mean(first: int, last: int) -> float:
        return float(sums[first:last].sum() / counts[first:last].sum())

    spans = tuple(
        Span(first + 1, last, mean(first, last), int(counts[first:last].sum()))
        for first, last in _edges(T, block)
        if counts[first:last].any()
    )
    beyond = mean(block, T) if block < T and counts[block:].any() else None
    return ContextLoss(T, mean(0, T), beyond, spans)


def _edges(T: int, block: int) -> list[tuple[int, int]]:
    """Return ranges of positions from 0 that double in length, and end at the block."""
    ends: npt.NDArray[np.int64] = 2 ** np.arange(int(T).bit_length() + 1)
    cuts = sorted({0, T, *(int(end) for end in ends if end < T), *((block,) if block < T else ())})
    return list(pairwise(cuts))
