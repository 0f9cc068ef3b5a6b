"""The loss by position adds up to the loss, and goes beyond the block where positions do."""

import numpy as np
import pytest

from nanogpt_cli.data.mask import LossMask
from nanogpt_cli.evaluation.loss import evaluate_loss
from nanogpt_cli.evaluation.positions import contexts, measure_context

TOKENS = np.random.default_rng(0).integers(0, 37, 16 * 40 + 1).astype(np.uint16)


def test_positions_add_up_to_the_loss(tiny):
    model = tiny()
    found = measure_context(model, TOKENS, 16)
    loss = evaluate_loss(model, TOKENS, np.ones(37, dtype=np.int64))
    assert found.loss == pytest.approx(loss.per_token, abs=1e-6)
    assert [(s.first, s.last) for s in found.spans] == [(1, 1), (2, 2), (3, 4), (5, 8), (9, 16)]
    total = sum(span.loss * span.tokens for span in found.spans)
    assert total / loss.tokens == pytest.approx(loss.per_token, abs=1e-6)
    assert found.beyond is None


def test_positions_that_a_mask_counts_add_up_to_its_loss(tiny):
    model = tiny()
    counted = np.random.default_rng(1).random(len(TOKENS)) < 0.3
    counted[2::16] = False  # no window counts its second position
    mask = LossMask.of(counted)
    found = measure_context(model, TOKENS, 16, mask=mask)
    loss = evaluate_loss(model, TOKENS, np.ones(37, dtype=np.int64), mask=mask)
    assert found.loss == pytest.approx(loss.per_token, abs=1e-6)
    assert [s.first for s in found.spans] == [1, 3, 5, 9]
    assert sum(span.tokens for span in found.spans) == loss.tokens


def test_each_position_is_its_own(tiny):
    """Where all windows are alike, the mean over them is each of them."""
    cycle = np.tile(np.arange(16, dtype=np.uint16), 41)[: 16 * 40 + 1]
    model = tiny()
    found = measure_context(model, cycle, 16)
    one = measure_context(model, cycle[:17], 16)
    assert [s.loss for s in found.spans] == pytest.approx([s.loss for s in one.spans], abs=1e-5)
    assert len({round(s.loss, 3) for s in found.spans}) > 3


@pytest.mark.parametrize("pos_embd", ["rope", "relative"])
def test_positions_without_an_end_go_beyond_the_block(tiny, pos_embd):
    model = tiny(pos_embd=pos_embd)
    lengths = contexts(model, TOKENS)
    assert lengths == [16, 32, 64]
    for T in lengths[1:]:
        found = measure_context(model, TOKENS, T)
        assert found.spans[-1].last == T
        assert 16 in [span.last for span in found.spans]
        further = [s for s in found.spans if s.first > 16]
        mean = sum(s.loss * s.tokens for s in further) / sum(s.tokens for s in further)
        assert found.beyond == pytest.approx(mean)
    # what stands before the block's end is what a window of one block has
    alone = measure_context(model, TOKENS[: 32 + 1], 16).spans[0]
    assert measure_context(model, TOKENS[: 32 + 1], 32).spans[0].tokens == alone.tokens / 2


def test_a_block_that_is_not_a_power_of_two_ends_a_range(tiny):
    found = measure_context(tiny(pos_embd="rope", block_size=12), TOKENS, 24)
    assert [(s.first, s.last) for s in found.spans][-3:] == [(9, 12), (13, 16), (17, 24)]


def test_what_cannot_be_measured_says_why(tiny):
    assert "ends at 16" in measure_context(tiny(), TOKENS, 32).to_dict()["reason"]
    assert (
        "ends at 16"
        in measure_context(tiny(pos_embd="relative", absolute_table=True), TOKENS, 32).reason
    )
    short = measure_context(tiny(pos_embd="rope"), TOKENS[:20], 32)
    assert short.reason == "the text has only 20 tokens"
    assert short.to_dict() == {"context": 32, "reason": short.reason}
