"""The validation loss is the defined one, whatever the batches."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from nanogpt_cli.errors import DataError
from nanogpt_cli.evaluation.loss import (
    Loss,
    evaluate_loss,
    evaluation_windows,
    token_byte_counts,
)
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


def test_batches_do_not_change_the_loss(tiny):
    model, counts = tiny(), np.ones(37, dtype=np.int64)
    tokens = np.random.default_rng(0).integers(0, 37, 2000).astype(np.uint16)
    whole = evaluate_loss(model, tokens, counts)
    calls = []
    one_by_one = evaluate_loss(model, tokens, counts, advance=calls.append, logits_at_once=16 * 37)
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
def test_a_perplexity_that_is_not_a_float_is_none(nats):
    assert Loss(nats, tokens=1, text_bytes=1).perplexity is None


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("budget", [None, 500])
def test_the_shares_of_several_processes_add_up_to_the_whole(tiny, size, budget):
    model, counts = tiny(), np.arange(37, dtype=np.int64)
    tokens = np.random.default_rng(0).integers(0, 37, 1001).astype(np.uint16)
    windows = evaluation_windows(tokens, 16, budget)
    whole = evaluate_loss(model, tokens, counts, windows=windows)
    parts = [
        evaluate_loss(model, tokens, counts, windows=windows, share=(rank, size))
        for rank in range(size)
    ]
    total = sum(parts, start=Loss(0.0, 0, 0))
    assert (total.tokens, total.text_bytes) == (whole.tokens, whole.text_bytes)
    assert total.tokens == len(windows) * 16 == (992 if budget is None else 496)
    assert total.nats == pytest.approx(whole.nats, rel=1e-6)


def test_a_process_without_a_window_adds_nothing(tiny):
    tokens, counts = np.zeros(20, dtype=np.uint16), np.ones(37, dtype=np.int64)
    alone, idle = (evaluate_loss(tiny(), tokens, counts, share=(rank, 2)) for rank in range(2))
    assert (alone.tokens, idle) == (16, Loss(0.0, 0, 0))
    assert math.isnan(idle.per_token)
    assert idle.perplexity is None


@pytest.mark.parametrize(("budget", "count"), [(None, 62), (10**9, 62), (100, 6), (1, 1)])
def test_a_token_budget_bounds_the_windows_whatever_the_batch(budget, count):
    tokens = np.zeros(1001, dtype=np.uint16)
    starts = evaluation_windows(tokens, 16, budget)
    assert len(starts) == count
    assert (starts % 16 == 0).all()
    assert starts[0] == 0
    assert len(evaluation_windows(tokens[:5], 16, 100)) == 1  # shorter than a block
    with pytest.raises(DataError):
        evaluation_windows(tokens[:1], 16)
