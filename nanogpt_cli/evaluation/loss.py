"""Validation loss over the same tokens on every machine, and the counts it is divided by.

A loss is a sum of nats and counts until it is shown, so that parts measured by several processes
add up to the whole. This module does not know files: it gets a model and its tokens.

Shape letters: B windows in a batch, T tokens (block_size), V vocabulary.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from nanogpt_cli.data.batches import counted_targets, evaluation_starts
from nanogpt_cli.data.batches import windows as cut_windows
from nanogpt_cli.data.mask import LossMask
from nanogpt_cli.data.store import Tokens
from nanogpt_cli.errors import DataError
from nanogpt_cli.model.gpt import GPT
from nanogpt_cli.tokenizer.load import Tokenizer

LOGITS_AT_ONCE = 1 << 25
"""Logits held at a time, 128 MB of them."""
LARGEST_BATCH = 64
"""Windows in a batch, however few logits they have."""

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

Starts = npt.NDArray[np.int64]
"""Where windows begin in the tokens (N,)."""


@dataclass(frozen=True)
class Loss:
    """The negative log-likelihood of some text under a model."""

    nats: float
    """Summed over all tokens that count."""
    tokens: int
    """How many tokens count; without a mask all that were predicted."""
    text_bytes: int
    """UTF-8 bytes of those tokens; special tokens have none, though their loss counts."""

    def __add__(self, other: "Loss") -> "Loss":
        """Return the loss over both texts."""
        return Loss(
            self.nats + other.nats,
            self.tokens + other.tokens,
            self.text_bytes + other.text_bytes,
        )

    @property
    def per_token(self) -> float:
        """Mean loss in nats per token; nan where no token counts."""
        return self.nats / self.tokens if self.tokens else math.nan

    @property
    def perplexity(self) -> float | None:
        """The exponential of the mean loss; None where that is nan or too large for a float."""
        return math.exp(self.per_token) if self.per_token < 700 else None

    @property
    def bits_per_byte(self) -> float | None:
        """Bits per byte of text, comparable between tokenizers; None where no token has bytes."""
        return self.nats / math.log(2) / self.text_bytes if self.text_bytes else None


def token_byte_counts(tokenizer: Tokenizer, vocab_size: int) -> npt.NDArray[np.int64]:
    """Return the number of UTF-8 bytes of each id (V,); special and unused ids have none."""
    counts = np.zeros(max(vocab_size, tokenizer.vocab_size), dtype=np.int64)
    special = set(tokenizer.special_tokens.values())
    for token in range(tokenizer.vocab_size):
        if token not in special:
            counts[token] = len(tokenizer.token_bytes(token))
    return counts


def window_length(tokens: Tokens, block_size: int) -> int:
    """Return T, the length of the windows of an evaluation: a block, or all of a shorter text.

    Raises DataError where the text has no token to predict.
    """
    if len(tokens) < 2:
        raise DataError("the text to evaluate has fewer than two tokens", "use a longer one")
    return min(block_size, len(tokens) - 1)


def evaluation_windows(
    tokens: Tokens,
    block_size: int,
    token_budget: int | None = None,
    mask: LossMask | None = None,
) -> Starts:
    """Return where the adjacent windows of an evaluation start (N,), always the same ones.

    Without a budget these are all floor((n - 1) / T) windows, in order; with one, as many as
    predict at most that many tokens, but at least one, spread evenly. Where ``mask`` counts no
    token of these, all windows are taken. Raises DataError for a text of fewer than two tokens.
    """
    T = window_length(tokens, block_size)
    limit = None if token_budget is None else max(1, token_budget // T)
    starts = evaluation_starts(tokens, T, limit)
    if mask is not None and limit and not counted_targets(mask, starts, T).any():
        return evaluation_starts(tokens, T)
    return starts


@torch.no_grad()
def window_nats(
    model: GPT, tokens: Tokens, starts: Starts, T: int, logits_at_once: int = LOGITS_AT_ONCE
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield the ids (B, T + 1) of the windows at ``starts`` (N,), and the nats (B, T) of each.

    The first id of a window is not predicted. A batch at a time, on the CPU, with the model in
    evaluation mode. Windows may be longer than the model's context where its positions have no end.
    """
    device = next(model.parameters()).device
    batch_size = max(1, min(LARGEST_BATCH, logits_at_once // (T * model.config.vocab_size)))
    was_training = model.training
    model.eval()
    try:
        for first in range(0, len(starts), batch_size):
            ids = cut_windows(tokens, starts[first : first + batch_size], T)  # B, T + 1
            there = ids.to(device)
            logits = model(there[:, :-1]).float()  # B, T, V
            targets = there[:, 1:].flatten()
            nats = F.cross_entropy(logits.flatten(0, 1), targets, reduction="none")
            yield ids, nats.view(-1, T).cpu()
    finally:
        model.train(was_training)


def evaluate_loss(
    model: GPT,
    tokens: Tokens,
    byte_counts: npt.NDArray[np.int64],
    *,
    mask: LossMask | None = None,
    windows: Starts | int | None = None,
    share: tuple[int, int] = (0, 1),
    advance: Callable[[int], None] = lambda tokens: None,
    logits_at_once: int = LOGITS_AT_ONCE,
    each: Callable[[FloatArray, IntArray], None] = lambda nats, sizes: None,
) -> Loss:
    """Return the loss over adjacent windows as long as the model's context.

    ``byte_counts`` (V,) are those of ``token_byte_counts``. A token that ``mask`` does not count is
    read, but no part of the loss. ``windows`` are their starts (see
    ``evaluation_windows``), or at most how many, evenly spread and always the same; None is all.
    ``share`` is (rank, size): the windows of one of ``size`` processes, whose losses add up to that
    of all windows. ``advance`` is called with the number of tokens after each batch, and may raise
    to stop. ``each`` is given the nats and the bytes (N,) of the tokens of a batch that count, in
    the text's order. Raises DataError for a text of fewer than two tokens.
    """
    T = window_length(tokens, model.config.block_size)
    starts = windows if isinstance(windows, np.ndarray) else evaluation_starts(tokens, T, windows)
    rank, size = share
    shares = np.array_split(starts, size)
    starts, own = shares[rank], len(shares[rank])
    if own < len(shares[0]):  # a model in shards must be called as often in all processes
        starts = np.append(starts, shares[0][:1])
    loss = Loss(0.0, 0, 0)
    first = 0
    for ids, nats in window_nats(model, tokens, starts, T, logits_at_once):
        ids, nats = ids[: own - first], nats[: own - first]
        targets = ids[:, 1:]  # B, T
        read = targets.numel()
        if mask is not None:
            counted = counted_targets(mask, starts[first : first + len(ids)], T)
            targets, nats = targets[counted], nats[counted]
        first += len(ids)
        sizes = byte_counts[targets.numpy()]
        loss += Loss(nats.double().sum().item(), nats.numel(), int(sizes.sum()))
        each(nats.numpy().ravel(), sizes.ravel())
        advance(read)
    return loss
