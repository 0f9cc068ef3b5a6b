"""The model computes what the papers say, whichever way it is asked."""

import math

import pytest
import torch
from torch.nn import functional as F

from nanogpt_cli.config import ModelConfig
from nanogpt_cli.model import gpt as model_file
from nanogpt_cli.model.gpt import GPT, KVCache, rotate, rotation

POSITIONS = ["default", "rope", "relative"]
ARCHES = ["gpt2", "modern"]


@pytest.mark.parametrize("bias", [True, False])
def test_logits_equal_those_of_transformers_gpt2(tiny, bias):
    """Transformers' GPT-2 has biases always; without ours, its own are zero."""
    transformers = pytest.importorskip("transformers")
    ours = tiny(bias=bias, gelu="tanh")
    c = ours.config
    theirs = transformers.GPT2LMHeadModel(
        transformers.GPT2Config(
            vocab_size=c.vocab_size,
            n_positions=c.block_size,
            n_embd=c.n_embd,
            n_layer=c.n_layer,
            n_head=c.n_head,
        )
    ).eval()
    weights = {
        name: p.T if p.dim() == 2 and ".h." in name else p for name, p in ours.state_dict().items()
    }
    missing = theirs.load_state_dict(weights, strict=False).missing_keys
    assert bool(missing) is not bias
    with torch.no_grad():
        for name in missing:
            theirs.get_parameter(name).zero_()
        ids = torch.randint(0, c.vocab_size, (3, c.block_size))
        difference = (ours(ids) - theirs(ids).logits).abs().max()
    assert difference < 1e-5


def test_erf_and_tanh_gelu_differ(tiny):
    a, b = tiny(gelu="erf"), tiny(gelu="tanh")
    b.load_state_dict(a.state_dict())
    ids = torch.randint(0, 37, (1, 16))
    assert not torch.equal(a(ids), b(ids))


@pytest.mark.parametrize("arch", ARCHES)
@pytest.mark.parametrize("pos_embd", POSITIONS)
def test_no_position_sees_the_future(tiny, pos_embd, arch):
    model = tiny(pos_embd=pos_embd, arch=arch)
    ids = torch.randint(0, 37, (1, 16))
    for changed in range(1, 16):
        other = ids.clone()
        other[0, changed:] = (other[0, changed:] + 1) % 37
        before, after = model(ids)[0], model(other)[0]
        torch.testing.assert_close(before[:changed], after[:changed], rtol=0, atol=1e-6)
        assert not torch.allclose(before[changed], after[changed], atol=1e-4)


def test_rope_depends_on_distance_only():
    q, k = torch.randn(1, 1, 1, 8), torch.randn(1, 1, 1, 8)

    def score(at_q, at_k):
        turned = [rotate(x, *rotation(torch.tensor([at]), 8)) for x, at in ((q, at_q), (k, at_k))]
        return (turned[0] * turned[1]).sum()

    torch.testing.assert_close(score(5, 2), score(105, 102), rtol=1e-4, atol=1e-4)
    assert (score(5, 2) - score(5, 3)).abs() > 1e-3


def test_rope_keeps_lengths():
    x = torch.randn(2, 3, 16, 8)
    turned = rotate(x, *rotation(torch.arange(16), 8))
    torch.testing.assert_close(turned.norm(dim=-1), x.norm(dim=-1))
    assert torch.equal(turned[:, :, 0], x[:, :, 0])


def test_a_zero_relative_table_changes_nothing(tiny):
    absolute = tiny()
    relative = tiny(pos_embd="relative", absolute_table=True)
    table = "transformer.relative.relative_embeddings.weight"
    relative.load_state_dict({**absolute.state_dict(), table: torch.zeros(16, 2)})
    ids = torch.randint(0, 37, (2, 16))
    torch.testing.assert_close(relative(ids), absolute(ids), rtol=0, atol=1e-6)
    relative.load_state_dict({**absolute.state_dict(), table: torch.randn(16, 2)})
    assert not torch.allclose(relative(ids), absolute(ids), atol=1e-3)


def test_the_relative_bias_is_the_table_at_the_distance(tiny):
    bias = tiny(pos_embd="relative").transformer.relative
    table = bias.relative_embeddings.weight
    scores = bias(20, 20)[0]  # longer than the table of 16
    for t, s in [(0, 0), (7, 3), (15, 0), (19, 0), (19, 4)]:
        torch.testing.assert_close(scores[:, t, s], table[min(t - s, 15)])
    assert torch.isinf(scores[:, 3, 4]).all()
    torch.testing.assert_close(bias(1, 20)[0], scores[:, -1:])


def test_relative_and_rope_read_further_than_they_were_trained(tiny):
    ids = torch.randint(0, 37, (1, 40))
    for pos_embd in ("rope", "relative"):
        assert tiny(pos_embd=pos_embd)(ids).isfinite().all()
    with pytest.raises(ValueError, match="block_size"):
        tiny()(ids)


