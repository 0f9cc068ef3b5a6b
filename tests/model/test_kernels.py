"""The chunked loss is cross-entropy, its gradients included."""

import pytest
import torch
from torch.nn import functional as F

from nanogpt_cli.model import kernels as file
from nanogpt_cli.model.kernels import head_loss


def tensors():
    x = torch.randn(50, 16, requires_grad=True)
    weight = torch.randn(97, 16, requires_grad=True)
    targets = torch.randint(0, 97, (50,))
    targets[::7] = -1
    return x, weight, targets


@pytest.mark.parametrize("at_once", [97, 97 * 7, 97 * 49])
def test_chunks_equal_the_whole(monkeypatch, at_once):
    x, weight, targets = tensors()
    whole = F.cross_entropy(x @ weight.T, targets, ignore_index=-1, reduction="sum")
    wanted = torch.autograd.grad(3 * whole, (x, weight))
    monkeypatch.setattr(file, "LOGITS_AT_ONCE", at_once)
    loss = head_loss(x, weight, targets)
    assert "Chunked" in type(loss.grad_fn).__name__
    torch.testing.assert_close(loss, whole)
    for got, want in zip(torch.autograd.grad(3 * loss, (x, weight)), wanted, strict=True):
        torch.testing.assert_close(got, want)


def test_in_bfloat16_the_chunks_are_near(monkeypatch):
    x, weight, targets = tensors()
    whole = F.cross_entropy(x @ weight.T, targets, ignore_index=-1, reduction="sum")
    wanted = torch.autograd.grad(whole, (x, weight))
    monkeypatch.setattr(file, "LOGITS_AT_ONCE", 97 * 8)
    with torch.autocast("cpu", torch.bfloat16):
        loss = head_loss(x, weight, targets)
    torch.testing.assert_close(loss, whole, rtol=2e-2, atol=0)
    for got, want in zip(torch.autograd.grad(loss, (x, weight)), wanted, strict=True):
        assert got.dtype == torch.float32
        assert (got - want).norm() < 0.03 * want.norm()


def test_without_gradients_it_gives_the_loss_alone(monkeypatch):
    x, weight, targets = (t.detach() for t in tensors())
    monkeypatch.setattr(file, "LOGITS_AT_ONCE", 97 * 8)
    whole = F.cross_entropy(x @ weight.T, targets, ignore_index=-1, reduction="sum")
    torch.testing.assert_close(head_loss(x, weight, targets), whole)
