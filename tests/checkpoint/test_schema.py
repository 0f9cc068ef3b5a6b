"""What is read from a checkpoint is checked entry by entry."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from old_checkpoints import save

from nanogpt_cli.checkpoint.load import load_checkpoint, upgrade
from nanogpt_cli.checkpoint.schema import VERSION, Checkpoint
from nanogpt_cli.checkpoint.torchfile import read
from nanogpt_cli.config import ModelConfig
from nanogpt_cli.errors import CheckpointError


@pytest.fixture
def checkpoint(tiny):
    model = tiny(pos_embd="rope")
    return Checkpoint(
        config=model.config,
        model=model.state_dict(),
        tokenizer={"kind": "char", "characters": "ab", "special_tokens": {}},
        chat_format={"human": "<h>", "bot": "<b>", "end": "<e>"},
        data={"folder": "data/x", "fingerprint": "f"},
        train_config={"max_iters": 7},
        step=3,
        val_loss=1.5,
        training={"optimizers": [{"state": {0: torch.ones(2)}}], "rng": torch.get_rng_state()},
    )


@pytest.mark.parametrize(
    "damage",
    [
        {"model_config": None},
        {"model_config": {"n_layer": "2"}},
        {"model_config": {"n_layer": 0}},
        {"model_config": {"block_size": True}},
        {"model_config": {"n_embd": 10**400}},
        {"model_config": {"n_layer": 10**9}},
        {"model_config": {"vocab_size": -1}},
        {"model_config": {"n_embd": 2**62}},
        {"model_config": {"gelu": []}},
        {"model_config": {"from_the_future": 1}},
        {"model_config": {1: 1}},
        {"model": [1]},
        {"model": {"transformer.wte.weight": torch.ones(37, 16, dtype=torch.int64)}},
        {"model": {"transformer.wte.weight": 1.0}},
        {"model": {3: torch.ones(1)}},
        {"tokenizer": "gpt2"},
        {"tokenizer": {"kind": "char"}},
        {"chat_format": ["<human>"]},
        {"step": "3"},
        {"training": 1},
        {"data": None},
    ],
    ids=str,
)
def test_a_corrupt_checkpoint_of_our_own_is_refused(checkpoint, damage):
    checkpoint.save(Path("x.pt"))
    content = torch.load("x.pt", weights_only=True)
    for key, value in damage.items():
        merge = isinstance(value, dict) and isinstance(content[key], dict) and key != "tokenizer"
        content[key] = {**content[key], **value} if merge else value
    with pytest.raises(CheckpointError):
        load_checkpoint(save(content, "x.pt"))


def test_a_checkpoint_of_a_newer_version_is_refused_as_such(checkpoint):
    checkpoint.save(Path("x.pt"))
    content = torch.load("x.pt", weights_only=True)
    with pytest.raises(CheckpointError, match="made by a newer nanogpt") as caught:
        load_checkpoint(save(content | {"version": VERSION + 1, "model": "in a new form"}, "x.pt"))
    assert caught.value.hint == "update nanogpt"


def test_the_configuration_comes_back_as_it_was(checkpoint):
    config = ModelConfig(**{**vars(checkpoint.config), "dropout": 0.25})
    replace(checkpoint, config=config).save(Path("x.pt"))
    assert upgrade(read(Path("x.pt")), Path("x.pt"))[0].config == config
