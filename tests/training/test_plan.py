"""What was asked for becomes a run, or a clear refusal before anything is written."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from old_checkpoints import CHARACTERS, RELATIVE, char_folder, nanogpt_content, save
from short_runs import events

from nanogpt_cli import cli
from nanogpt_cli.api import export
from nanogpt_cli.checkpoint import hub
from nanogpt_cli.checkpoint.load import load, load_checkpoint
from nanogpt_cli.checkpoint.schema import Checkpoint
from nanogpt_cli.checkpoint.weights import build_model, check_weights
from nanogpt_cli.config import PRESETS, ModelConfig, TrainConfig, config_fields
from nanogpt_cli.configfile import read_config
from nanogpt_cli.data.prepare import PrepareOptions, prepare
from nanogpt_cli.data.store import open_dataset
from nanogpt_cli.errors import CheckpointError, DataError, UsageError
from nanogpt_cli.evaluation.loss import evaluate_loss, evaluation_windows, token_byte_counts
from nanogpt_cli.model.factory import make_model
from nanogpt_cli.tokenizer import load as tokenizer
from nanogpt_cli.training.loop import train
from nanogpt_cli.training.plan import Request, make_run

SMALL = {"n_layer": 2, "n_head": 2, "n_embd": 16, "block_size": 16,
         "arch": "gpt2", "pos_embd": "default"}  # fmt: skip
FAST = {"max_iters": 3, "batch_size": 2, "eval_iters": 1, "sample_tokens": 0, "device": "cpu"}


def plan(**settings):
    request = {k: settings.pop(k) for k in Request.__dataclass_fields__ if k in settings}
    return make_run(Request(settings={"device": "cpu", **settings}, **request))


def write_checkpoint(path, data_dir="data/hamlet", **settings) -> Checkpoint:
    """Write a model with random weights that was trained on this data."""
    data = open_dataset(Path(data_dir))
    config = ModelConfig(**{**SMALL, "vocab_size": data.vocab_size, **settings})
    checkpoint = Checkpoint(
        config=config,
        model=make_model(config).state_dict(),
        tokenizer=data.tokenizer.to_dict(),
        data={"folder": str(data.folder), "fingerprint": data.fingerprint},
        train_config=asdict(TrainConfig(max_iters=50, seed=7)),
        step=20,
    )
    checkpoint.save(Path(path))
    return checkpoint


def refusal(error, **settings):
    before = sorted(Path().rglob("*"))
    with pytest.raises(error) as caught:
        plan(**settings)
    assert caught.value.hint
    assert sorted(Path().rglob("*")) == before
    return caught.value.message


# --- settings laid over each other ----------------------------------------------------------------


def test_with_nothing_asked_it_takes_the_newest_data_and_the_quick_preset(text_data):
    run = plan(preset="auto")
    assert run.dataset.folder == text_data
    assert run.out_dir == Path("out/hamlet-rope")
    assert run.model_config == ModelConfig(vocab_size=run.dataset.vocab_size)
    assert run.config == TrainConfig(device="cpu")
    assert not Path("out").exists()


def test_the_learning_rate_fits_optimizer_width_and_batch(text_data):
    def rate(**settings):
        return plan(**settings).config.learning_rate

    assert rate(batch_size=2) == pytest.approx(rate() / 2)  # the root of the batch
    assert rate(n_embd=64) == rate() == rate(n_embd=256)  # Muon's updates know the width
    assert rate(optimizer="adamw") == 1e-3
    assert rate(optimizer="adamw", n_embd=768) == pytest.approx(5e-4)
    assert rate(batch_size=2, learning_rate=0.5) == 0.5
    assert rate(preset="shakespeare-char-cpu", batch_size=1) == 1e-3


def test_what_is_asked_for_is_stronger_than_the_preset(text_data):
    run = plan(preset="shakespeare-char-cpu", n_layer=3, weight_decay=0.5)
    assert run.model_config.n_layer == 3
    assert run.model_config.n_head == PRESETS["shakespeare-char-cpu"]["n_head"]
    assert run.config.weight_decay == 0.5
    assert run.config.beta2 == 0.99


def test_the_command_line_is_stronger_than_the_file(text_data, capsys):
    Path("x.toml").write_text("preset = 'shakespeare-char-cpu'\n[model]\nn_layer = 3\nn_head = 2\n")
    args = ["--config", "x.toml", "--n_layer=1", "--device=cpu", "--dry-run", "--json"]
    assert cli.run(["train", *args]) == 0
    width, vocab, block = 128, open_dataset(text_data).vocab_size, 64
    expected = ModelConfig(
        n_layer=1, n_head=2, n_embd=width, vocab_size=vocab, block_size=block, bias=False,
        arch="gpt2", pos_embd="default",
    )  # fmt: skip
    document = json.loads(capsys.readouterr().out)
    assert document["parameters"] == make_model(expected).parameter_count()
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("x.toml", "n_layers = 2"),
        ("x.toml", "n_layer = = 2"),
        ("x.toml", "n_layer = 'two'"),
        ("x.toml", "n_layer = 2.5"),
        ("x.toml", "n_layer = inf"),
        ("x.toml", "n_layer = true"),
        ("x.toml", "bias = 1"),
        ("x.toml", "compile = 'yes'"),
        ("x.toml", "device = 0"),
        ("x.toml", "learning_rate = 'fast'"),
        ("x.toml", "learning_rate = nan"),
        ("x.toml", f"learning_rate = 1{'0' * 400}"),
        ("x.toml", "max_iters = '5'"),
        ("x.toml", "time = 'soon'"),
        ("x.toml", "pos_embd = ['rope']"),
        ("x.py", "n_layer = None"),
        ("x.py", "learning_rate = 1j"),
    ],
)
def test_wrong_values_in_a_file_are_usage_errors(text_data, name, line):
    Path(name).write_text(line)
    with pytest.raises(UsageError) as caught:
        plan(**read_config(Path(name), config_fields(ModelConfig, TrainConfig)))
    assert caught.value.hint


def test_whole_floats_and_ints_are_taken_for_each_other(text_data):
    run = plan(learning_rate=1, max_iters=5.0, grad_clip=2)
    assert (run.config.learning_rate, run.config.max_iters) == (1.0, 5)
    assert type(run.config.learning_rate) is float
    assert type(run.config.max_iters) is int


def test_a_file_may_write_a_time_as_the_command_line_does(text_data):
    Path("x.toml").write_text('time = "20m"')
    assert plan(**read_config(Path("x.toml"), ["time"])).config.time == 1200


def test_min_lr_follows_a_learning_rate_that_is_asked_for(text_data):
    run = plan(preset="shakespeare-char-cpu", learning_rate=5e-5)
    assert run.config.min_lr == pytest.approx(5e-6)
    run = plan(preset="shakespeare-char-cpu", learning_rate=5e-5, min_lr=1e-5)
    assert run.config.min_lr == 1e-5


def test_the_schedule_follows_a_length_that_is_asked_for(text_data):
    run = plan(preset="gpt2", max_iters=50)
    assert (run.config.warmup_iters, run.config.lr_decay_iters) == (5, 0)
    run = plan(preset="gpt2", max_iters=50, warmup_iters=20, lr_decay_iters=40)
    assert (run.config.warmup_iters, run.config.lr_decay_iters) == (20, 40)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"n_embd": 30, "n_head": 4}, "--n-embd 30"),
        ({"learning_rate": float("nan")}, "--learning-rate nan"),
        ({"learning_rate": float("inf")}, "--learning-rate inf"),
        ({"min_lr": 1.0}, "--min-lr"),
        ({"device": "cuda:99"}, "--device cuda:99"),
        ({"device": "tpu"}, "--device tpu"),
        ({"preset": "huge"}, "--preset huge"),
        ({"pos_embd": "alibi"}, "--pos-embd alibi"),
    ],
)
def test_what_cannot_work_is_refused_by_its_flag(text_data, settings, told):
    assert told in refusal(UsageError, **settings)


# --- data -----------------------------------------------------------------------------------------


def short_data(train: int, val: int) -> Path:
    folder = char_folder(CHARACTERS, Path("data/short"))
    for split, count in (("train", train), ("val", val)):
        (np.arange(count) % 37).astype(np.uint16).tofile(folder / f"{split}.bin")
    return folder


def test_a_short_text_shortens_the_block_and_says_so():
    short_data(200, 20)
    run = plan()
    assert run.model_config.block_size == 19
    assert any("block_size 19" in note for note in run.notes)


def test_a_block_that_was_asked_for_is_not_shortened():
    short_data(200, 20)
    assert "--block-size 64" in refusal(DataError, block_size=64)


@pytest.mark.parametrize("lengths", [(200, 1), (2, 2), (63, 20), (200, 7)])
def test_too_little_text_is_refused_with_what_to_do(lengths):
    short_data(*lengths)
    with pytest.raises(DataError) as caught:
        plan()
    train_tokens, val_tokens = lengths
    said = f"too little text: {train_tokens} tokens to train on and {val_tokens} for validation"
    assert said in caught.value.message
    assert "nanogpt prepare YOUR.txt --force --out data/" in caught.value.hint


def test_missing_data_is_refused():
    assert "no prepared dataset" in refusal(DataError)
    assert "there is no dataset none" in refusal(DataError, data="none")


# --- folders --------------------------------------------------------------------------------------


def test_a_new_run_takes_a_free_folder(text_data):
    Path("out/hamlet-rope").mkdir(parents=True)
    assert plan().out_dir == Path("out/hamlet-rope-2")
    assert plan(data=f"{text_data}/../hamlet/.").out_dir == Path("out/hamlet-rope-2")


def test_a_folder_that_holds_a_run_is_refused_without_force(text_data):
    write_checkpoint("out/x/last.pt")
    assert "out/x holds a run" in refusal(UsageError, out_dir=Path("out/x"))
    assert plan(out_dir=Path("out/x"), force=True).out_dir == Path("out/x")


# --- starting from a checkpoint -------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a", "out/a", "out/a/ckpt.pt"])
def test_a_checkpoint_gives_shape_and_weights(text_data, name):
    start = write_checkpoint("out/a/ckpt.pt", pos_embd="relative")
    run = plan(init_from=name, preset="gpt2", dropout=0.1)
    assert run.model_config == replace(start.config, dropout=0.1)
    assert torch.equal(run.start.model["transformer.wte.weight"], start.model["lm_head.weight"])
    assert run.config.max_iters == PRESETS["gpt2"]["max_iters"]
    assert not run.resume
    assert run.out_dir != Path("out/a")


def test_a_shorter_block_crops_the_position_tables(text_data):
    start = write_checkpoint("out/a/ckpt.pt", pos_embd="relative", absolute_table=True)
    run = plan(init_from="a", block_size=8)
    assert run.start.model[RELATIVE].shape == (8, 2)
    assert torch.equal(run.start.model[RELATIVE], start.model[RELATIVE][:8])
    wpe = "transformer.wpe.weight"
    assert torch.equal(run.start.model[wpe], start.model[wpe][:8])
    ids = torch.arange(8)[None]
    with torch.no_grad():
        cropped, whole = build_model(run.start)(ids), build_model(start)(ids)
    torch.testing.assert_close(cropped, whole)


@pytest.mark.parametrize("pos_embd", ["rope", "relative"])
def test_a_longer_block_computes_the_same_within_the_old_one(text_data, pos_embd):
    start = write_checkpoint("out/a/ckpt.pt", pos_embd=pos_embd, arch="modern")
    run = plan(init_from="a", block_size=40)
    assert run.model_config.block_size == 40
    check_weights(run.start, Path("x"))
    ids = torch.arange(16)[None]
    with torch.no_grad():
        longer, short = build_model(run.start)(ids), build_model(start)(ids)
    torch.testing.assert_close(longer, short)
    if pos_embd == "relative":  # farther distances share the last row, as before
        table = run.start.model[RELATIVE]
        assert torch.equal(table[16:], start.model[RELATIVE][-1:].expand(24, -1))


def test_a_longer_block_and_another_shape_are_refused(text_data):
    write_checkpoint("out/a/ckpt.pt")
    assert "--block-size 32" in refusal(CheckpointError, init_from="a", block_size=32)
    message = refusal(CheckpointError, init_from="a", n_layer=5, n_embd=64, n_head=2)
    assert "--n-layer 5, the checkpoint has 2" in message
    assert "--n-embd 64, the checkpoint has 16" in message
    assert "--n-head" not in message


def test_data_of_another_tokenizer_is_refused(text_data):
    write_checkpoint("out/a/ckpt.pt")
    prepare(PrepareOptions(("hamlet.txt",), Path("data/bytes"), tokenizer="byte"))
    assert "tokens" in refusal(CheckpointError, init_from="a", data="bytes")
    write_checkpoint("out/b/ckpt.pt", "data/bytes")
    assert "tokenizer, char" in refusal(CheckpointError, init_from="b", data="hamlet")


def test_gpt2s_vocabulary_grows_by_the_tags_of_dialogues():
    line = "<human>How are you?<endOfText>\n<bot>Well.<endOfText>\n\n"
    Path("talk.txt").write_text(line * 50)
    prepare(PrepareOptions(("talk.txt",), Path("data/talk"), tokenizer="gpt2"))
    config = ModelConfig(**SMALL, vocab_size=50257)
    gpt2 = Checkpoint(config, make_model(config).state_dict(), tokenizer.default_gpt2().to_dict())
    gpt2.save(Path("gpt2.pt"))
    run = plan(init_from="gpt2.pt")
    assert run.model_config.vocab_size == run.dataset.vocab_size == 50260
    table = run.start.model["transformer.wte.weight"]
    assert torch.equal(table[:50257], gpt2.model["transformer.wte.weight"])
    torch.testing.assert_close(table[50259], table[:50257].mean(0))
    check_weights(run.start, Path("x"))
    assert any("3 more tokens" in note for note in run.notes)


def test_a_checkpoint_without_a_tokenizer_does_not_grow(text_data, nanogpt_data):
    save(nanogpt_content(), "old.pt")
    assert "tokens" in refusal(CheckpointError, init_from="old.pt", data="plain")


def test_a_hugging_face_folder_is_a_start():
    transformers = pytest.importorskip("transformers")
    char_folder(CHARACTERS)
    config = transformers.GPT2Config(
        n_positions=16, n_layer=2, n_head=2, n_embd=16, vocab_size=37,
        bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    transformers.GPT2LMHeadModel(config).save_pretrained("hf")
    run = plan(init_from="hf", data="old")
    assert run.model_config.gelu == "tanh"
    assert run.model_config.bias


def test_a_model_by_name_comes_from_the_cache_or_the_network(monkeypatch):
    huggingface_hub = pytest.importorskip("huggingface_hub")
    char_folder(CHARACTERS)
    write_checkpoint("out/a/ckpt.pt", "data/old", vocab_size=37)
    export("a", to="hf", out="hf")
    asked, reachable = [], [False]

    def snapshot(name, *, allow_patterns, local_files_only=False):
        asked.append((name, local_files_only))
        if local_files_only or "xl" in name:
            raise OSError("not there")
        return "hf"

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    monkeypatch.setattr(hub, "_reachable", lambda: reachable[0])
    message = refusal(UsageError, init_from="gpt2", data="old")
    assert "--init-from gpt2 is not on this machine" in message
    assert asked == [("openai-community/gpt2", True)]
    reachable[0] = True
    assert plan(init_from="gpt2", data="old").model_config.n_embd == 16
    assert asked[-1] == ("openai-community/gpt2", False)
    assert "cannot download gpt2-xl: not there" in refusal(
        UsageError, init_from="gpt2-xl", data="old"
    )
    monkeypatch.setattr(hub, "find_spec", lambda name: None)
    assert "huggingface_hub" in refusal(UsageError, init_from="gpt2-medium", data="old")


def test_a_run_may_be_called_gpt2(text_data):
    write_checkpoint("out/gpt2/ckpt.pt")
    assert plan(init_from="gpt2").start is not None


def other_text(**settings):
    """Prepare data to fine-tune on, with the tokenizer of data/hamlet."""
    Path("other.txt").write_text("To suffer, or to be nobler.\n" * 60)
    options = {"tokenizer": "data/hamlet", **settings}
    prepare(PrepareOptions(("other.txt",), Path("data/other"), **options))


def test_fine_tuning_reads_the_text_six_times_where_no_length_is_asked_for(text_data):
    write_checkpoint("out/a/ckpt.pt")
    other_text()
    run = make_run(Request({"batch_size": 4}, "other", init_from="a"))
    tokens = len(run.dataset.train)
    assert run.config.max_iters == -(-6 * tokens // (4 * 16)) > 20
    assert run.config.warmup_iters == run.config.max_iters // 10
    assert f"{run.config.max_iters} steps" in " ".join(run.notes)
    assert make_run(Request({}, "other", init_from="a")).config.max_iters >= 20
    assert make_run(Request({"max_iters": 7}, "other", init_from="a")).config.max_iters == 7


def test_the_loss_on_what_the_model_knew_is_reported(text_data, nanogpt):
    write_checkpoint("out/a/ckpt.pt")
    other_text()
    quick = ["--max-iters=4", "--eval-interval=2", "--eval-tokens=64", "--sample-tokens=0", "-q"]
    assert (
        nanogpt("train", "--init-from=a", "--data-dir=data/other", "--out-dir=out/b", *quick)[0]
        == 0
    )
    model, old = load(Path("out/b/last.pt"), "cpu"), open_dataset(text_data)
    windows = evaluation_windows(old.val, 16, 64)
    count = token_byte_counts(old.tokenizer, model.config.vocab_size)
    expected = evaluate_loss(model.model, old.val, count, windows=windows).per_token
    losses = [e["other_val_loss"] for e in events("out/b", "eval")]
    assert losses == [pytest.approx(loss) for loss in (*losses[:2], expected)]
    assert losses[0] != losses[2]
    assert events("out/b", "run")[0]["data"]["other"] == "data/hamlet"
    code, _, err = nanogpt("train", "--init-from=resume", "--out-dir=out/b", "--max-iters=6")
    assert code == 0
    assert "; on hamlet" in err
    assert len([e for e in events("out/b", "eval") if "other_val_loss" in e]) > 3
    text_data.rename("data/moved")
    code, _, err = nanogpt("train", "--init-from=resume", "--out-dir=out/b", "--max-iters=7")
    assert code == 0
    assert "the loss on data/hamlet is no longer measured" in " ".join(err.split())


def test_which_data_is_evaluated_too(text_data):
    write_checkpoint("out/a/ckpt.pt")
    other_text()
    assert plan(init_from="a", data="other").other.folder == text_data
    assert plan(init_from="a", data="hamlet").other is None
    assert plan(init_from="a", data="other", also_eval="none").other is None
    assert plan(init_from="a", data="hamlet", also_eval="other").other.folder == Path("data/other")
    assert "no dataset nothing" in refusal(DataError, init_from="a", also_eval="nothing")
    prepare(PrepareOptions(("hamlet.txt",), Path("data/bytes"), tokenizer="byte"))
    assert "another tokenizer" in refusal(
        DataError, init_from="a", data="hamlet", also_eval="bytes"
    )
    prepare(PrepareOptions(("other.txt",), text_data, tokenizer="data/other", force=True))
    assert plan(init_from="a", data="other").other is None  # the old data has changed


# --- going on -------------------------------------------------------------------------------------


def test_resume_goes_on_with_its_own_settings(text_data):
    start = write_checkpoint("out/a/last.pt")
    run = plan(init_from="resume", max_iters=90)
    assert run.resume
    assert run.out_dir == Path("out/a")
    assert run.model_config == start.config
    assert (run.config.max_iters, run.config.seed) == (90, 7)
    assert any("step 20" in note for note in run.notes)


def test_resume_with_another_shape_lists_the_differences(text_data):
    write_checkpoint("out/a/last.pt")
    message = refusal(CheckpointError, init_from="resume", n_layer=4, pos_embd="rope", n_head=2)
    assert "--n-layer 4, the checkpoint has 2" in message
    assert "--pos-embd rope, the checkpoint has default" in message


def test_resume_on_changed_data_needs_force(text_data):
    write_checkpoint("out/a/last.pt")
    Path("hamlet.txt").write_text(Path("hamlet.txt").read_text()[::-1])
    prepare(PrepareOptions(("hamlet.txt",), text_data, tokenizer="char", force=True))
    assert "has changed since" in refusal(DataError, init_from="resume")
    assert plan(init_from="resume", force=True).resume


def test_resume_takes_the_last_good_checkpoint(text_data):
    write_checkpoint("out/a/ckpt.pt")
    Path("out/a/last.pt").write_bytes(b"torn")
    run = plan(init_from="resume", out_dir=Path("out/a"))
    assert any("last.pt is corrupt" in note and "ckpt.pt" in note for note in run.notes)
    Path("out/a/ckpt.pt").unlink()
    assert "last.pt" in refusal(CheckpointError, init_from="resume", out_dir=Path("out/a"))


def test_resume_without_a_run_or_its_data_says_so(text_data):
    assert "no run" in refusal(CheckpointError, init_from="resume")
    write_checkpoint("out/a/last.pt")
    text_data.rename("data/moved")
    assert "no dataset data/hamlet" in refusal(DataError, init_from="resume")
    assert plan(init_from="resume", data="moved").resume


def test_resume_on_a_text_shorter_than_the_block_is_refused(text_data):
    char_folder(CHARACTERS)
    save(nanogpt_content(), "out/a/ckpt.pt")
    (np.arange(9)).astype(np.uint16).tofile("data/old/val.bin")
    assert "shorter than --block-size 16" in refusal(DataError, init_from="resume")


def test_a_run_of_nanogpts_goes_on_where_it_stopped():
    """Its settings, its step and its optimizer state: the first step must be nanoGPT's own."""
    char_folder(CHARACTERS)
    content = nanogpt_content()
    save(content, "out/a/ckpt.pt")
    run = plan(init_from="resume", out_dir=Path("out/a"), **FAST | {"max_iters": 7})
    assert (run.config.learning_rate, run.config.min_lr) == (2e-3, 2e-4)
    assert run.config.compile is None
    outcome = train(run)
    assert outcome.step == 7
    state = load_checkpoint(Path("out/a/last.pt")).training["optimizers"][0]["state"]
    assert {int(s["step"]) for s in state.values()} == {3}  # one of nanoGPT's steps and two of ours


