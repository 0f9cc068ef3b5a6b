"""Which of several models is marked as the best, and when none can be."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nanogpt_cli.checkpoint.schema import Checkpoint
from nanogpt_cli.evaluation.compare import compare
from nanogpt_cli.evaluation.loss import Loss
from nanogpt_cli.evaluation.run import Evaluation


def result(nats: float, tokens: int, text_bytes: int, data="a.txt", tokenizer="byte") -> Evaluation:
    loss = Loss(nats, tokens, text_bytes)
    return Evaluation(Path("x.pt"), Path(data), loss, {}, tokenizer, 0, "rope", 1)


def test_the_best_has_the_fewest_bits_per_byte_whatever_its_tokens():
    # fewer nats per token, but four times as many tokens
    many, few = result(400.0, 400, 400), result(300.0, 100, 400, tokenizer="gpt2")
    comparison = compare([many, few])
    assert comparison.best == {1}
    assert "bits per byte" in comparison.note


def test_equal_models_are_equally_good_and_one_model_is_not_compared():
    one = result(400.0, 400, 400)
    assert compare([one, one, result(401.0, 400, 400)]).best == {0, 1}
    assert compare([one]).best == set()
    assert compare([one]).note is None
    assert compare([one, replace(one)]).note is None


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (result(300.0, 400, 400, data="b.txt"), "different data"),
        (result(300.0, 400, 390), "different parts"),
        (result(300.0, 400, 390, tokenizer="gpt2"), "different parts"),
        (result(300.0, 400, 0), "bits per byte"),
        (replace(result(300.0, 400, 400), loss_on="replies"), "replies alone"),
    ],
)
def test_what_cannot_be_compared_has_no_best(other, why):
    comparison = compare([result(400.0, 400, 400), other])
    assert comparison.best == set()
    assert why in comparison.note


def test_a_loss_that_is_not_finite_is_never_the_best():
    broken = result(float("nan"), 400, 400)
    assert compare([broken, result(400.0, 400, 400)]).best == {1}
    assert compare([broken, broken]).best == set()


def constant(path: str, tokenizer: dict, vocab_size: int, block_size: int, tiny) -> str:
    """Save a model that thinks every token equally likely: ln V nats per token."""
    model = tiny(vocab_size=vocab_size, block_size=block_size)
    weights = {name: torch.zeros_like(tensor) for name, tensor in model.state_dict().items()}
    Checkpoint(model.config, weights, {"special_tokens": {}, **tokenizer}).save(Path(path))
    return path


def test_the_table_marks_bits_per_byte_across_tokenizers(nanogpt, tiny, monkeypatch):
    """A byte model has fewer nats a token; a model of characters two bytes long fewer a byte."""
    characters = "".join(map(chr, range(0x100, 0x100 + 1000)))
    Path("a.txt").write_text("ĀāĂ" * 20, encoding="utf-8")
    byte = constant("byte.pt", {"kind": "byte"}, 256, 32, tiny)
    char = constant("char.pt", {"kind": "char", "characters": characters}, 1000, 16, tiny)
    monkeypatch.setenv("FORCE_COLOR", "1")
    code, out, err = nanogpt("eval", byte, char, "--data", "a.txt")
    assert code == 0, err
    bold = [line for line in out.splitlines()[1:] if re.search(r"\x1b\[1m", line)]
    assert len(bold) == 1
    assert "char.pt" in bold[0]
    assert "6.9078" in bold[0]  # ln 1000, against ln 256 = 5.5452
    assert "losses per token of different tokenizers cannot be compared" in " ".join(err.split())


def test_models_over_different_parts_of_a_text_are_not_ranked(nanogpt, tiny, monkeypatch):
    byte = constant("byte.pt", {"kind": "byte"}, 256, 32, tiny)
    Path("a.txt").write_text("to be, or not to be " * 9)
    other = constant("other.pt", {"kind": "byte"}, 256, 16, tiny)
    monkeypatch.setenv("FORCE_COLOR", "1")
    code, out, err = nanogpt("eval", byte, other, "--data", "a.txt")
    assert code == 0
    assert "\x1b[1m" not in "\n".join(out.splitlines()[1:])
    assert "different parts of the text" in " ".join(err.split())
