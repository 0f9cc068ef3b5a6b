"""Optimizers and learning-rate schedules.

AdamW (Loshchilov & Hutter 2019) with GPT-2's groups: what multiplies is decayed, gains and biases
are not. Muon (Jordan et al. 2024) for the matrices inside the blocks, where each update is the
nearest orthogonal matrix to the momentum, scaled so that one learning rate suits both (Liu et al.
2025). Nothing here knows of the loop.

Shape letters: N matrices of one shape, R rows, C columns.
"""

import math
from collections import defaultdict
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor

from nanogpt_cli.config import TrainConfig
from nanogpt_cli.device import cpu_has_bfloat16
from nanogpt_cli.model import GPT


def orthogonalize(matrices: Tensor, steps: int = 5) -> Tensor:
    """Push the singular values of matrices (N, R, C) towards 1 by a Newton-Schulz iteration.

    The quintic's coefficients are Jordan's; singular values land between about 0.7 and 1.2.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = matrices.size(-2) > matrices.size(-1)
    x: Tensor = matrices.bfloat16() if matrices.is_cuda or cpu_has_bfloat16() else matrices
    x = x.mT if tall else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT  # N, R, R
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.mT if tall else x).type_as(matrices)


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, orthogonalised; matrices of one shape are worked on as one stack."""

    def __init__(
        self, params: Any, lr: float, momentum: float = 0.95, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move every matrix by one update of RMS 0.2 x lr, the usual size of AdamW's."""
        assert closure is None
        for group in self.param_groups:
            stacks: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for p in group["params"]:
                if p.grad is not None:
                    stacks[p.shape].append(p)
            for shape, params in stacks.items():
                grads = [cast(Tensor, p.grad) for p in params]
                for p, grad in zip(params, grads, strict=True):
                    buffer = self.state[p].setdefault("momentum_buffer", torch.zeros_like(p))
                    buffer.lerp_(grad, 1 - group["momentum"])
                    grad.lerp_(buffer, group["momentum"])
                updates = orthogonalize(torch.stack(grads))  # N, R, C
                size = 0.2 * math.sqrt(max(shape)) * group["lr"]
                for p, update in zip(params, updates.unbind(), strict=True):
                    p.mul_(1 - group["lr"] * group["weight_decay"])
                    p.add_(update, alpha=-size)


class Optimizers:
    """One or two optimizers that are stepped, scheduled and saved as one."""

    def __init__(self, *optimizers: torch.optim.Optimizer) -> None:
        self.parts = optimizers

    def step(self, scaler: "torch.amp.GradScaler | None" = None) -> None:
        """Step every part, through the scaler of fp16 where there is one."""
        for part in self.parts:
            if scaler is None:
                part.step()
            else:
                scaler.step(part)

    def set_lr(self, lr: float) -> None:
        """Set the learning rate of every group, times the group's own multiple."""
        for part in self.parts:
            for group in part.param_groups:
                group["lr"] = lr * group.get("multiple", 1.0)

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for part in self.parts:
            part.zero_grad(set_to_none=True)

    def state_dict(self) -> list[dict[str, Any]]:
        """Give the state of every part: plain types and tensors."""
        return [part.state_dict() for part in self.parts]

    def load_state_dict(self, states: list[dict[str, Any]]) -> None:
        """Take over the moments that ``state_dict`` gave; rates and decays stay as they are.

        Raises ValueError where the parts or their parameters differ.
        """
        if len(states) != len(self.parts):
            raise ValueError("the checkpoint has no state for this --optimizer")
        for part, state in zip(self.parts, states, strict=True):
            options = [{k: v for k, v in g.items() if k != "params"} for g in part.param_groups]
            part.load_state_dict(state)
            for group, option in zip(part.param_groups, options, strict=True):
                group.update(option)


def make_optimizers(model: GPT, config: TrainConfig) -> Optimizers:
    """Give the optimizers that ``config`` asks for, with every parameter in exactly one group.

    A GPT-2 under AdamW has nanoGPT's two groups in nanoGPT's order, so that its optimizer states
    load: first what is decayed (matrices and embeddings), then the rest. A relative table is a
    bias and not decayed.
    """
    muon = config.optimizer == "muon"
    table = model.transformer.wte.weight
    table_rate = _table_rate(model, muon)
    matrices, tables, decayed, free = [], [], [], []
    for name, p in model.named_parameters():
        if muon and p.dim() == 2 and name.startswith("transformer.h."):
            matrices.append(p)
        elif p is table and table_rate is not None:
            tables.append(p)
        elif p.dim() >= 2 and "relative_embeddings" not in name:
            decayed.append(p)
        else:
            free.append(p)
    groups: list[dict[str, Any]] = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": free, "weight_decay": 0.0},
    ]
    if tables:
        groups.append({"params": tables, "weight_decay": 0.0, "multiple": table_rate})
    betas = (config.beta1, config.beta2)
    adam = torch.optim.AdamW(groups, lr=config.learning_rate, betas=betas, fused=True)
    if not muon:
        return Optimizers(adam)
    return Optimizers(
        adam, Muon(matrices, lr=config.learning_rate, weight_decay=config.weight_decay)
    )


def _table_rate(model: GPT, muon: bool) -> float | None:
    """Give the token table's learning rate as a multiple of the others', where it has its own.

    The modern arrangement's entries are about 50 times as large as GPT-2's and move as much
    faster; GPT-2's table is its head too, which bears less than Muon's matrices do.
    """
    if model.config.arch == "modern":
        return 15.0
    return 0.25 if muon else None


def learning_rate(config: TrainConfig, step: int, total: int) -> float:
    """Give the learning rate of ``step``, a pure function; ``total`` is where the decay ends.

    Linear warmup, then ``cosine`` (Loshchilov & Hutter 2017), ``linear``, or ``wsd``: constant,
    with a linear decay over the last fifth (Hu et al. 2024).
    """
    peak, floor = config.learning_rate, config.min_lr
    if step < config.warmup_iters:
        return peak * (step + 1) / (config.warmup_iters + 1)
    if not config.decay_lr:
        return peak
    if step >= total:
        return floor
    done = (step - config.warmup_iters) / max(1, total - config.warmup_iters)  # 0 .. 1
    left = {
        "cosine": 0.5 * (1 + math.cos(math.pi * done)),
        "linear": 1 - done,
        "wsd": min(1.0, (1 - done) / 0.2),
    }[config.schedule]
    return floor + left * (peak - floor)
