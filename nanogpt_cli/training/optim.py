"""Optimizers and learning-rate schedules.

AdamW (Loshchilov & Hutter 2019) with GPT-2's groups: what multiplies is decayed, gains and biases
are not. Muon (Jordan et al. 2024) for the matrices inside the blocks, where each update is near the
nearest orthogonal matrix to the momentum. Nothing here knows of the loop.

Shape letters: N matrices of one shape, R rows, C columns, S side of a square.
"""

import math
from collections import defaultdict
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from nanogpt_cli.config import TrainConfig
from nanogpt_cli.device import cpu_has_bfloat16
from nanogpt_cli.model.gpt import GPT

POLAR_EXPRESS = (
    (8.156554524902461, -22.48329292557795, 15.878769915207462),
    (4.042929935166739, -2.808917465908714, 0.5000178451051316),
    (3.8916678022926607, -2.772484153217685, 0.5060648178503393),
)
"""Coefficients (a, b, c) of x <- a x + b x x^T x + c (x x^T)^2 x, a set for each step."""


def orthogonalize(matrices: Tensor) -> Tensor:
    """Push the singular values of square matrices (N, C, C) towards 1, their directions kept.

    Three steps with the coefficients of Polar Express (Amsel et al. 2025), which is as far as the
    training loss can tell.
    """
    x: Tensor = matrices.bfloat16() if matrices.is_cuda or cpu_has_bfloat16() else matrices
    x = x / (1.02 * x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for a, b, c in POLAR_EXPRESS:
        gram = x @ x.mT  # N, C, C
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.type_as(matrices)


def square_blocks(matrix: Tensor) -> Tensor:
    """View a matrix (R, C), one side a multiple of the other, as its square blocks (N, S, S)."""
    rows, columns = matrix.shape
    side = min(rows, columns)
    return matrix.view(rows // side, side, columns // side, side).transpose(1, 2).flatten(0, 1)


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, orthogonalised in square blocks, all of a model as one stack.

    A block is what one part of a layer does: queries, keys, values, a quarter of the MLP. The size
    of an update, its largest singular value, is ``SIZE`` x lr for every width, so that learning
    rates found on a narrow model hold for a wide one (Yang et al. 2023).
    """

    SIZE = 2.25

    def __init__(
        self, params: Any, lr: float, momentum: float = 0.95, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move every matrix by one update."""
        assert closure is None
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            if not params:
                continue
            grads = [cast(Tensor, p.grad) for p in params]
            for p in params:
                if "momentum_buffer" not in self.state[p]:
                    self.state[p]["momentum_buffer"] = torch.zeros_like(p)
            buffers = [self.state[p]["momentum_buffer"] for p in params]
            torch._foreach_lerp_(buffers, grads, 1 - group["momentum"])
            torch._foreach_lerp_(grads, buffers, group["momentum"])
            torch._foreach_mul_(params, 1 - group["lr"] * group["weight_decay"])
            stacks: dict[int, list[tuple[Tensor, Tensor]]] = defaultdict(list)
            for p, grad in zip(params, grads, strict=True):
                stacks[min(p.shape)].append((square_blocks(p), square_blocks(grad)))
            for stack in stacks.values():
                updates = orthogonalize(torch.cat([blocks for _, blocks in stack]))  # N, S, S
                sizes = [blocks.size(0) for _, blocks in stack]
                for (blocks, _), update in zip(stack, torch.split(updates, sizes), strict=True):
                    blocks.add_(update, alpha=-self.SIZE * group["lr"])


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
        """Drop the gradients."""
        for part in self.parts:
            part.zero_grad(set_to_none=True)

    def memory(self) -> int:
        """Return the bytes that parameters, gradients and moments take."""
        return sum(
            p.nbytes * (3 if isinstance(part, Muon) else 4)
            for part in self.parts
            for group in part.param_groups
            for p in group["params"]
        )

    def state_dict(self) -> list[dict[str, Any]]:
        """Return the state of every part: plain types and tensors."""
        return [part.state_dict() for part in self.parts]

    def load_state_dict(self, states: list[dict[str, Any]], step: int = 0) -> None:
        """Take over the moments that ``state_dict`` gave at ``step``; rates and decays stay.

        The states may be anything that a file can hold. Raises ValueError where they are not those
        of these parts and their parameters; nothing is then taken over.
        """
        if len(states) != len(self.parts):
            raise ValueError("the checkpoint has no state for this --optimizer")
        checked = [_checked(part, state) for part, state in zip(self.parts, states, strict=True)]
        if step and not all(state["state"] for state in checked):
            raise ValueError(f"there are no moments of step {step}")
        moments = [
            tensor
            for state in checked
            for entries in state["state"].values()
            for tensor in entries.values()
        ]
        if len({tensor.data_ptr() for tensor in moments}) < len(moments):
            raise ValueError("its moments share memory")
        for part, state in zip(self.parts, checked, strict=True):
            part.load_state_dict(state)


def _checked(part: torch.optim.Optimizer, saved: Any) -> dict[str, Any]:
    """Return the state of an optimizer, checked against what it needs for its parameters.

    It has moments for all parameters, or before the first step for none. Raises ValueError.
    """
    groups = part.state_dict()["param_groups"]  # whose "params" are numbers
    if not isinstance(saved, dict) or _numbers(saved.get("param_groups")) != _numbers(groups):
        raise ValueError("its parameters are in other groups")
    params = [p for group in part.param_groups for p in group["params"]]
    state = saved.get("state")
    if not isinstance(state, dict) or (state and state.keys() != set(range(len(params)))):
        raise ValueError("its moments are those of other parameters")
    moments = {
        n: _moments(state[n], expected_moments(part, p)) for n, p in enumerate(params) if state
    }
    return {"state": moments, "param_groups": groups}


def expected_moments(part: torch.optim.Optimizer, p: Tensor) -> dict[str, Tensor]:
    """Return what an optimizer remembers of a parameter: tensors of that type and shape."""
    if isinstance(part, Muon):
        return {"momentum_buffer": p}
    return {"step": torch.tensor(0.0), "exp_avg": p, "exp_avg_sq": p}


def _moments(entries: Any, expected: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the entries of a parameter. Raises ValueError where they are not such tensors."""
    if not isinstance(entries, dict) or entries.keys() != expected.keys():
        raise ValueError("its moments are not this --optimizer's")
    moments: dict[str, Any] = dict(entries)
    if type(entries.get("step")) in (int, float):  # as torch had it before 1.12
        moments["step"] = torch.tensor(float(entries["step"]))
    for name, like in expected.items():
        found = moments[name]
        if not isinstance(found, Tensor) or found.dtype != like.dtype:
            raise ValueError("its moments are of another type")
        if found.shape != like.shape or not found.is_contiguous():
            raise ValueError("its moments are of another shape")
    if "step" in moments and not 0 <= float(moments["step"]) < math.inf:
        raise ValueError("it does not count its steps")
    return moments


def _numbers(groups: Any) -> list[list[int]] | None:
    """Return the numbers of the parameters in each group, or None for what has none."""
    if not isinstance(groups, list) or not all(isinstance(group, dict) for group in groups):
        return None
    numbers = [group.get("params") for group in groups]
    whole = all(isinstance(n, list) and all(type(i) is int for i in n) for n in numbers)
    return numbers if whole else None


def make_optimizers(model: GPT, config: TrainConfig, muon_class: type[Muon] = Muon) -> Optimizers:
    """Return the optimizers that ``config`` asks for, with every parameter in exactly one group.

    A GPT-2 under AdamW has nanoGPT's two groups in nanoGPT's order, so that its optimizer states
    load: first what is decayed (matrices and embeddings), then the rest. A relative table is a
    bias and not decayed.
    """
    muon = config.optimizer == "muon"
    of: dict[str, list[nn.Parameter]] = defaultdict(list)
    for role, p in model.roles():
        if not muon and (role == "matrix" or (role == "token" and model.tied_head)):
            role = "decayed"
        of[role].append(p)
    betas = (config.beta1, config.beta2)
    # A row has a gradient only where its token occurs. Where the mean of squares is forgotten
    # sooner than that, each occurrence moves the row as far as all before it did.
    seldom = {"multiple": model.embedding_rate, "betas": (config.beta1, max(config.beta2, 0.99))}
    groups: list[dict[str, Any]] = [
        {"params": of["decayed"], "weight_decay": config.weight_decay},
        {"params": of["free"], "weight_decay": 0.0},
        {"params": of["token"], "weight_decay": 0.0, **seldom},
        # the decay keeps a small text from being memorised here, better than dropout does
        {"params": of["ngram"], "weight_decay": 3 * config.weight_decay, **seldom},
    ]
    groups = groups[:2] + [group for group in groups[2:] if group["params"]]
    adam = torch.optim.AdamW(groups, lr=config.learning_rate, betas=betas, fused=True)
    if not muon:
        return Optimizers(adam)
    return Optimizers(
        adam, muon_class(of["matrix"], lr=config.learning_rate, weight_decay=config.weight_decay)
    )


def fitted_learning_rate(optimizer: str, width: int, tokens_per_step: int) -> float:
    """Return a peak learning rate for a model's width in channels and a step's size in tokens.

    Muon's holds for every width, since its updates do; it grows as the root of the batch, up to
    where steps get too large (Malladi et al. 2022). AdamW's is nanoGPT's 0.001 for narrow models,
    and falls as the width grows (Yang et al. 2022).
    """
    if optimizer == "muon":
        return min(0.02, TrainConfig.learning_rate * math.sqrt(tokens_per_step / 2048))
    return 1e-3 * min(1.0, 384 / width)


MOST_WARMUP = 0.1
"""The largest part of a time budget that is warm-up."""


def learning_rate(config: TrainConfig, progress: float, increment: float) -> float:
    """Return the learning rate at ``progress`` (0 to 1) of the schedule, a pure function.

    ``increment`` is the progress that one step makes. Linear warm-up over ``warmup_iters`` steps,
    of a time budget at most a tenth; then ``cosine`` (Loshchilov & Hutter 2017), ``linear``, or
    ``wsd``: constant, with a linear decay over the last fifth (Hu et al. 2024).
    """
    peak, floor = config.learning_rate, config.min_lr
    warmup = config.warmup_iters * increment
    if config.time:
        warmup = min(warmup, MOST_WARMUP)
    if progress < warmup:
        return peak * (progress + increment) / (warmup + increment)
    if not config.decay_lr:
        return peak
    done = (progress - warmup) / (1 - warmup) if progress < 1 else 1.0  # 0 .. 1
    left = {
        "cosine": 0.5 * (1 + math.cos(math.pi * done)),
        "linear": 1 - done,
        "wsd": min(1.0, (1 - done) / 0.2),
    }[config.schedule]
    return floor + left * (peak - floor)
