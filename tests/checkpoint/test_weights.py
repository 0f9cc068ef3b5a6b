"""Tensors that do not fit their configuration are named; the others make a model."""

import weakref
from pathlib import Path

import pytest
import torch
from old_checkpoints import RELATIVE, nanogpt_content, save

from nanogpt_cli.checkpoint.load import load_checkpoint, upgrade
from nanogpt_cli.checkpoint.schema import Checkpoint
from nanogpt_cli.checkpoint.weights import build_model, take_model
from nanogpt_cli.errors import CheckpointError


def upgraded(content):
    return upgrade(content, Path("old.pt"))


def broken(**weights):
    content = nanogpt_content()
    for name, tensor in weights.items():
        name = name.replace("__", ".")
        if tensor is None:
            del content["model"][name]
        else:
            content["model"][name] = tensor
    return content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"transformer__ln_f__weight": None}, "missing: transformer.ln_f.weight"),
        ({"transformer__extra": torch.ones(1)}, "unknown: transformer.extra"),
        ({"transformer__wpe__weight": torch.ones(16, 8)}, "wpe.weight (16, 8) for (16, 16)"),
        ({"transformer__ln_f__weight": torch.ones(16, dtype=torch.int64)}, "not of real numbers"),
        ({"transformer__ln_f__weight": torch.tensor([1.0] * 15 + [torch.nan])}, "not finite"),
        ({"transformer__wpe__weight": torch.full((16, 16), torch.inf)}, "not finite"),
    ],
)
def test_wrong_weights_are_named(content, message):
    with pytest.raises(CheckpointError) as caught:
        upgraded(broken(**content))
    assert message in caught.value.message
    assert caught.value.hint


def test_nan_in_the_token_table_is_named():
    content = nanogpt_content()
    content["model"]["lm_head.weight"][0, 0] = torch.nan  # the head is the table
    with pytest.raises(CheckpointError, match="not finite"):
        load_checkpoint(save(content))


def test_a_relative_table_of_another_shape_is_refused_by_name_and_shapes():
    content = nanogpt_content(pos_embd="relative")
    content["model_args"]["pos_embd"] = "relative"
    content["model"][RELATIVE] = torch.zeros(31, 8)
    with pytest.raises(CheckpointError) as caught:
        upgraded(content)
    assert f"{RELATIVE} (31, 8) for (16, 2)" in caught.value.message


def test_weights_of_half_precision_are_computed_in_float32():
    content = nanogpt_content()
    content["model"] = {name: t.half() for name, t in content["model"].items()}
    content["model"]["transformer.ln_f.weight"] = torch.ones(16)
    checkpoint, _ = upgraded(content)
    model = build_model(checkpoint)
    assert model(torch.arange(32).view(2, 16)).dtype == torch.float32


# --- tokenizers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("pos_embd", ["default", "rope", "relative"])
@pytest.mark.parametrize("arch", ["gpt2", "modern"])
def test_a_model_that_takes_the_weights_leaves_none_behind(tiny, arch, pos_embd):
    made = tiny(arch=arch, pos_embd=pos_embd)
    Checkpoint(made.config, made.state_dict()).save(Path("x.pt"))
    checkpoint = load_checkpoint(Path("x.pt"))
    kept = {name: tensor.clone() for name, tensor in checkpoint.model.items()}
    held = [weakref.ref(tensor) for tensor in checkpoint.model.values()]
    model = take_model(checkpoint)
    assert checkpoint.model == {}
    assert [ref for ref in held if ref() is not None] == []
    assert model.training
    assert model.state_dict().keys() == kept.keys()
    assert all(torch.equal(tensor, kept[name]) for name, tensor in model.state_dict().items())
    assert len(list(model.parameters())) == len(list(made.parameters()))  # a tied head counts once
    for p in model.parameters():
        assert p.is_leaf
        assert p.requires_grad
        assert p.data_ptr() % 64 == 0  # as torch allocates: rounding must not depend on it
        assert p.is_contiguous()
