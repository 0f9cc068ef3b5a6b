"""Old checkpoints become ours and compute the same."""

import os
import pickle
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from old_checkpoints import (
    CHARACTERS,
    RELATIVE,
    char_folder,
    compiled,
    nanogpt_content,
    save,
    with_masks,
)

from nanogpt_cli.checkpoint import migrations as migrate
from nanogpt_cli.config import ModelConfig, TrainConfig
from nanogpt_cli.errors import CheckpointError, DataError
from nanogpt_cli.model.factory import make_model
from nanogpt_cli.training.optim import make_optimizers

IDS = torch.arange(32).view(2, 16)
PATH = Path("old.pt")


def upgrade(content):
    return migrate.upgrade(content, PATH)


def logits(checkpoint):
    with torch.no_grad():
        return migrate.make_model(checkpoint)(IDS)


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
    checkpoint, changes = upgrade(content)
    assert torch.equal(logits(checkpoint), expected(content))
    assert checkpoint.config.bias is bias
    assert checkpoint.config.block_size == 16
    assert checkpoint.step == 5
    assert checkpoint.val_loss == 3.25
    assert checkpoint.data == {"folder": "data/old"}
    assert checkpoint.chat_format is None
    assert changes.steps == ["name_the_config", "stamp"]


def test_it_keeps_nanogpts_training_settings_but_not_its_machine():
    checkpoint, _ = upgrade(nanogpt_content())
    told = {
        "batch_size": 4, "gradient_accumulation_steps": 1, "learning_rate": 2e-3, "min_lr": 2e-4,
        "warmup_iters": 0, "max_iters": 9, "lr_decay_iters": 9,
    }  # fmt: skip
    assert told.items() <= checkpoint.train_config.items()
    assert checkpoint.train_config["optimizer"] == "adamw"  # it knew no other
    assert checkpoint.train_config["beta2"] == 0.95  # its default
    assert not {"device", "dtype", "compile"} & checkpoint.train_config.keys()


@pytest.mark.parametrize("bias", [True, False])
def test_its_optimizer_goes_on_with_the_right_moments(bias):
    content = nanogpt_content(bias=bias)
    checkpoint, _ = upgrade(content)
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
    checkpoint, changes = upgrade(change(content))
    assert torch.equal(logits(checkpoint), expected(content))
    assert len(changes.entries) > 5


def test_a_missing_head_is_tied_and_an_untied_one_refused():
    content = nanogpt_content()
    head = content["model"].pop("lm_head.weight")
    checkpoint, changes = upgrade(content)
    assert torch.equal(checkpoint.model["lm_head.weight"], head)
    assert "lm_head.weight" in {c.name for c in changes.entries if c.kind == "added"}
    content["model"]["lm_head.weight"] = head + 1
    with pytest.raises(CheckpointError, match=r"lm_head\.weight is not transformer\.wte\.weight"):
        upgrade(content)


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
    checkpoint, _ = upgrade(content)
    assert checkpoint.config.pos_embd == pos_embd
    assert torch.equal(logits(checkpoint), old)
    assert checkpoint.data == {"folder": "data/dialogues"}
    assert checkpoint.chat_format == {"human": "<human>", "bot": "<bot>", "end": "<endOfText>"}
    relative = migrate.add_relative_table(checkpoint, migrate.Changes())
    assert relative.config.pos_embd == ("rope" if pos_embd == "rope" else "relative")


def test_an_unused_absolute_table_beside_rope_is_dropped():
    content = nanogpt_content()
    content["model_args"]["pos_embd"] = "rope"
    checkpoint, changes = upgrade(content)
    assert "transformer.wpe.weight" not in checkpoint.model
    assert ("dropped", "transformer.wpe.weight") in {(c.kind, c.name) for c in changes.entries}


