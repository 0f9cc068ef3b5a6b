"""A Hugging Face folder of GPT-2 computes what transformers computes."""

import json
from pathlib import Path

import pytest
import safetensors.torch
import torch

from nanogpt_cli.checkpoint.load import load_checkpoint
from nanogpt_cli.checkpoint.weights import build_model
from nanogpt_cli.errors import CheckpointError

IDS = torch.arange(32).view(2, 16)


@pytest.fixture
def make_gpt2():
    """Write a tiny GPT-2 with transformers; return it, and the folder."""
    transformers = pytest.importorskip("transformers")

    def make(folder: str = "gpt2", **settings: object):
        shape = {"n_positions": 16, "n_layer": 2, "n_head": 2, "n_embd": 16, "vocab_size": 37}
        config = transformers.GPT2Config(
            **{**shape, "bos_token_id": 0, "eos_token_id": 0, **settings}
        )
        model = transformers.GPT2LMHeadModel(config).eval()
        with torch.no_grad():
            for p in model.parameters():
                p.add_(torch.randn_like(p) * 0.1)
        model.save_pretrained(folder)
        return model, Path(folder)

    return make


def edit(folder: Path, **settings: object) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | settings))


@pytest.mark.parametrize("gelu", ["gelu_new", "gelu"])
def test_the_logits_are_those_of_transformers(make_gpt2, gelu):
    theirs, folder = make_gpt2(activation_function=gelu)
    ours = build_model(load_checkpoint(folder))
    with torch.no_grad():
        torch.testing.assert_close(ours(IDS), theirs(IDS).logits, rtol=1e-5, atol=1e-6)
    assert ours.config.gelu == {"gelu_new": "tanh", "gelu": "erf"}[gelu]
    assert ours.config.bias


def test_openais_own_names_and_masks_are_read(make_gpt2):
    """The released gpt2 has no `transformer.` before its names, and stores its masks."""
    theirs, folder = make_gpt2()
    weights = {
        name.removeprefix("transformer."): tensor.clone()
        for name, tensor in theirs.state_dict().items()
        if name != "lm_head.weight"
    }
    weights["h.0.attn.bias"] = torch.ones(1, 1, 16, 16)
    safetensors.torch.save_file(weights, folder / "model.safetensors")
    ours = build_model(load_checkpoint(folder))
    with torch.no_grad():
        torch.testing.assert_close(ours(IDS), theirs(IDS).logits, rtol=1e-5, atol=1e-6)


def test_half_precision_is_read_as_float32(make_gpt2):
    theirs, folder = make_gpt2()
    theirs.half().save_pretrained(folder)
    ours = build_model(load_checkpoint(folder))
    with torch.no_grad():
        torch.testing.assert_close(ours(IDS), theirs.float()(IDS).logits, rtol=1e-5, atol=1e-6)


def test_the_tokenizer_is_gpt2s_where_the_vocabulary_is(make_gpt2):
    assert load_checkpoint(make_gpt2()[1]).tokenizer is None
    _, folder = make_gpt2("large", vocab_size=50257, n_embd=2)
    assert load_checkpoint(folder).tokenizer["kind"] == "gpt2"


@pytest.mark.parametrize(
    "settings",
    [
        {"model_type": "gptj"},
        {"activation_function": "relu"},
        {"activation_function": ["gelu"]},
        {"scale_attn_by_inverse_layer_idx": True},
        {"scale_attn_weights": False},
        {"layer_norm_epsilon": 1e-6},
        {"n_layer": 3},
        {"n_head": 3},
        {"n_embd": "16"},
        {"n_positions": 8},
    ],
    ids=str,
)
def test_what_is_not_a_gpt2_is_refused(make_gpt2, settings):
    _, folder = make_gpt2()
    edit(folder, **settings)
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(folder)
    assert str(folder) in caught.value.message
    assert caught.value.hint


def test_a_head_of_its_own_is_refused(make_gpt2):
    _, folder = make_gpt2(tie_word_embeddings=False)
    with pytest.raises(CheckpointError, match=r"lm_head\.weight"):
        load_checkpoint(folder)


@pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
@pytest.mark.parametrize("content", [None, b"", b"no json", b"\xff\xfe", b"[" * 100_000, b"[1]"])
def test_corrupt_and_missing_files_are_refused(make_gpt2, file, content):
    _, folder = make_gpt2()
    (folder / file).unlink()
    if content is not None:
        (folder / file).write_bytes(content)
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(folder)
    assert str(folder) in caught.value.message
