"""The validation loss is the defined one, whatever the batches."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from nanogpt_cli.errors import DataError
from nanogpt_cli.evaluation import loss as evaluate
from nanogpt_cli.evaluation.loss import Loss, evaluate_loss, token_byte_counts
from nanogpt_cli.tokenizer.load import from_dict

CHARS = {"kind": "char", "characters": "aé€", "special_tokens": {"<human>": 3}}


def test_the_loss_is_the_mean_over_adjacent_windows(tiny):
    model = tiny(dropout=0.5).train()
    tokens = np.random.default_rng(0).integers(0, 37, 16 * 7 + 5).astype(np.uint16)
    loss = evaluate_loss(model, tokens, np.ones(37, dtype=np.int64))
    ids = torch.from_numpy(tokens[: 16 * 7 + 1].astype(np.int64))
    model.eval()
    nats = [
        F.cross_entropy(
            model(ids[i : i + 16][None])[0], ids[i + 1 : i + 17], reduction="sum"
        ).item()
        for i in range(0, 16 * 7, 16)
    ]
    assert loss.tokens == loss.text_bytes == 16 * 7
    assert loss.per_token == pytest.approx(sum(nats) / (16 * 7), abs=1e-6)
    assert loss.perplexity == pytest.approx(math.exp(loss.per_token))


def test_evaluation_leaves_the_model_as_it_was(tiny):
    model = tiny().train()
    evaluate_loss(model, np.zeros(50, dtype=np.uint16), np.ones(37, dtype=np.int64))
    assert model.training


def test_batches_do_not_change_the_loss(tiny, monkeypatch):
    model, counts = tiny(), np.ones(37, dtype=np.int64)
    tokens = np.random.default_rng(0).integers(0, 37, 2000).astype(np.uint16)
    whole = evaluate_loss(model, tokens, counts)
    monkeypatch.setattr(evaluate, "LOGITS_AT_ONCE", 16 * 37)
    calls = []
    one_by_one = evaluate_loss(model, tokens, counts, advance=calls.append)
    assert calls == [16] * (1999 // 16)
    assert one_by_one.per_token == pytest.approx(whole.per_token, abs=1e-6)


def test_a_text_shorter_than_a_block_is_one_window(tiny):
    loss = evaluate_loss(tiny(), np.zeros(5, dtype=np.uint16), np.ones(37, dtype=np.int64))
    assert loss.tokens == 4


@pytest.mark.parametrize("n", [0, 1])
def test_nothing_to_evaluate(tiny, n):
    with pytest.raises(DataError):
        evaluate_loss(tiny(), np.zeros(n, dtype=np.uint16), np.ones(37, dtype=np.int64))


def test_bytes_are_those_of_the_text_and_tags_have_none():
    counts = token_byte_counts(from_dict(CHARS), 6)
    assert counts.tolist() == [1, 2, 3, 0, 0, 0]


def test_bits_per_byte():
    assert Loss(nats=8 * math.log(2), tokens=4, text_bytes=2).bits_per_byte == pytest.approx(4)
    assert Loss(nats=1.0, tokens=4, text_bytes=0).bits_per_byte is None


@pytest.mark.parametrize("nats", [1e6, math.inf, math.nan])
def test_a_perplexity_that_is_no_number_is_none(nats):
    assert Loss(nats, tokens=1, text_bytes=1).perplexity is None
