"""The loss of the head: from the last layer's stream to nats per token.

With a large vocabulary the logits are the largest thing in a training step by far. On a CPU they
are worked out a few rows at a time here, gradients included, and never all held.

Shape letters: N tokens, n tokens of a chunk, C channels, V vocabulary.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

LOGITS_AT_ONCE = 1 << 24
"""Logits held at a time in training on a CPU; more tokens than that are worked on in chunks."""


def head_loss(x: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """Return the summed loss in nats of the stream (N, C) under a head (V, C), for targets (N,).

    Targets of -1 do not count. The products are in autocast's type, where that is on.
    """
    if x.device.type == "cpu" and len(x) * len(weight) > LOGITS_AT_ONCE:
        on = torch.is_autocast_enabled("cpu")
        dtype = torch.get_autocast_dtype("cpu") if on else x.dtype
        loss: Tensor = _ChunkedCrossEntropy.apply(x, weight, targets, dtype)  # type: ignore[no-untyped-call]
        return loss
    return F.cross_entropy(F.linear(x, weight).float(), targets, ignore_index=-1, reduction="sum")


class _ChunkedCrossEntropy(torch.autograd.Function):
    """Softmax cross-entropy whose gradients are made on the way forward (Hsu et al. 2024)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, targets: Tensor, dtype: torch.dtype) -> Tensor:
        """Return the summed loss; keep its gradients."""
        xs, w = x.to(dtype), weight.to(dtype)
        counted = targets >= 0  # N
        loss = x.new_zeros((), dtype=torch.float32)
        wanted = any(ctx.needs_input_grad)
        grad_x = torch.empty_like(xs) if wanted else None
        grad_w = torch.zeros_like(weight) if wanted else None
        rows = max(1, LOGITS_AT_ONCE // len(weight))
        for first in range(0, len(x), rows):
            at = slice(first, first + rows)
            target = targets[at].clamp(min=0)[:, None]  # n, 1
            probs = (xs[at] @ w.T).softmax(-1)  # n, V
            told = probs.gather(1, target).float().clamp(min=1e-38)  # n, 1
            loss -= (told.log() * counted[at, None]).sum()
            if grad_x is not None and grad_w is not None:
                probs.scatter_add_(1, target, -torch.ones_like(target, dtype=dtype))
                probs *= counted[at, None]
                grad_x[at] = probs @ w
                grad_w += probs.T @ xs[at]
        ctx.save_for_backward(grad_x, grad_w)
        ctx.dtype = x.dtype
        return loss

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        """Scale the gradients by that of the loss."""
        grad_x, grad_w = ctx.saved_tensors
        return (grad_x * grads[0]).to(ctx.dtype), grad_w * grads[0], None, None
