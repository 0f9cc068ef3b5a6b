"""The model computes what the papers say, whichever way it is asked."""

import math

import pytest
import torch
from torch.nn import functional as F

from nanogpt_cli.config import ModelConfig
from nanogpt_cli.model.factory import make_model
from nanogpt_cli.model.gpt import GPT

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


def test_gpt2_has_the_papers_parameter_count():
    with torch.device("meta"):
        model = GPT(ModelConfig(1024, 12, 12, 768, 0.0, True, "default", "gpt2", vocab_size=50257))
    assert model.parameter_count() == 124_439_808


@pytest.mark.parametrize("arch", ARCHES)
@pytest.mark.parametrize("pos_embd", POSITIONS)
def test_the_first_loss_is_ln_v(pos_embd, arch):
    config = ModelConfig(64, 4, 4, 64, vocab_size=1000, pos_embd=pos_embd, arch=arch)
    ids = torch.randint(0, 1000, (8, 65))
    loss = make_model(config)(ids[:, :-1], ids[:, 1:]) / (8 * 64)
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
