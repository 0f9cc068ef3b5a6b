"""Fast attention and loss equal their naive twins, gradients included."""

import math

import pytest
import torch
from torch.nn import functional as F

from nanogpt_cli.model.kernels import (
    attend,
    attend_by_products,
    attend_fused,
    head_loss,
    products_are_faster,
    to_stream_type,
)

# --- attention ------------------------------------------------------------------------------------


def naive_attention(q, k, v, mask):
    """Attention as the paper writes it, in float64."""
    q, k, v = q.double(), k.double(), v.double()
    T, S = q.size(2), k.size(2)
    if mask is None:
        mask = torch.full((T, S), -math.inf).triu(S - T + 1)
    return (q @ k.mT / math.sqrt(q.size(-1)) + mask).softmax(-1) @ v


def queries_keys_values(T, S, dtype=torch.float32):
    sizes = (T, S, S)
    return [torch.randn(3, 2, n, 8).to(dtype).requires_grad_() for n in sizes]


def bias(T, S):
    later = torch.arange(S) > torch.arange(S - T, S)[:, None]
    return torch.randn(1, 2, T, S).masked_fill(later, -math.inf)


@pytest.mark.parametrize("way", [attend, attend_fused, attend_by_products])
@pytest.mark.parametrize(("T", "S"), [(1, 1), (1, 9), (9, 9), (4, 9)])
@pytest.mark.parametrize("biased", [True, False])
def test_every_way_equals_the_naive_twin(way, T, S, biased):
    q, k, v = queries_keys_values(T, S)
    mask = bias(T, S) if biased or 1 < T < S else None
    y, twin = way(q, k, v, mask, 0.0), naive_attention(q, k, v, mask)
    torch.testing.assert_close(y.double(), twin, rtol=1e-4, atol=1e-5)
    weights = torch.randn_like(y)
    grads = torch.autograd.grad((y * weights).sum(), (q, k, v))
    twins = torch.autograd.grad((twin * weights).sum(), (q, k, v))
    for got, want in zip(grads, twins, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("way", [attend_fused, attend_by_products])
def test_a_row_may_have_a_mask_of_its_own(way):
    q, k, v = queries_keys_values(4, 9)
    mask = torch.randn(3, 1, 4, 9).masked_fill(torch.rand(3, 1, 4, 9) < 0.3, -math.inf)
    mask[..., 0] = 0
    torch.testing.assert_close(
        way(q, k, v, mask, 0.0).double(), naive_attention(q, k, v, mask), rtol=1e-4, atol=1e-5
    )


def large_scores():
    """Queries and keys with a large part that all share: scores of about 70."""
    shared = 3 * torch.randn(1, 2, 1, 32)
    q, k = (0.3 * torch.randn(1, 2, 64, 32) + shared for _ in range(2))
    qkv = q, k, torch.randn(1, 2, 64, 32)
    return [part.bfloat16().requires_grad_() for part in qkv]


def distances(way, qkv, twin):
    """How far values and gradients are from the twin's, as a part of their size."""
    weights = torch.randn(1, 2, 64, 32)
    with torch.autocast("cpu", torch.bfloat16):
        y = way(*qkv)
    got = [y, *torch.autograd.grad(y, qkv, weights.to(y.dtype))]
    want = [twin, *torch.autograd.grad(twin, qkv, weights.double(), retain_graph=True)]
    return [((a - b).norm() / b.norm()).item() for a, b in zip(got, want, strict=True)]


@pytest.mark.parametrize("biased", [True, False])
def test_large_scores_are_not_rounded_to_bfloat16(biased):
    """From 64 to 128 bfloat16 has steps of a half: a weight could be wrong by a quarter."""
    qkv, mask = large_scores(), bias(64, 64).requires_grad_() if biased else None
    twin = naive_attention(*qkv, mask)
    y, *gradients = distances(lambda *qkv: attend(*qkv, mask), qkv, twin)
    assert y < 0.005
    assert max(gradients) < 0.04
    y, *gradients = distances(lambda *qkv: attend(*qkv, mask, bounded=True), qkv, twin)
    assert y > 0.05
    assert max(gradients) > 0.04


def test_a_bias_is_trained_in_bfloat16_too():
    q, k, v = queries_keys_values(9, 9, torch.bfloat16)
    mask = bias(9, 9).requires_grad_()
    got = torch.autograd.grad(attend(q, k, v, mask).float().square().sum(), mask)[0]
    want = torch.autograd.grad(naive_attention(q, k, v, mask).square().sum(), mask)[0]
    assert (got - want).norm() < 0.02 * want.norm()


def test_products_are_taken_where_they_are_faster():
    half = torch.randn(1, 1, 16, 8, dtype=torch.bfloat16)
    trained = torch.zeros(1, 1, 16, 16, requires_grad=True)
    assert products_are_faster(half, None)
    assert products_are_faster(half.float(), trained)
    assert not products_are_faster(half.float(), None)
    assert not products_are_faster(half.float(), trained.detach())
    assert not products_are_faster(torch.randn(1, 1, 513, 8).bfloat16(), None)
    with torch.no_grad():
        assert not products_are_faster(half, trained)


def test_dropped_scores_keep_the_mean():
    q, k, v = queries_keys_values(9, 9)
    for way in (attend_fused, attend_by_products):
        whole = way(q, k, v, None, 0.0)
        mean = torch.stack([way(q, k, v, None, 0.5) for _ in range(2000)]).mean(0)
        assert (mean - whole).abs().max() < 0.2


def test_the_stream_is_in_bfloat16_where_products_are():
    x = torch.randn(2, 3, 4)
    assert to_stream_type(x) is x
    with torch.autocast("cpu", torch.bfloat16):
        assert to_stream_type(x).dtype == torch.bfloat16


# --- the loss of the head -------------------------------------------------------------------------


def tensors():
    x = torch.randn(50, 16, requires_grad=True)
    weight = torch.randn(97, 16, requires_grad=True)
    targets = torch.randint(0, 97, (50,))
    targets[::7] = -1
    return x, weight, targets


@pytest.mark.parametrize("at_once", [97, 97 * 7, 97 * 41])
def test_chunks_equal_the_whole(at_once):
    x, weight, targets = tensors()
    whole = F.cross_entropy(x @ weight.T, targets, ignore_index=-1, reduction="sum")
    wanted = torch.autograd.grad(3 * whole, (x, weight))
    loss = head_loss(x, weight, targets, at_once)
    assert "Chunked" in type(loss.grad_fn).__name__
    torch.testing.assert_close(loss, whole)
    for got, want in zip(torch.autograd.grad(3 * loss, (x, weight)), wanted, strict=True):
        torch.testing.assert_close(got, want)


def test_in_bfloat16_the_chunks_are_near():
    x, weight, targets = tensors()
    whole = F.cross_entropy(x @ weight.T, targets, ignore_index=-1, reduction="sum")
    wanted = torch.autograd.grad(whole, (x, weight))
    with torch.autocast("cpu", torch.bfloat16):
        loss = head_loss(x, weight, targets, 97 * 8)
    torch.testing.assert_close(loss, whole, rtol=2e-2, atol=0)
    for got, want in zip(torch.autograd.grad(loss, (x, weight)), wanted, strict=True):
        assert got.dtype == torch.float32
        assert (got - want).norm() < 0.03 * want.norm()


def test_without_gradients_it_gives_the_loss_alone():
    x, weight, targets = (t.detach() for t in tensors())
    whole = F.cross_entropy(x @ weight.T, targets, ignore_index=-1, reduction="sum")
    torch.testing.assert_close(head_loss(x, weight, targets, 97 * 8), whole)
