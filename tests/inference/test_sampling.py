"""The next token is drawn from the right distribution."""

import pytest
import torch

from nanogpt_cli.config import SampleConfig
from nanogpt_cli.inference.sampling import Token, draw_ids, probabilities, sampling_generator

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
