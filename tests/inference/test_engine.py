"""Decoding draws from the right distribution and shows only whole text."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nanogpt_cli.config import SampleConfig
from nanogpt_cli.inference.engine import (
    Decoder,
    Reply,
    TextStream,
    generate,
    probabilities,
    sampling_generator,
    stream_reply,
)
from nanogpt_cli.tokenizer.load import from_dict

LOGITS = torch.tensor([1.0, 3.0, 2.0, -1.0])
BYTES = from_dict({"kind": "byte", "special_tokens": {"<endOfText>": 256}})


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


def test_repeat_penalty_knows_the_reply_and_not_the_prompt(tiny):
    def play(penalty):
        decoder = Scripted(tiny(block_size=64), [])
        decoder.logits = lambda _: torch.tensor([1.0, 3.0, 2.0, -1.0])
        config = SampleConfig(temperature=0, repeat_penalty=penalty, max_tokens=3)
        return list(generate(decoder, [1, 2, 2], config))

    assert play(1.0) == [1, 1, 1]
    assert play(2.0) == [1, 2, 1]


def naive(model, prompt, count):
    """Decode greedily, computing everything anew each time, with the same windows."""
    ids, start = list(prompt), max(0, len(prompt) - model.config.block_size)
    for _ in range(count):
        if len(ids) - start > model.config.block_size:
            start = len(ids) - model.config.block_size // 2
        ids.append(int(model(torch.tensor([ids[start:]]))[0, -1].argmax()))
    return ids[len(prompt) :]


@pytest.mark.parametrize("pos_embd", ["default", "rope", "relative"])
@pytest.mark.parametrize("length", [1, 9, 16, 30])
def test_decoding_equals_its_naive_twin(tiny, pos_embd, length):
    model = tiny(pos_embd=pos_embd)
    prompt = torch.randint(0, 37, (length,)).tolist()
    greedy = SampleConfig(temperature=0, max_tokens=40)
    assert list(generate(Decoder(model), prompt, greedy)) == naive(model, prompt, 40)


def test_a_decoder_goes_on_where_the_last_prompt_ended(tiny, monkeypatch):
    model = tiny()
    decoder = Decoder(model)
    lengths = []
    hidden = model.hidden
    monkeypatch.setattr(
        model, "hidden", lambda ids, cache: lengths.append(ids.size(1)) or hidden(ids, cache)
    )
    first = decoder.logits([1, 2, 3, 4, 5])
    again = decoder.logits([1, 2, 3, 9, 9])
    assert lengths == [5, 2]
    torch.testing.assert_close(again, Decoder(model).logits([1, 2, 3, 9, 9]))
    torch.testing.assert_close(first, decoder.logits([1, 2, 3, 4, 5]))


def test_an_interrupted_computation_leaves_nothing_wrong_behind(tiny, monkeypatch):
    model = tiny()
    decoder = Decoder(model)
    decoder.logits([1, 2, 3, 4, 5])
    hidden = model.hidden

    def interrupted(ids, cache):
        hidden(ids, cache)
        raise KeyboardInterrupt

    monkeypatch.setattr(model, "hidden", interrupted)
    with pytest.raises(KeyboardInterrupt):
        decoder.logits([1, 2, 9, 9, 9])
    monkeypatch.setattr(model, "hidden", hidden)
    again = decoder.logits([1, 2, 3, 4, 5])
    torch.testing.assert_close(again, Decoder(model).logits([1, 2, 3, 4, 5]))


def test_the_same_seed_gives_the_same_text_and_others_differ(tiny):
    def draw(seed):
        config = SampleConfig(temperature=1, max_tokens=20)
        return list(generate(Decoder(model), [1], config, generator=sampling_generator(seed)))

    model = tiny()
    assert draw(1) == draw(1)
    assert draw(1) != draw(2)
    assert draw(None) != draw(None)


def test_padding_of_the_vocabulary_is_never_drawn(tiny):
    config = SampleConfig(temperature=5, max_tokens=200)
    assert max(generate(Decoder(tiny()), [1], config, vocab_size=5)) < 5


@given(st.text())
def test_text_streams_whole_characters_only(text):
    stream = TextStream(BYTES, {256})
    pieces = [stream.push(token) for token in text.encode()]
    assert all("\ufffd" not in piece or "\ufffd" in text for piece in pieces)
    assert "".join(pieces) == text
    assert stream.push(256) == ""
    assert stream.stopped


@given(st.text(alphabet="ab<>", max_size=12), st.text(alphabet="ab<>", max_size=6))
def test_what_may_begin_a_stop_string_waits(before, after):
    stop = "<ab>"
    stream = TextStream(BYTES, set(), (stop,))
    shown = ""
    for token in (before + stop + after).encode():
        shown += stream.push(token)
        assert (before + stop).split(stop)[0].startswith(shown)
        if stream.stopped:
            break
    assert stream.stopped
    assert shown == (before + stop + after).split(stop)[0]


def test_held_back_text_comes_at_the_end():
    stream = TextStream(BYTES, set(), ("<end>",))
    assert "".join(stream.push(t) for t in b"a <en") == "a "
    assert stream.finish() == "<en"
    assert not stream.stopped


class Scripted:
    """Stands in for a decoder: says given tokens."""

    def __init__(self, model, tokens):
        self.model, self._tokens = model, iter(tokens)
        self.window = Decoder(model).window

    def logits(self, ids):
        token = next(self._tokens)
        if isinstance(token, type):
            raise token
        return torch.full((257,), -1e9).scatter(0, torch.tensor(token), 0.0)


def test_a_reply_knows_how_it_ended(tiny):
    def play(tokens, **settings):
        reply = Reply()
        decoder = Scripted(tiny(block_size=64), tokens)
        config = SampleConfig(temperature=0, **settings)
        pieces = list(stream_reply(decoder, BYTES, [1], config, reply, stop_ids={256}))
        assert "".join(pieces) == reply.text
        return reply.text, reply.stop_reason, reply.tokens

    endless = itertools.cycle(b"x")
    assert play([*b"hi", 256]) == ("hi", "stop", 2)
    assert play(endless, max_tokens=5) == ("xxxxx", "length", 5)
    assert play([*b"hi", KeyboardInterrupt]) == ("hi", "interrupted", 2)
