"""Old checkpoints become ours and compute the same."""

from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from old_checkpoints import RELATIVE, compiled, nanogpt_content, with_masks

from nanogpt_cli.checkpoint.load import upgrade
from nanogpt_cli.checkpoint.migrate import add_relative_table
from nanogpt_cli.checkpoint.migrations import Changes
from nanogpt_cli.checkpoint.weights import build_model
from nanogpt_cli.config import ModelConfig, TrainConfig
from nanogpt_cli.errors import CheckpointError
from nanogpt_cli.model.factory import make_model
from nanogpt_cli.training.optim import make_optimizers

IDS = torch.arange(32).view(2, 16)


def upgraded(content):
    return upgrade(content, Path("old.pt"))


def logits(checkpoint):
    with torch.no_grad():
        return build_model(checkpoint)(IDS)


def expected(content, **settings):
    """The logits of the old weights, put into a model without any migration."""
    args = {k: v for k, v in content["model_args"].items() if k != "pos_embd"}
    kind = {"arch": "gpt2", "pos_embd": "default", **settings}
    model = make_model(ModelConfig(**args, **kind)).eval()
    model.load_state_dict(content["model"])
    with torch.no_grad():
        return model(IDS)


@pytest.mark.parametrize("bias", [True, False])
def test_a_checkpoint_of_nanogpt_computes_the_same(bias):
    content = nanogpt_content(bias=bias)
    checkpoint, changes = upgraded(content)
    assert torch.equal(logits(checkpoint), expected(content))
    assert checkpoint.config.bias is bias
    assert checkpoint.config.block_size == 16
    assert checkpoint.step == 5
    assert checkpoint.val_loss == 3.25
    assert checkpoint.data == {"folder": "data/old"}
    assert checkpoint.chat_format is None
    assert changes.steps == ["name_the_config", "stamp"]


def test_it_keeps_nanogpts_training_settings_but_not_its_machine():
    checkpoint, _ = upgraded(nanogpt_content())
    kept = {
        "batch_size": 4, "gradient_accumulation_steps": 1, "learning_rate": 2e-3, "min_lr": 2e-4,
        "warmup_iters": 0, "max_iters": 9, "lr_decay_iters": 9,
    }  # fmt: skip
    assert kept.items() <= checkpoint.train_config.items()
    assert checkpoint.train_config["optimizer"] == "adamw"  # it knew no other
    assert checkpoint.train_config["beta2"] == 0.95  # its default
    assert not {"device", "dtype", "compile"} & checkpoint.train_config.keys()


@pytest.mark.parametrize("bias", [True, False])
def test_its_optimizer_resumes_with_the_right_moments(bias):
    content = nanogpt_content(bias=bias)
    checkpoint, _ = upgraded(content)
    model = make_model(checkpoint.config)
    model.load_state_dict(checkpoint.model)
    optimizers = make_optimizers(model, TrainConfig(optimizer="adamw"))
    optimizers.load_state_dict(checkpoint.training["optimizers"])
    (adam,) = optimizers.parts
    wpe = adam.state[model.transformer.wpe.weight]
    assert torch.equal(wpe["exp_avg"], content["optimizer"]["state"][1]["exp_avg"])
    assert all(state["exp_avg"].shape == p.shape for p, state in adam.state.items())
    assert len(adam.state) == len(list(model.parameters()))
    assert checkpoint.training["best_val_loss"] == 3.25


@pytest.mark.parametrize("change", [compiled, with_masks, lambda c: compiled(with_masks(c))])
def test_prefixes_and_masks_make_no_difference(change):
    content = nanogpt_content()
    checkpoint, changes = upgraded(change(content))
    assert torch.equal(logits(checkpoint), expected(content))
    assert len(changes.entries) > 5


def test_a_missing_head_is_tied_and_an_untied_one_refused():
    content = nanogpt_content()
    head = content["model"].pop("lm_head.weight")
    checkpoint, changes = upgraded(content)
    assert torch.equal(checkpoint.model["lm_head.weight"], head)
    assert "lm_head.weight" in {c.name for c in changes.entries if c.kind == "added"}
    content["model"]["lm_head.weight"] = head + 1
    with pytest.raises(CheckpointError, match=r"lm_head\.weight is not transformer\.wte\.weight"):
        upgraded(content)


@pytest.mark.parametrize("where", ["model_args", "config"])
@pytest.mark.parametrize("unused_table", [None, (31, 16)])
@pytest.mark.parametrize("pos_embd", ["default", "rope"])
def test_checkpoints_of_the_earlier_project(where, unused_table, pos_embd):
    content = nanogpt_content(pos_embd=pos_embd)
    old = expected(content, pos_embd=pos_embd)
    content[where]["pos_embd"] = pos_embd
    content["config"]["data_dir"] = "data/dialogues"
    if unused_table:
        content["model"][RELATIVE] = torch.ones(unused_table)
    checkpoint, _ = upgraded(content)
    assert checkpoint.config.pos_embd == pos_embd
    assert torch.equal(logits(checkpoint), old)
    assert checkpoint.data == {"folder": "data/dialogues"}
    assert checkpoint.chat_format == {"human": "<human>", "bot": "<bot>", "end": "<endOfText>"}
    relative = add_relative_table(checkpoint, Changes())
    assert relative.config.pos_embd == ("rope" if pos_embd == "rope" else "relative")


def test_an_unused_absolute_table_beside_rope_is_dropped():
    content = nanogpt_content()
    content["model_args"]["pos_embd"] = "rope"
    checkpoint, changes = upgraded(content)
    assert "transformer.wpe.weight" not in checkpoint.model
    assert ("dropped", "transformer.wpe.weight") in {(c.kind, c.name) for c in changes.entries}


@pytest.mark.parametrize("missing", ["optimizer", "config", "iter_num", "best_val_loss"])
def test_what_may_be_missing_may_be_missing(missing):
    content = nanogpt_content()
    del content[missing]
    checkpoint, _ = upgraded(content)
    assert torch.equal(logits(checkpoint), expected(content))
    if missing == "best_val_loss":
        assert "best_val_loss" not in checkpoint.training


def test_the_modern_block_of_version_1_stays_what_it_was():
    """Version 1 had neither a choice of norm (it was RMSNorm) nor n-grams."""
    torch.manual_seed(0)
    config = ModelConfig(16, 2, 2, 16, vocab_size=37, arch="modern", norm="rms", ngram_rows=0)
    model = make_model(config)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn_like(p) * 0.1)
    config = {k: v for k, v in asdict(model.config).items() if k not in ("norm", "ngram_rows")}
    content = {"format": "nanogpt", "version": 1, "model": model.state_dict(),
               "model_config": config}  # fmt: skip
    checkpoint, changes = upgraded(content)
    assert (checkpoint.config.norm, checkpoint.config.ngram_rows) == ("rms", 0)
    assert "stamp" in changes.steps
    ids = torch.randint(37, (2, 16))
    assert torch.equal(build_model(checkpoint)(ids), model.eval()(ids))
