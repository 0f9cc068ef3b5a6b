"""Whatever a checkpoint holds, it is loaded with its tokenizer or refused."""

import os
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from old_checkpoints import (
    CHARACTERS,
    char_folder,
    compiled,
    nanogpt_content,
    save,
)

from nanogpt_cli.checkpoint.load import load_checkpoint, upgrade
from nanogpt_cli.errors import CheckpointError, DataError


def upgraded(content):
    return upgrade(content, Path("old.pt"))


def twice_named(content):
    return content | {"model": content["model"] | compiled(content)["model"]}


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"model": 3},
        {"model": {}},
        {"model": {}, "model_args": {}},
        {"model": {"a": torch.ones(1)}, "model_args": {"n_head": 2}},
        {"model": {"transformer.wte.weight": 1}, "model_args": {"n_head": 2}},
        {"model": {"transformer.wte.weight": torch.ones(3)}, "model_args": {"n_head": 2}},
        {"model": {5: torch.ones(3)}, "model_args": {"n_head": 2}},
        {"model": {"transformer.h": torch.ones(3)}, "model_args": {"n_head": 2}},
        nanogpt_content()["model"],
        nanogpt_content() | {"iter_num": "five"},
        nanogpt_content() | {"best_val_loss": torch.ones(3)},
        nanogpt_content() | {"model_args": [1]},
        nanogpt_content() | {"model_args": {"n_head": 5}},
        nanogpt_content() | {"model_args": {"n_head": 0}},
        nanogpt_content() | {"model_args": {"n_head": torch.ones(2)}},
        nanogpt_content() | {"config": {"pos_embd": "sinusoidal"}},
        nanogpt_content() | {"config": {"pos_embd": ["rope"]}},
        twice_named(nanogpt_content()),
    ],
)  # fmt: skip
def test_unusable_content_is_a_checkpoint_error(content):
    with pytest.raises(CheckpointError) as caught:
        upgraded(content)
    assert caught.value.message.startswith("old.pt")
    assert caught.value.hint


def test_the_tokenizer_comes_from_the_old_data_folder():
    char_folder(CHARACTERS)
    checkpoint = load_checkpoint(save(nanogpt_content()))
    assert checkpoint.tokenizer["characters"] == CHARACTERS


def test_the_tokenizer_comes_from_a_folder_that_is_named():
    folder = char_folder(CHARACTERS, Path("elsewhere"))
    path = save(nanogpt_content())
    assert load_checkpoint(path).tokenizer is None
    assert load_checkpoint(path, folder).tokenizer["characters"] == CHARACTERS


def test_a_large_vocabulary_is_gpt2s():
    checkpoint = load_checkpoint(save(nanogpt_content(vocab_size=50304, n_embd=2, n_layer=1)))
    assert checkpoint.tokenizer["kind"] == "gpt2"


def test_a_meta_pkl_in_the_current_folder_is_not_used():
    char_folder(CHARACTERS, Path("x"))
    Path("x/meta.pkl").rename("meta.pkl")
    content = nanogpt_content()
    del content["config"]
    assert load_checkpoint(save(content)).tokenizer is None


@pytest.mark.parametrize("characters", [CHARACTERS + "Z", CHARACTERS[:-1]])
def test_a_tokenizer_of_another_vocabulary_is_refused(characters):
    char_folder(characters)
    with pytest.raises(CheckpointError, match=r"tokens, the model 37") as caught:
        load_checkpoint(save(nanogpt_content()))
    assert "--data-dir" in caught.value.hint


def test_a_tokenizer_in_the_checkpoint_is_not_replaced_by_another():
    char_folder(CHARACTERS)
    load_checkpoint(save(nanogpt_content())).save(Path("new.pt"))
    assert load_checkpoint(Path("new.pt"), Path("data/old")).tokenizer["kind"] == "char"
    other = char_folder(CHARACTERS[::-1], Path("other"))
    with pytest.raises(CheckpointError, match="carries its own tokenizer"):
        load_checkpoint(Path("new.pt"), other)


def test_a_tokenizer_that_does_not_fit_its_own_checkpoint_is_refused():
    checkpoint, _ = upgraded(nanogpt_content())
    tokenizer = {"kind": "char", "characters": CHARACTERS + "Z", "special_tokens": {}}
    replace(checkpoint, tokenizer=tokenizer).save(Path("x.pt"))
    with pytest.raises(CheckpointError, match="38 tokens, the model 37"):
        load_checkpoint(Path("x.pt"))


def test_characters_may_be_padded_as_training_on_a_gpu_does():
    checkpoint, _ = upgraded(nanogpt_content(vocab_size=64))
    tokenizer = {"kind": "char", "characters": CHARACTERS, "special_tokens": {}}
    replace(checkpoint, tokenizer=tokenizer).save(Path("x.pt"))
    assert load_checkpoint(Path("x.pt")).tokenizer == tokenizer


def test_a_hostile_meta_pkl_is_refused_unexecuted():
    class Evil:
        def __reduce__(self):
            return os.system, ("touch executed",)

    folder = char_folder(CHARACTERS)
    (folder / "meta.pkl").write_bytes(pickle.dumps({"itos": Evil()}))
    with pytest.raises(DataError, match=r"meta\.pkl"):
        load_checkpoint(save(nanogpt_content()))
    assert not Path("executed").exists()