@pytest.mark.parametrize("arch", ARCHES)
@pytest.mark.parametrize("pos_embd", POSITIONS)
@pytest.mark.parametrize("pieces", [[16], [1] * 16, [5, 1, 1, 6, 3]])
def test_cached_decoding_equals_uncached(tiny, pos_embd, arch, pieces):
    model = tiny(pos_embd=pos_embd, arch=arch)
    ids = torch.randint(0, 37, (2, 16))
    cache = KVCache(model, batch=2)
    parts = [model.hidden(piece, cache) for piece in ids.split(pieces, dim=1)]
    torch.testing.assert_close(torch.cat(parts, 1), model.hidden(ids), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("pos_embd", POSITIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_attention_by_products_equals_the_fused_one(tiny, monkeypatch, pos_embd, dtype):
    """In training on a CPU attention is written out; torch's own is its naive twin."""
    model = tiny(pos_embd=pos_embd, arch="modern", n_embd=32).train()
    ids = torch.randint(0, 37, (3, 17))

    def step():
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            loss = model(ids[:, :-1], ids[:, 1:])
        loss.backward()
        return loss, {n: p.grad.clone() for n, p in model.named_parameters()}

    taken = []
    real = model_file._products_are_faster
    monkeypatch.setattr(
        model_file, "_products_are_faster", lambda *args: taken.append(real(*args)) or taken[-1]
    )
    loss, gradients = step()
    assert all(taken) is (dtype == torch.bfloat16 or pos_embd == "relative")
    monkeypatch.setattr(model_file, "_products_are_faster", lambda *args: False)
    twin, twins = step()
    exact = dtype == torch.float32
    torch.testing.assert_close(loss, twin, rtol=1e-5 if exact else 1e-2, atol=1e-5)
    for name, gradient in gradients.items():
        distance = (gradient - twins[name]).norm() / twins[name].norm()
        assert distance < (1e-4 if exact else 0.05), name


def test_a_run_of_tokens_has_the_same_embedding_wherever_it_stands(tiny):
    ngram = tiny(arch="modern", ngram_rows=4096).transformer.ngram
    a = torch.randint(0, 37, (1, 12))
    b = torch.cat([torch.randint(0, 37, (1, 5)), a], dim=1)
    torch.testing.assert_close(ngram(a, 12)[:, 3:], ngram(b, 17)[:, 8:])
    torch.testing.assert_close(ngram(b[:, -7:], 4), ngram(b, 17)[:, -4:])  # 3 earlier ids suffice
    other = a.clone()
    other[0, 4] = (other[0, 4] + 1) % 37
    changed = (ngram(a, 12) != ngram(other, 12)).any(-1)[0]
    assert changed.nonzero().flatten().tolist() == [4, 5, 6, 7]  # the run's four tokens


def test_gpt2_has_the_papers_parameter_count():
    with torch.device("meta"):
        model = GPT(ModelConfig(1024, 12, 12, 768, 0.0, True, "default", "gpt2", vocab_size=50257))
    assert model.parameter_count() == 124_439_808


@pytest.mark.parametrize("arch", ARCHES)
@pytest.mark.parametrize("pos_embd", POSITIONS)
def test_the_first_loss_is_ln_v(pos_embd, arch):
    config = ModelConfig(64, 4, 4, 64, vocab_size=1000, pos_embd=pos_embd, arch=arch)
    ids = torch.randint(0, 1000, (8, 65))
    loss = GPT(config)(ids[:, :-1], ids[:, 1:]) / (8 * 64)
    assert abs(loss.item() - math.log(1000)) < 0.05


def test_the_loss_leaves_out_targets_of_minus_one(tiny):
    model = tiny()
    ids = torch.randint(0, 37, (2, 16))
    targets = ids.roll(-1, 1)
    masked = targets.clone()
    masked[:, :8] = -1
    counted = model(ids)[:, 8:].flatten(0, 1), targets[:, 8:].flatten()
    wanted = F.cross_entropy(*counted, reduction="sum")
    torch.testing.assert_close(model(ids, masked), wanted)


def test_parameter_names_are_nanogpts(tiny):
    names = set(tiny(n_layer=1, bias=True).state_dict())
    block = "transformer.h.0."
    layers = ["attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj", "ln_1", "ln_2"]
    assert names == {
        "transformer.wte.weight", "transformer.wpe.weight", "lm_head.weight",
        "transformer.ln_f.weight", "transformer.ln_f.bias",
        *(f"{block}{layer}.{part}" for layer in layers for part in ("weight", "bias")),
    }  # fmt: skip


def test_gpt2_shares_its_token_table_with_the_head(tiny):
    model = tiny()
    assert model.lm_head.weight is model.transformer.wte.weight
    modern = tiny(arch="modern")
    assert modern.lm_head.weight is not modern.transformer.wte.weight


def test_dropout_only_while_training(tiny):
    model = tiny(dropout=0.5)
    ids = torch.randint(0, 37, (1, 16))
    assert torch.equal(model(ids), model(ids))
    model.train()
    assert not torch.equal(model(ids), model(ids))
