"""The modern architecture: n-grams, norms, and how it differs from GPT-2."""

import pytest
import torch

from nanogpt_cli.config import ModelConfig
from nanogpt_cli.errors import UsageError
from nanogpt_cli.model.factory import make_model


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


@pytest.mark.parametrize("pos_embd", ["default", "rope", "relative"])
def test_every_parameter_has_one_role(tiny, pos_embd):
    model = tiny(arch="modern", pos_embd=pos_embd, ngram_rows=8, bias=True)
    roles = [role for role, _ in model.roles()]
    assert [id(p) for _, p in model.roles()] == [id(p) for p in model.parameters()]
    assert roles.count("token") == roles.count("ngram") == 1
    assert roles.count("matrix") == 4 * model.config.n_layer


def test_the_head_and_what_adds_to_the_stream_start_at_zero():
    model = make_model(ModelConfig(16, 2, 2, 16, arch="modern", vocab_size=37))
    zero = {name for name, p in model.named_parameters() if not p.any()}
    assert zero == {
        "lm_head.weight", "transformer.ngram.tables.weight",
        *(f"transformer.h.{i}.{part}.c_proj.weight" for i in (0, 1) for part in ("attn", "mlp")),
    }  # fmt: skip


def test_early_checkpoints_have_rms_norm(tiny):
    layer, rms = tiny(arch="modern"), tiny(arch="modern", norm="rms")
    rms.load_state_dict(layer.state_dict())
    ids = torch.randint(0, 37, (1, 16))
    assert not torch.equal(layer(ids), rms(ids))
    x = torch.randn(3, 8) + 1
    torch.testing.assert_close(
        rms.transformer.ln_f(x), x / (x.square().mean(-1, keepdim=True) + 1e-7).sqrt()
    )


def test_without_ngrams_only_single_tokens_are_embedded(tiny):
    model = tiny(arch="modern", ngram_rows=0)
    assert model.ngram is None
    assert not any("ngram" in name for name in model.state_dict())
    assert model(torch.randint(0, 37, (1, 16))).isfinite().all()


def test_normalised_queries_and_keys_bound_the_scores(tiny):
    """What attention in bfloat16 relies on: at most sqrt(D), whatever the parameters."""
    model = tiny(arch="modern")
    attention = model.transformer.h[0].attn
    assert attention.bounded_scores
    assert not tiny().transformer.h[0].attn.bounded_scores
    q, k, _ = attention.heads(1000 * torch.randn(2, 16, 16))
    assert (q @ k.mT / 8**0.5).abs().max() <= 8**0.5 + 1e-3


def test_no_more_ngram_rows_than_the_hash_reaches():
    """Its 24 bits name 2**24 rows; more would be paid for and never used."""
    assert ModelConfig(arch="modern", ngram_rows=2**24).ngram_rows == 2**24
    with pytest.raises(UsageError, match="--ngram-rows 16777217 is out of range"):
        ModelConfig(arch="modern", ngram_rows=2**24 + 1)


def test_a_table_of_positions_starts_small():
    """Beside tokens of size 1 it need not outgrow noise of its own size first."""
    model = make_model(ModelConfig(64, 2, 2, 64, arch="modern", pos_embd="default", vocab_size=99))
    assert model.transformer.wpe.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert model.transformer.wte.weight.std().item() == pytest.approx(1.0, rel=0.05)
