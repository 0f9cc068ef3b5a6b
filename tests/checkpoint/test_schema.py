"""What is read from a checkpoint is checked entry by entry."""

import math
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch
from old_checkpoints import CHARACTERS, save

from nanogpt_cli.checkpoint.load import load_checkpoint, upgrade
from nanogpt_cli.checkpoint.schema import FIELDS, TRAINING_FIELDS, VERSION, Checkpoint
from nanogpt_cli.checkpoint.torchfile import read
from nanogpt_cli.config import ModelConfig
from nanogpt_cli.errors import CheckpointError


@pytest.fixture
def checkpoint(tiny):
    model = tiny(pos_embd="rope")
    return Checkpoint(
        config=model.config,
        model=model.state_dict(),
        tokenizer={"kind": "char", "characters": CHARACTERS, "special_tokens": {}},
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
        {"step": -1},
        {"step": 2**62},
        {"data": {"folder": "x" * 5000}},
        {"train_config": {"save_every": "9" * 5000}},
        {"train_config": {"max_iters": 10**290}},
        {"model_config": {"x" * 5000: 1}},
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


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("optimizers", {"state": {}}),
        ("scaler", [1]),
        ("watch", [1, 2]),
        ("machine", {"torch": ["2.0"]}),
        ("tokens", "many"),
        ("tokens", 1.5),
        ("seconds", torch.ones(1)),
        ("best_val_loss", None),
        ("evals_since_best", True),
        ("evaluated_at", {}),
        ("evaluations", "3"),
        ("scaler", {"scale": math.inf}),
        ("scaler", {"scale": 1.0, "more": torch.ones(1)}),
        ("watch", {"recent": [[math.inf, 1.0, 1.0]], "skipped": 0}),
        ("watch", {"recent": [[1, math.inf, 1.0]], "skipped": 0}),
        ("watch", {"recent": [[1, 1e200, 1.0]], "skipped": 0}),
        ("watch", {"recent": [[1, 1.0, torch.ones(2)]], "skipped": 0}),
        ("watch", {"recent": [[1, 1.0]], "skipped": 0}),
        ("watch", {"recent": [], "skipped": -1}),
        ("machine", {"torch": torch.ones(1)}),
        ("machine", {"torch": "x" * 2_000_000}),
        ("machine", {"threads": 2**900}),
        ("tokens", -1),
        ("tokens", 2**900),
        ("seconds", math.inf),
        ("seconds", math.nan),
        ("seconds", -1.0),
        ("seconds", 1e300),
        ("best_val_loss", math.nan),
        ("evals_since_best", -1),
        ("evaluated_at", 2**900),
        ("evaluations", 2**62),
    ],
)
def test_what_a_run_is_resumed_from_is_checked_by_name(checkpoint, name, value):
    training = {"optimizers": [], name: value}
    replace(checkpoint, training=training).save(Path("x.pt"))
    with pytest.raises(CheckpointError, match=rf"x\.pt is corrupt: training\.{name}"):
        load_checkpoint(Path("x.pt"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("scaler", None),
        ("scaler", {}),
        ("scaler", torch.amp.GradScaler("cpu").state_dict()),
        ("watch", {"recent": [[1, 3.5, math.inf], [2, 3.0, math.nan]], "skipped": 1}),
        ("best_val_loss", math.inf),
        ("evaluated_at", -1),
        ("seconds", 3),
        ("rng", [torch.ones(1)]),
    ],
)
def test_what_a_run_may_have_saved_is_accepted(checkpoint, name, value):
    replace(checkpoint, training={"optimizers": [], name: value}).save(Path("x.pt"))
    assert load_checkpoint(Path("x.pt")).training.keys() == {"optimizers", name}


def test_what_a_run_saves_is_what_is_checked(nanogpt, text_data):
    """No entry of a state that training saves is left without a check."""
    tiny = ["--n-layer=1", "--n-head=2", "--n-embd=16", "--block-size=16", "--batch-size=2",
            "--max-iters=2", "--eval-iters=1", "--sample-tokens=0", "--device=cpu"]  # fmt: skip
    assert nanogpt("train", *tiny, "--data-dir", text_data, "--out-dir", "out/x")[0] == 0
    saved = load_checkpoint(Path("out/x/last.pt"))
    assert saved.training.keys() == TRAINING_FIELDS.keys()
    assert {f.name for f in fields(Checkpoint)} - {"config"} == FIELDS.keys()


def test_a_corrupt_state_is_passed_over_for_the_one_before(nanogpt, text_data):
    tiny = ["--n-layer=1", "--n-head=2", "--n-embd=16", "--block-size=16", "--batch-size=2",
            "--eval-iters=1", "--sample-tokens=0", "--device=cpu"]  # fmt: skip
    command = ["train", *tiny, "--data-dir", text_data, "--out-dir", "out/x", "--keep=2"]
    assert nanogpt(*command, "--max-iters=2", "--save-every=1")[0] == 0
    content = torch.load("out/x/last.pt", weights_only=True)
    content["training"]["tokens"] = "many"
    torch.save(content, "out/x/last.pt")
    code, _, err = nanogpt("train", "--init-from=resume", "--out-dir=out/x", "--max-iters=3")
    assert code == 0, err
    assert "out/x/last.pt is corrupt: training.tokens" in err