def test_a_rate_that_was_not_asked_for_belongs_to_the_optimizer_that_runs(text_data):
    preset = plan(preset="gpt2", block_size=64, batch_size=1).config
    assert (preset.optimizer, preset.learning_rate, preset.min_lr) == ("adamw", 6e-4, 6e-5)
    muon = plan(preset="gpt2", block_size=64, batch_size=1, optimizer="muon").config
    assert muon.learning_rate == pytest.approx(0.011 * (40 * 64 / 2048) ** 0.5)
    assert muon.min_lr == pytest.approx(muon.learning_rate / 10)
    asked = plan(preset="gpt2", block_size=64, optimizer="muon", learning_rate=0.01).config
    assert asked.learning_rate == 0.01


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_fine_tuning_has_defaults_of_its_own(text_data, optimizer):
    scratch = plan(optimizer=optimizer, max_iters=500).config
    train(plan(**FAST | {"optimizer": optimizer}, out_dir=Path("out/base")))
    run = make_run(Request({"max_iters": 500}, "data/hamlet", Path("out/tuned"), "out/base"))
    tuned = run.config
    assert tuned.optimizer == optimizer
    assert tuned.learning_rate == pytest.approx(scratch.learning_rate / 10)
    assert (tuned.warmup_iters, tuned.min_lr) == (50, 0.0)
    assert any(f"fine-tuning: {optimizer}, learning rate" in note for note in run.notes)
    asked = {"learning_rate": 0.5, "optimizer": "adamw"}
    run = make_run(Request(asked, "data/hamlet", Path("out/tuned"), "out/base"))
    assert (run.config.optimizer, run.config.learning_rate) == ("adamw", 0.5)


def test_an_evaluation_is_over_the_same_tokens_whatever_the_batch(text_data):
    assert plan().config.eval_tokens == plan(batch_size=2).config.eval_tokens == 16_384
    old = plan(eval_iters=3, batch_size=4, block_size=32).config
    assert (old.eval_tokens, old.eval_iters) == (3 * 4 * 32, None)
    assert plan(eval_iters=0).config.eval_tokens == 0
    assert plan(eval_tokens=512).config.eval_tokens == 512


def test_resuming_from_an_earlier_state_says_what_it_replaces(text_data):
    train(plan(**FAST | {"save_every": "1", "keep": 3}, out_dir=Path("out/a")))
    run = make_run(Request({}, None, Path("out/a/step-00000002.pt"), "resume"))
    assert any("log after step 2 and later saved states are replaced" in n for n in run.notes)
    run = make_run(Request({}, None, Path("out/a"), "resume"))
    assert not any("replaced" in note for note in run.notes)


def test_a_resumed_run_holds_its_parameters_once(text_data):
    train(plan(**FAST, out_dir=Path("out/a")))
    run = make_run(Request({"max_iters": 5}, None, Path("out/a"), "resume"))
    assert run.start.model
    train(run)
    assert not run.start.model