def test_a_relative_table_of_another_shape_is_refused_by_name_and_shapes():
    content = nanogpt_content(pos_embd="relative")
    content["model_args"]["pos_embd"] = "relative"
    content["model"][RELATIVE] = torch.zeros(31, 8)
    with pytest.raises(CheckpointError) as caught:
        upgrade(content)
    assert f"{RELATIVE} (31, 8) for (16, 2)" in caught.value.message


def test_a_zero_relative_table_changes_nothing_at_all():
    before, changes = upgrade(nanogpt_content(block_size=64))
    after = migrate.add_relative_table(before, changes)
    assert after.config.pos_embd == "relative"
    assert after.model[RELATIVE].shape == (64, 2)
    assert not after.model[RELATIVE].any()
    assert torch.equal(
        after.model["transformer.wpe.weight"], before.model["transformer.wpe.weight"]
    )
    assert after.training is None
    assert migrate.largest_difference(before, after) == 0


def test_the_proof_sees_a_difference():
    before, changes = upgrade(nanogpt_content())
    after = migrate.add_relative_table(before, changes)
    after.model[RELATIVE][15, 1] = 0.5  # the farthest distance of one head
    assert migrate.largest_difference(before, after) > 1e-6


def test_every_kind_of_position_is_migrated_once():
    for pos_embd in ("rope", "relative"):
        content = nanogpt_content(pos_embd=pos_embd)
        content["model_args"]["pos_embd"] = pos_embd
        checkpoint, changes = upgrade(content)
        assert migrate.add_relative_table(checkpoint, changes) is checkpoint


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
    ("content", "told"),
    [
        ({"transformer__ln_f__weight": None}, "missing: transformer.ln_f.weight"),
        ({"transformer__extra": torch.ones(1)}, "unknown: transformer.extra"),
        ({"transformer__wpe__weight": torch.ones(16, 8)}, "wpe.weight (16, 8) for (16, 16)"),
        ({"transformer__ln_f__weight": torch.ones(16, dtype=torch.int64)}, "not of real numbers"),
        ({"transformer__ln_f__weight": torch.tensor([1.0] * 15 + [torch.nan])}, "not finite"),
        ({"transformer__wpe__weight": torch.full((16, 16), torch.inf)}, "not finite"),
    ],
)
def test_wrong_weights_are_named(content, told):
    with pytest.raises(CheckpointError) as caught:
        upgrade(broken(**content))
    assert told in caught.value.message
    assert caught.value.hint


def twice_named(content):
    return content | {"model": content["model"] | compiled(content)["model"]}


def test_nan_in_the_token_table_is_told_as_such():
    content = nanogpt_content()
    content["model"]["lm_head.weight"][0, 0] = torch.nan  # the head is the table
    with pytest.raises(CheckpointError, match="not finite"):
        migrate.load(save(content))


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
def test_no_content_is_a_bug(content):
    with pytest.raises(CheckpointError) as caught:
        upgrade(content)
    assert caught.value.message.startswith("old.pt")
    assert caught.value.hint


@pytest.mark.parametrize("missing", ["optimizer", "config", "iter_num", "best_val_loss"])
def test_what_may_be_missing_may_be_missing(missing):
    content = nanogpt_content()
    del content[missing]
    checkpoint, _ = upgrade(content)
    assert torch.equal(logits(checkpoint), expected(content))
    if missing == "best_val_loss":
        assert "best_val_loss" not in checkpoint.training


def test_the_modern_block_of_version_1_stays_what_it_was():
    """Version 1 knew neither the choice of norm nor n-grams: RMSNorm and none, it was."""
    torch.manual_seed(0)
    model = make_model(
        ModelConfig(16, 2, 2, 16, vocab_size=37, arch="modern", norm="rms", ngram_rows=0)
    )
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn_like(p) * 0.1)
    config = {k: v for k, v in asdict(model.config).items() if k not in ("norm", "ngram_rows")}
    content = {"format": "nanogpt", "version": 1, "model": model.state_dict(),
               "model_config": config}  # fmt: skip
    checkpoint, changes = migrate.upgrade(content, Path("old.pt"))
    assert (checkpoint.config.norm, checkpoint.config.ngram_rows) == ("rms", 0)
    assert "stamp" in changes.steps
    ids = torch.randint(37, (2, 16))
    assert torch.equal(migrate.make_model(checkpoint)(ids), model.eval()(ids))


