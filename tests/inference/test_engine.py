"""Decoding equals its naive twin: the whole text computed anew for each token."""

import itertools

import pytest
import torch

from nanogpt_cli.config import SampleConfig
from nanogpt_cli.errors import CheckpointError
from nanogpt_cli.inference.engine import Decoder, generate, generate_batch, stream_reply
from nanogpt_cli.inference.sampling import sampling_generator
from nanogpt_cli.inference.text_stream import Reply
from nanogpt_cli.tokenizer.load import from_dict

BYTES = from_dict({"kind": "byte", "special_tokens": {"<endOfText>": 256}})


def said(tokens):
    return [token.id for token in tokens]


def test_repeat_penalty_knows_the_reply_and_not_the_prompt(tiny):
    def play(penalty):
        decoder = Scripted(tiny(block_size=64), [])
        decoder.logits = lambda _: torch.tensor([1.0, 3.0, 2.0, -1.0])
        config = SampleConfig(temperature=0, repeat_penalty=penalty, max_tokens=3)
        return said(generate(decoder, [1, 2, 2], config))

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
    assert said(generate(Decoder(model), prompt, greedy)) == naive(model, prompt, 40)


def test_a_decoder_computes_only_what_is_new(tiny, monkeypatch):
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
        return said(generate(Decoder(model), [1], config, generator=sampling_generator(seed)))

    model = tiny()
    assert draw(1) == draw(1)
    assert draw(1) != draw(2)
    assert draw(None) != draw(None)


def test_padding_of_the_vocabulary_is_never_drawn(tiny):
    config = SampleConfig(temperature=5, max_tokens=200)
    assert max(said(generate(Decoder(tiny()), [1], config, vocab_size=5))) < 5


class Scripted:
    """Stands in for a decoder: says given tokens."""

    def __init__(self, model, tokens):
        self.model, self._tokens = model, iter(tokens)

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


def test_output_that_is_not_finite_is_an_error(tiny):
    model = tiny()
    with torch.no_grad():
        model.transformer.wte.weight[3] = torch.inf
    with pytest.raises(CheckpointError, match="not finite"):
        next(generate(Decoder(model), [1], SampleConfig()))


# --- many at once ---------------------------------------------------------------------------------


def by_row(pairs, count):
    rows = [[] for _ in range(count)]
    for row, token in pairs:
        rows[row].append(token.id)
    return rows


@pytest.mark.parametrize("arch", ["gpt2", "modern"])
@pytest.mark.parametrize("pos_embd", ["default", "rope", "relative"])
@pytest.mark.parametrize(
    "lengths", [(3, 3, 3), (1, 9, 16, 30, 2), (1, 2, 3, 5, 7, 9, 12, 16), (5,), ()]
)
def test_a_greedy_batch_equals_one_by_one(tiny, pos_embd, arch, lengths):
    """Windows move at each row's own time: 40 tokens in a context of 16."""
    model = tiny(pos_embd=pos_embd, arch=arch, ngram_rows=64)
    prompts = [torch.randint(0, 37, (n,)).tolist() for n in lengths]
    greedy = SampleConfig(temperature=0, max_tokens=40)
    together = by_row(generate_batch(model, prompts, greedy), len(prompts))
    assert together == [said(generate(Decoder(model), prompt, greedy)) for prompt in prompts]


def test_rows_end_at_their_own_time(tiny):
    model = tiny()
    prompts = [[1, 2, 3], [4, 5], [6], [7, 8, 9, 10]]
    greedy = SampleConfig(temperature=0, max_tokens=20)
    whole = by_row(generate_batch(model, prompts, greedy), 4)
    ends = [2, 9, 0, 30]
    so_far = [0] * 4

    def ended(row, token):
        so_far[row] += 1
        return so_far[row] > ends[row]

    cut = by_row(generate_batch(model, prompts, greedy, ended=ended), 4)
    assert cut == [ids[: end + 1] for ids, end in zip(whole, ends, strict=True)]


def test_a_row_draws_from_its_own_generator(tiny):
    model = tiny(pos_embd="rope", arch="modern")
    prompts = [[1, 2, 3], [4], [1, 2, 3]]
    config = SampleConfig(temperature=1, max_tokens=20, seed=5)
    rows = by_row(generate_batch(model, prompts, config, vocab_size=30), 3)
    for row, prompt in enumerate(prompts):
        alone = generate(
            Decoder(model), prompt, config, vocab_size=30, generator=sampling_generator(5 + row)
        )
        assert rows[row] == said(alone)
    assert rows[0] != rows[2]
    generators = [sampling_generator(7) for _ in prompts]
    same = by_row(generate_batch(model, prompts, config, generators=generators), 3)
    assert same[0] == same[2]


def test_prompts_of_several_lengths_are_read_together_without_what_they_do_not_have(tiny):
    model = tiny(arch="modern")
    with torch.no_grad():
        model.transformer.wte.weight[0] = torch.nan
    prompts = [[1, 2, 3, 4, 5], [6, 7, 8, 9], [5, 6, 7, 8]]
    found = generate_batch(model, prompts, SampleConfig(max_tokens=1, temperature=0))
    assert [row for row, _ in found] == [0, 1, 2]


def test_an_empty_prompt_is_refused(tiny):
    with pytest.raises(ValueError, match="at least one token"):
        next(generate_batch(tiny(), [[1], []], SampleConfig()))


def test_tokens_come_with_log_probabilities(tiny):
    model = tiny()
    token = next(generate(Decoder(model), [1, 2], SampleConfig(temperature=0)))
    expected = model(torch.tensor([[1, 2]]))[0, -1].log_softmax(-1)
    assert token.logprob == pytest.approx(expected.max().item(), abs=1e-5)
    assert token.alternatives(3)[0] == (token.id, token.logprob)
