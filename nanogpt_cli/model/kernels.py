"""Attention and loss as they are computed fastest on the machine at hand.

What they compute is in the papers and, in a line or two each, in the tests; only how is decided
here. Nothing here knows a model or its parameters.

Shape letters: B batch, T tokens, S tokens that can be attended to, C channels, H heads, D head
size, V vocabulary, N tokens of all rows, n tokens of a chunk.
"""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

LOGITS_AT_ONCE = 1 << 24
"""Logits held at a time in training on a CPU; more tokens than that are worked on in chunks."""


def to_stream_type(x: Tensor) -> Tensor:
    """Return the stream in bfloat16 where products are: half of the memory to read and write."""
    device = x.device.type
    if torch.is_autocast_enabled(device) and torch.get_autocast_dtype(device) == torch.bfloat16:
        return x.bfloat16()
    return x


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None,
    dropout: float = 0.0,
    bounded: bool = False,
) -> Tensor:
    """Return softmax(q k^T / sqrt(D) + mask) v, for queries (B, H, T, D) and S keys and values.

    Without ``mask`` (1 or B, 1 or H, T, S) the last T of S tokens each see what is not after them.
    ``dropout`` is applied to the weights of the values. ``bounded`` scores are small whatever was
    learned, as those of normalised queries and keys: they may be rounded to bfloat16.
    """
    if products_are_faster(q, mask):
        return attend_by_products(q, k, v, mask, dropout, bounded)
    return attend_fused(q, k, v, mask, dropout)


def products_are_faster(q: Tensor, mask: Tensor | None) -> bool:
    """Whether plain matrix products are faster than torch's fused attention: training on a CPU.

    Its backward pass in bfloat16 takes about three times as long as theirs, and it has none for a
    bias. Long contexts need the fused kernel, which never holds all scores.
    """
    trained_bias = mask is not None and mask.requires_grad
    in_training = q.device.type == "cpu" and torch.is_grad_enabled() and q.size(2) <= 512
    return in_training and (q.dtype == torch.bfloat16 or trained_bias)


def attend_fused(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, dropout: float) -> Tensor:
    """Compute ``attend`` with torch's own kernel (Dao et al. 2022)."""
    causal = mask is None and q.size(2) > 1
    mask = None if mask is None else mask.to(q.dtype)
    return F.scaled_dot_product_attention(
        q, k, v, attn_mask=mask, dropout_p=dropout, is_causal=causal
    )


def attend_by_products(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None,
    dropout: float,
    bounded: bool = False,
) -> Tensor:
    """Compute ``attend`` as two matrix products with a softmax between them."""
    B, H, T, D = q.shape
    S = k.size(2)
    if mask is None:
        mask = torch.full((1, 1, T, S), -math.inf, device=q.device).triu(S - T + 1)
    q, k, v = (part.flatten(0, 1) for part in (q, k, v))  # B H, T or S, D
    if bounded or q.dtype != torch.bfloat16:
        mask = mask.to(q.dtype).expand(B, H, T, S).flatten(0, 1)  # B H, T, S
        weights = torch.baddbmm(mask, q, k.mT, alpha=1 / math.sqrt(D)).softmax(-1)
    else:
        mask = mask.float().expand(B, H, T, S).flatten(0, 1)
        weights = _AttentionWeights.apply(q, k, mask)  # type: ignore[no-untyped-call]
    return (F.dropout(weights, dropout) @ v).view(B, H, T, D)


class _AttentionWeights(torch.autograd.Function):
    """Weights in bfloat16 of scores in float32, where products in bfloat16 round their results.

    Between 16 and 32 neighbours in bfloat16 are an eighth apart. The backward pass is in bfloat16,
    as that of fused attention is: what it multiplies is not large.
    """

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, mask: Tensor) -> Tensor:
        """Return the weights (B H, T, S) of queries and keys (B H, T or S, D)."""
        ctx.scale = 1 / math.sqrt(q.size(-1))
        with torch.autocast(q.device.type, enabled=False):
            scores = torch.baddbmm(mask, q.float(), k.float().mT, alpha=ctx.scale)
        weights = scores.softmax(-1).to(q.dtype)
        ctx.save_for_backward(q, k, weights)
        return weights

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return the gradients of queries, keys and, where it is trained, the mask."""
        q, k, weights = ctx.saved_tensors
        grad = torch.ops.aten._softmax_backward_data(grads[0], weights, -1, weights.dtype)
        grad_q, grad_k = (grad @ k) * ctx.scale, (grad.mT @ q) * ctx.scale
        return grad_q, grad_k, grad if ctx.needs_input_grad[2] else None


def head_loss(
    x: Tensor, weight: Tensor, targets: Tensor, logits_at_once: int = LOGITS_AT_ONCE
) -> Tensor:
    """Return the summed loss in nats of the stream (N, C) under a head (V, C), for targets (N,).

    Targets of -1 do not count. The products are in autocast's type, where that is on. With a large
    vocabulary the logits are the largest thing in a training step by far: on a CPU they are
    computed ``logits_at_once`` at most, gradients included, and never all held.
    """
    real = type(targets) is Tensor and not torch.compiler.is_compiling()  # their values are there
    if real and x.device.type == "cpu":
        counted = targets >= 0
        if not counted.all():  # in a dialogue, those of the human
            x, targets = x[counted], targets[counted]
    if x.device.type == "cpu" and len(x) * len(weight) > logits_at_once:
        on = torch.is_autocast_enabled("cpu")
        dtype = torch.get_autocast_dtype("cpu") if on else x.dtype
        rows = max(1, logits_at_once // len(weight))
        loss: Tensor = _ChunkedCrossEntropy.apply(x, weight, targets, dtype, rows)  # type: ignore[no-untyped-call]
        return loss
    return F.cross_entropy(F.linear(x, weight).float(), targets, ignore_index=-1, reduction="sum")


class _ChunkedCrossEntropy(torch.autograd.Function):
    """Softmax cross-entropy whose gradients are computed in the forward pass (Hsu et al. 2024)."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, targets: Tensor, dtype: torch.dtype, rows: int
    ) -> Tensor:
        """Return the summed loss; keep its gradients. ``rows`` tokens are worked on at a time."""
        xs, w = x.to(dtype), weight.to(dtype)
        counted = targets >= 0  # N
        loss = x.new_zeros((), dtype=torch.float32)
        wanted = any(ctx.needs_input_grad)
        grad_x = torch.empty_like(xs) if wanted else None
        grad_w = torch.zeros_like(weight) if wanted else None
        for first in range(0, len(x), rows):
            at = slice(first, first + rows)
            target = targets[at].clamp(min=0)[:, None]  # n, 1
            probs = (xs[at] @ w.T).softmax(-1)  # n, V
            predicted = probs.gather(1, target).float().clamp(min=1e-38)  # n, 1
            loss -= (predicted.log() * counted[at, None]).sum()
            if grad_x is not None and grad_w is not None:
                probs.scatter_add_(1, target, -torch.ones_like(target, dtype=dtype))
                probs *= counted[at, None]
                grad_x[at] = probs @ w
                grad_w += probs.T @ xs[at]
        ctx.save_for_backward(grad_x, grad_w)
        ctx.dtype = x.dtype
        return loss

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        """Scale the gradients by that of the loss."""
        grad_x, grad_w = ctx.saved_tensors
        return (grad_x * grads[0]).to(ctx.dtype), grad_w * grads[0], None, None, None
