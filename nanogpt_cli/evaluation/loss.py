"""Validation loss, perplexity and bits per byte, over the same tokens on every machine.

Shape letters: B windows in a batch, T tokens (block_size), V vocabulary.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from nanogpt_cli.data.batches import evaluation_starts, windows
from nanogpt_cli.data.store import Tokens
from nanogpt_cli.errors import DataError
from nanogpt_cli.model.gpt import GPT
from nanogpt_cli.tokenizer.load import Tokenizer

LOGITS_AT_ONCE = 1 << 25
"""Logits held at a time, 128 MB of them."""


@dataclass(frozen=True)
class Loss:
    """The negative log-likelihood of some text under a model."""

    nats: float
    """Summed over all predicted tokens."""
    tokens: int
    """How many tokens were predicted."""
    text_bytes: int
    """UTF-8 bytes of those tokens; special tokens have none, though their loss counts."""

    @property
    def per_token(self) -> float:
        """Mean loss in nats per token."""
        return self.nats / self.tokens

    @property
    def perplexity(self) -> float | None:
        """The exponential of the mean loss; None where that is no number or too large."""
        return math.exp(self.per_token) if self.per_token < 700 else None

    @property
    def bits_per_byte(self) -> float | None:
        """Bits per byte of text, comparable between tokenizers; None where no token has bytes."""
        return self.nats / math.log(2) / self.text_bytes if self.text_bytes else None


def token_byte_counts(tokenizer: Tokenizer, vocab_size: int) -> npt.NDArray[np.int64]:
    """Give the UTF-8 bytes of each id (V,); special and unused ids have none."""
    counts = np.zeros(max(vocab_size, tokenizer.vocab_size), dtype=np.int64)
    special = set(tokenizer.special_tokens.values())
    for token in range(tokenizer.vocab_size):
        if token not in special:
            counts[token] = len(tokenizer.token_bytes(token))
    return counts


@torch.no_grad()
def evaluate_loss(
    model: GPT,
    tokens: Tokens,
    byte_counts: npt.NDArray[np.int64],
    *,
    limit: int | None = None,
    advance: Callable[[int], None] = lambda tokens: None,
) -> Loss:
    """Measure the loss over adjacent windows as long as the model's context.

    With ``limit`` at most that many windows, evenly spread and always the same. ``advance`` is told
    how many tokens each batch had, and may raise to stop. Raises DataError for too short a text.
    """
    if len(tokens) < 2:
        raise DataError("the text to evaluate has fewer than two tokens", "use a longer one")
    T = min(model.config.block_size, len(tokens) - 1)
    starts = evaluation_starts(tokens, T, limit)
    device = next(model.parameters()).device
    batch_size = max(1, min(64, LOGITS_AT_ONCE // (T * model.config.vocab_size)))
    was_training = model.training
    model.eval()
    nats, count, text_bytes = 0.0, 0, 0
    try:
        for chunk in np.split(starts, range(batch_size, len(starts), batch_size)):
            ids = windows(tokens, chunk, T)  # B, T + 1
            text_bytes += int(byte_counts[ids[:, 1:].numpy()].sum())
            ids = ids.to(device)
            logits = model(ids[:, :-1]).float()  # B, T, V
            loss = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
            nats += loss.cpu().double().sum().item()
            count += loss.numel()
            advance(loss.numel())
    finally:
        model.train(was_training)
    return Loss(nats, count, text_bytes)
