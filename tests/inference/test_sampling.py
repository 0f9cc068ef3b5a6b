"""The next token is drawn from the right distribution."""

import pytest
import torch

from nanogpt_cli.config import SampleConfig
from nanogpt_cli.inference.sampling import (
    Token,
    draw_ids,
    probabilities,
    row_probabilities,
    sampling_generator,
)

LOGITS = torch.tensor([1.0, 3.0, 2.0, -1.0])


def test_temperature_zero_is_greedy():
    assert probabilities(LOGITS, SampleConfig(temperature=0)).tolist() == [0, 1, 0, 0]


def test_temperature_divides_the_logits():
    probs = probabilities(LOGITS, SampleConfig(temperature=0.5))
    torch.testing.assert_close(probs, (LOGITS / 0.5).softmax(-1))


@pytest.mark.parametrize("temperature", [1e-40, 1e-320, 5e-324])
def test_the_smallest_temperatures_are_greedy(temperature):
    probs = probabilities(LOGITS, SampleConfig(temperature=temperature))
    assert probs.tolist() == [0, 1, 0, 0]
    large = probabilities(LOGITS * 1e4, SampleConfig(temperature=1e-40, top_p=0.9))
    assert large.tolist() == [0, 1, 0, 0]


def test_top_k_keeps_the_k_likeliest():
    probs = probabilities(LOGITS, SampleConfig(top_k=2, temperature=1))
    assert (probs > 0).tolist() == [False, True, True, False]
    assert probs.sum() == pytest.approx(1)
    everything = probabilities(LOGITS, SampleConfig(top_k=10**6, temperature=1))
    torch.testing.assert_close(everything, LOGITS.softmax(-1))


def test_top_p_keeps_the_smallest_set_of_that_mass():
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()
    for top_p, kept in [(0.4, 1), (0.6, 2), (0.79, 2), (0.9, 3), (1.0, 4)]:
        probs = probabilities(logits, SampleConfig(top_p=top_p, temperature=1))
        assert int((probs > 0).sum()) == kept
        assert probs.sum() == pytest.approx(1)


def test_min_p_keeps_what_is_that_likely_beside_the_likeliest():
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()
    for min_p, kept in [(0.0, 4), (0.09, 4), (0.2, 3), (0.31, 2), (0.61, 1), (1.0, 1)]:
        probs = probabilities(logits, SampleConfig(min_p=min_p, temperature=1))
        assert int((probs > 0).sum()) == kept
        assert probs.sum() == pytest.approx(1)
    warm = probabilities(logits, SampleConfig(min_p=0.31, temperature=2))
    assert int((warm > 0).sum()) == 4  # it counts after the temperature


def test_what_is_drawn_has_the_exact_frequencies():
    logits = torch.tensor([2.0, 1.5, 1.0, 0.0, -1.0, -3.0])
    settings = [
        {"temperature": 0.7},
        {"temperature": 1.0, "top_k": 3},
        {"temperature": 1.3, "top_p": 0.8},
        {"temperature": 1.0, "min_p": 0.2},
        {"temperature": 1.0, "min_p": 0.05, "top_p": 0.9, "top_k": 4},
    ]
    many, generator = 20_000, sampling_generator(0)
    for config in [SampleConfig(**each) for each in settings]:
        probs = probabilities(logits, config)
        drawn = torch.tensor(draw_ids(probs.expand(many, -1), [generator] * many))
        counts = torch.bincount(drawn, minlength=len(logits)).double()
        allowed = probs > 0
        assert counts[~allowed].sum() == 0
        expected = probs[allowed].double() * many
        chi_square = ((counts[allowed] - expected) ** 2 / expected).sum()
        assert chi_square < 25  # of at most 5 degrees of freedom: once in 7,000 tries


def test_rows_with_settings_of_their_own_are_those_of_each():
    logits = torch.randn(7, 60) * 3
    settings = [{"temperature": 0}, {"top_k": 5}, {}, {"top_p": 0.6}, {"min_p": 0.3}, {},
                {"repeat_penalty": 1.5}]  # fmt: skip
    configs = [SampleConfig(**each, seed=row) for row, each in enumerate(settings)]
    seen = [{row, row + 1} for row in range(7)]
    each = [probabilities(*row) for row in zip(logits, configs, seen, strict=True)]
    assert torch.equal(row_probabilities(logits, configs, seen), torch.stack(each))
    plain = [SampleConfig(top_k=9, seed=row) for row in range(7)]
    assert torch.equal(row_probabilities(logits, plain), probabilities(logits, plain[0]))
    penalised = [SampleConfig(repeat_penalty=2.0)] * 7
    each = [probabilities(*row) for row in zip(logits, penalised, seen, strict=True)]
    assert torch.equal(row_probabilities(logits, penalised, seen), torch.stack(each))


def test_repeat_penalty_lowers_what_was_said_whatever_its_sign():
    plain = probabilities(LOGITS, SampleConfig(temperature=1))
    probs = probabilities(LOGITS, SampleConfig(temperature=1, repeat_penalty=2), {1, 3})
    assert probs[1] / probs[0] < plain[1] / plain[0]
    assert probs[3] / probs[0] < plain[3] / plain[0]
    assert LOGITS.tolist() == [1, 3, 2, -1]


def test_a_token_knows_its_log_probability_and_the_alternatives():
    token = Token(2, LOGITS)
    expected = LOGITS.softmax(-1).log()
    assert token.logprob == pytest.approx(expected[2].item())
    assert token.alternatives(2) == [
        (1, pytest.approx(expected[1].item())),
        (2, pytest.approx(expected[2].item())),
    ]
    assert len(token.alternatives(100)) == 4


def test_ids_are_those_of_multinomial_and_a_row_depends_on_no_other():
    probs = torch.randn(5, 100).softmax(-1)
    ids = draw_ids(probs, [sampling_generator(seed) for seed in range(5)])
    alone = [
        int(torch.multinomial(row, 1, generator=sampling_generator(seed)))
        for seed, row in enumerate(probs)
    ]
    assert ids == alone
    assert draw_ids(torch.tensor([[0.0, 1.0, 0.0]]), [sampling_generator(0)]) == [1]


@pytest.mark.parametrize(
    "settings", [{"temperature": 0}, {"top_k": 7}, {"top_p": 0.7}, {"repeat_penalty": 1.3}]
)
def test_rows_of_logits_have_the_probabilities_of_each(settings):
    logits, config = torch.randn(4, 50), SampleConfig(**settings)
    each = [probabilities(row, config, {1, 3}) for row in logits]
    assert torch.equal(probabilities(logits, config, {1, 3}), torch.stack(each))
