"""Evaluating models: by name, file or loaded, on their own data or on any text."""

import json
from pathlib import Path

import numpy as np
import pytest

from nanogpt_cli.checkpoint.load import load
from nanogpt_cli.checkpoint.schema import Checkpoint
from nanogpt_cli.data.prepare import PrepareOptions, prepare
from nanogpt_cli.data.store import open_dataset
from nanogpt_cli.errors import CheckpointError, DataError
from nanogpt_cli.evaluation.loss import evaluate_loss, token_byte_counts
from nanogpt_cli.evaluation.run import Progress, evaluate
from nanogpt_cli.evaluation.scorer import ModelScorer

KEYS = {"checkpoint", "data", "val_loss", "perplexity", "bits_per_byte", "tokens", "step",
        "pos_embd", "parameters", "tokenizer", "metrics", "absent", "loss_on"}  # fmt: skip


@pytest.fixture
def run(tiny, text_data) -> Path:
    """Save a model of the text's tokenizer as a run; return its folder."""
    tokenizer = open_dataset(text_data).tokenizer
    model = tiny(vocab_size=tokenizer.vocab_size)
    data = {"folder": str(text_data)}
    made = Checkpoint(model.config, model.state_dict(), tokenizer.to_dict(), data=data, step=7)
    made.save(Path("out/hamlet/ckpt.pt"))
    return Path("out/hamlet")


def test_a_name_a_folder_a_file_and_a_loaded_model_are_the_same(run):
    loaded = load(run / "ckpt.pt", "cpu")
    results = evaluate(["hamlet", run, run / "ckpt.pt", loaded], device="cpu")
    assert all(result == results[0] for result in results)
    assert set(results[0]) == KEYS
    assert (results[0]["step"], results[0]["checkpoint"]) == (7, "out/hamlet/ckpt.pt")
    assert results[0]["data"] == "data/hamlet"


def test_the_command_prints_what_the_function_returns(run, nanogpt):
    code, out, err = nanogpt("eval", "hamlet", "--json", "--device=cpu")
    assert code == 0, err
    assert json.loads(out)["models"] == evaluate(["hamlet"], device="cpu")


def test_the_loss_is_that_of_all_windows(run, text_data):
    loaded, tokens = load(run / "ckpt.pt", "cpu"), open_dataset(text_data).val
    counts = token_byte_counts(loaded.tokenizer, loaded.config.vocab_size)
    loss = evaluate_loss(loaded.model, tokens, counts)
    assert ModelScorer(loaded).nats(tokens) == loss
    (result,) = evaluate([loaded])
    assert result["val_loss"] == loss.per_token
    assert result["tokens"] == loss.tokens == (len(tokens) - 1) // 16 * 16


def test_progress_and_notes_are_reported(run):
    Path("new.txt").write_text("to be, or not to be €" * 9)
    seen, notes = [], []
    (result,) = evaluate(["hamlet"], "new.txt", "cpu", advance=seen.append, note=notes.append)
    ckpt = run / "ckpt.pt"
    assert seen[0] == Progress(ckpt, 0, 180)
    assert seen[-1] == Progress(ckpt, result["tokens"], 180)
    assert notes == ["new.txt: characters unknown to the model are left out: ['€']"]


def test_a_dataset_with_another_tokenizer_is_read_as_the_models_own_tokens(run, text_data):
    val = open_dataset(text_data)
    Path("val.txt").write_text(val.tokenizer.decode(val.val.tolist()) * 3)
    prepare(PrepareOptions(("val.txt",), Path("data/bytes"), tokenizer="byte", val_fraction=0.5))
    other = open_dataset(Path("data/bytes"))
    Path("same.txt").write_text(other.tokenizer.decode(other.val.tolist()))
    notes = []
    (result,) = evaluate(["hamlet"], "data/bytes", "cpu", note=notes.append)
    (same,) = evaluate(["hamlet"], "same.txt", "cpu")
    for name in ("val_loss", "bits_per_byte", "tokens"):
        assert result[name] == pytest.approx(same[name])
    assert "has another tokenizer (byte)" in notes[0]


def test_too_little_text_is_refused(run):
    Path("short.txt").write_text("t")
    with pytest.raises(DataError, match="too little text"):
        evaluate(["hamlet"], "short.txt")


def test_a_model_without_a_tokenizer_takes_that_of_the_dataset(tiny, text_data):
    tokenizer = open_dataset(text_data).tokenizer
    model = tiny(vocab_size=tokenizer.vocab_size)
    Checkpoint(model.config, model.state_dict()).save(Path("x.pt"))
    (result,) = evaluate(["x.pt"], text_data)
    assert np.isfinite(result["val_loss"])
    Path("new.txt").write_text("to be")
    with pytest.raises(CheckpointError, match="carries no tokenizer") as caught:
        evaluate(["x.pt"], "new.txt")
    assert "migrate-ckpt" in caught.value.hint