def test_weights_of_half_precision_are_computed_in_float32():
    content = nanogpt_content()
    content["model"] = {name: t.half() for name, t in content["model"].items()}
    content["model"]["transformer.ln_f.weight"] = torch.ones(16)
    checkpoint, _ = upgrade(content)
    assert logits(checkpoint).dtype == torch.float32


# --- tokenizers -----------------------------------------------------------------------------------


def test_the_tokenizer_comes_from_the_old_data_folder():
    char_folder(CHARACTERS)
    checkpoint = migrate.load(save(nanogpt_content()))
    assert checkpoint.tokenizer["characters"] == CHARACTERS


def test_the_tokenizer_comes_from_a_folder_that_is_named():
    folder = char_folder(CHARACTERS, Path("elsewhere"))
    path = save(nanogpt_content())
    assert migrate.load(path).tokenizer is None
    assert migrate.load(path, folder).tokenizer["characters"] == CHARACTERS


def test_a_large_vocabulary_is_gpt2s():
    checkpoint = migrate.load(save(nanogpt_content(vocab_size=50304, n_embd=2, n_layer=1)))
    assert checkpoint.tokenizer["kind"] == "gpt2"


def test_a_meta_pkl_in_the_present_folder_is_nobodys():
    char_folder(CHARACTERS, Path("x"))
    Path("x/meta.pkl").rename("meta.pkl")
    content = nanogpt_content()
    del content["config"]
    assert migrate.load(save(content)).tokenizer is None


@pytest.mark.parametrize("characters", [CHARACTERS + "Z", CHARACTERS[:-1]])
def test_a_tokenizer_of_another_vocabulary_is_refused(characters):
    char_folder(characters)
    with pytest.raises(CheckpointError, match=r"tokens, the model 37") as caught:
        migrate.load(save(nanogpt_content()))
    assert "--data-dir" in caught.value.hint


def test_a_tokenizer_in_the_checkpoint_is_not_replaced_by_another():
    char_folder(CHARACTERS)
    migrate.load(save(nanogpt_content())).save(Path("new.pt"))
    assert migrate.load(Path("new.pt"), Path("data/old")).tokenizer["kind"] == "char"
    other = char_folder(CHARACTERS[::-1], Path("other"))
    with pytest.raises(CheckpointError, match="carries its own tokenizer"):
        migrate.load(Path("new.pt"), other)


def test_a_tokenizer_that_does_not_fit_its_own_checkpoint_is_refused():
    checkpoint, _ = upgrade(nanogpt_content())
    words = {"kind": "char", "characters": CHARACTERS + "Z", "special_tokens": {}}
    replace(checkpoint, tokenizer=words).save(Path("x.pt"))
    with pytest.raises(CheckpointError, match="38 tokens, the model 37"):
        migrate.load(Path("x.pt"))


def test_characters_may_be_padded_as_training_on_a_gpu_does():
    checkpoint, _ = upgrade(nanogpt_content(vocab_size=64))
    words = {"kind": "char", "characters": CHARACTERS, "special_tokens": {}}
    replace(checkpoint, tokenizer=words).save(Path("x.pt"))
    assert migrate.load(Path("x.pt")).tokenizer == words


def test_a_hostile_meta_pkl_is_refused_unexecuted():
    class Evil:
        def __reduce__(self):
            return os.system, ("touch executed",)

    folder = char_folder(CHARACTERS)
    (folder / "meta.pkl").write_bytes(pickle.dumps({"itos": Evil()}))
    with pytest.raises(DataError, match=r"meta\.pkl"):
        migrate.load(save(nanogpt_content()))
    assert not Path("executed").exists()
