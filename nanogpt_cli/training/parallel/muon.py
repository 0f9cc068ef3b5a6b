"""Muon for many processes: each orthogonalises a part of the matrices, and all get the updates.

``ChunkedMuon`` is for whole models (nanochat's way: the gradients are stacked, reduced and
scattered, and the updates of each process's chunk gathered), ``OwnedMuon`` for parameters that are
sharded by rows (each matrix is gathered in the process that owns it, and its update scattered).
Both compute what ``Muon`` does. torch.optim.Muon does neither.

Shape letters: N square blocks of a stack, K of a process's chunk, M matrices of one shape, R rows,
C columns, S side of a square.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.tensor import DTensor
from torch.nn import functional as F

from nanogpt_cli.training.optim import Muon, orthogonalize, square_blocks

_reduce_scatter = getattr(dist, "reduce_scatter_single", None) or dist.reduce_scatter_tensor
_all_gather = getattr(dist, "all_gather_single", None) or dist.all_gather_into_tensor
"""Their names changed in torch 2.13."""


class ChunkedMuon(Muon):
    """Muon of which each process holds the momentum of its chunk of every stack."""

    def __init__(self, params: Any, **settings: Any) -> None:
        super().__init__(params, **settings)
        self._own: dict[int, Tensor] = {}
        """Of each side S the gradients (K, S, S) of this process's chunk."""
        self._momentum: dict[int, Tensor] = {}

    def reduce(self) -> list[Tensor]:
        """Average the gradients over all processes; return this process's chunks (K, S, S)."""
        for side, params in self._stacks().items():
            grads = [p.grad if p.grad is not None else torch.zeros_like(p) for p in params]
            blocks = self._padded(torch.cat([square_blocks(grad) for grad in grads]))
            own = blocks.new_empty(len(blocks) // dist.get_world_size(), side, side)
            _reduce_scatter(own, blocks, op=dist.ReduceOp.AVG)
            self._own[side] = own
        return list(self._own.values())

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move every matrix by one update, from the gradients that ``reduce`` has left."""
        assert closure is None
        (group,) = self.param_groups
        torch._foreach_mul_(group["params"], 1 - group["lr"] * group["weight_decay"])
        for side, params in self._stacks().items():
            own = self._own[side]
            if side not in self._momentum:
                self._momentum[side] = torch.zeros_like(own)
            buffer = self._momentum[side].lerp_(own, 1 - group["momentum"])
            updates = self._gathered(orthogonalize(own.lerp(buffer, group["momentum"])))
            for p, update in self._parts(params, updates):
                square_blocks(p).add_(update, alpha=-self.SIZE * group["lr"])

    def state_dict(self) -> dict[str, Any]:
        """Return the state as ``Muon`` has it, with whole tensors; all processes must call it."""
        (group,) = self.param_groups
        whole: dict[Tensor, Tensor] = {}
        for side, params in self._stacks().items():
            if side not in self._momentum:
                continue
            for p, part in self._parts(params, self._gathered(self._momentum[side])):
                buffer = torch.empty_like(p, requires_grad=False)
                square_blocks(buffer).copy_(part)
                whole[p] = buffer
        state = {
            number: {"momentum_buffer": whole[p]}
            for number, p in enumerate(group["params"])
            if p in whole
        }
        return {"state": state, "param_groups": super().state_dict()["param_groups"]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take this process's chunks of what ``Muon.state_dict`` returned."""
        (group,) = self.param_groups
        buffers = {
            p: state_dict["state"][number]["momentum_buffer"]
            for number, p in enumerate(group["params"])
            if state_dict["state"]
        }
        for side, params in self._stacks().items():
            if buffers:
                stack = torch.cat([square_blocks(buffers[p].to(p.device)) for p in params])
                chunks = self._padded(stack).chunk(dist.get_world_size())
                self._momentum[side] = chunks[dist.get_rank()].clone()

    def _stacks(self) -> dict[int, list[Tensor]]:
        """Return the matrices by the side of their square blocks."""
        stacks: dict[int, list[Tensor]] = defaultdict(list)
        for p in self.param_groups[0]["params"]:
            stacks[min(p.shape)].append(p)
        return stacks

    @staticmethod
    def _padded(blocks: Tensor) -> Tensor:
        """Add blocks of zeros (N, S, S), so that all processes get as many."""
        return F.pad(blocks, (0, 0, 0, 0, 0, -len(blocks) % dist.get_world_size()))

    @staticmethod
    def _gathered(own: Tensor) -> Tensor:
        """Return the chunks (K, S, S) of all processes as one stack (N, S, S)."""
        stack = own.new_empty(len(own) * dist.get_world_size(), *own.shape[1:])
        _all_gather(stack, own.contiguous())
        return stack

    @staticmethod
    def _parts(params: list[Tensor], stack: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return each matrix with its blocks of a stack (N, S, S)."""
        sizes = [p.numel() // min(p.shape) ** 2 for p in params]
        return list(zip(params, torch.split(stack[: sum(sizes)], sizes), strict=True))


class OwnedMuon(Muon):
    """Muon for matrices (R, C) that are sharded by rows: each has one owner for its update."""

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move this process's rows of every matrix by one update."""
        assert closure is None
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            for p in params:
                if "momentum_buffer" not in self.state[p]:
                    self.state[p]["momentum_buffer"] = torch.zeros_like(p)
            rows = [_rows(p) for p in params]
            grads = [_rows(p.grad) for p in params]
            buffers = [_rows(self.state[p]["momentum_buffer"]) for p in params]
            torch._foreach_lerp_(buffers, grads, 1 - group["momentum"])
            torch._foreach_lerp_(grads, buffers, group["momentum"])
            torch._foreach_mul_(rows, 1 - group["lr"] * group["weight_decay"])
            by_shape: dict[torch.Size, list[int]] = defaultdict(list)
            for number, p in enumerate(params):
                by_shape[p.shape].append(number)
            for shape, numbers in by_shape.items():
                updates = _updates_by_owner([grads[n] for n in numbers], shape)
                for number, update in zip(numbers, updates, strict=True):
                    rows[number].add_(update, alpha=-self.SIZE * group["lr"])


def _rows(tensor: Tensor) -> Tensor:
    """Return this process's rows of a sharded matrix."""
    return cast(DTensor, tensor).to_local()


def _updates_by_owner(grads: list[Tensor], shape: torch.Size) -> list[Tensor]:
    """Return this process's rows of the orthogonalised matrices, M of one shape (R, C).

    ``grads`` are its rows of each matrix. Matrix i belongs to process i modulo their number: it
    gets the rows of all, orthogonalises, and sends the rows back.
    """
    size, rank = dist.get_world_size(), dist.get_rank()
    R, C = shape
    most = -(-R // size)
    rows = [max(0, min(R, (r + 1) * most) - r * most) for r in range(size)]  # as torch.chunk
    order = [i for owner in range(size) for i in range(owner, len(grads), size)]
    owned = [len(range(owner, len(grads), size)) for owner in range(size)]
    sent = [count * rows[rank] * C for count in owned]
    received = [owned[rank] * rows[r] * C for r in range(size)]
    there = grads[0].new_empty(sum(received))
    dist.all_to_all_single(there, torch.cat([grads[i].flatten() for i in order]), received, sent)
    if owned[rank]:
        parts = [part.view(owned[rank], -1, C) for part in torch.split(there, received)]
        whole = torch.cat(parts, dim=1)  # M of this owner, R, C
        blocks = torch.cat([square_blocks(matrix) for matrix in whole])
        updates = torch.split(orthogonalize(blocks), len(blocks) // len(whole))
        for matrix, update in zip(whole, updates, strict=True):
            square_blocks(matrix).copy_(update)
        there = torch.cat([part.flatten() for part in torch.split(whole, rows, dim=1)])
    back = grads[0].new_empty(sum(sent))
    dist.all_to_all_single(back, there, sent, received)
    found = dict(zip(order, back.view(len(order), rows[rank], C), strict=True))
    return [found[i] for i in range(len(grads))]
