"""Continuous batching says what each request would be told alone, whoever comes and goes."""

import random

import pytest
import torch

from nanogpt_cli.config import SampleConfig
from nanogpt_cli.errors import CheckpointError
from nanogpt_cli.inference.engine import Decoder, generate
from nanogpt_cli.inference.requests import QueueFullError, Request
from nanogpt_cli.inference.sampling import sampling_generator
from nanogpt_cli.inference.scheduler import Scheduler

GREEDY = {"temperature": 0, "max_tokens": 40}


class Kept(Request):
    """Keeps what comes; ends after ``last`` tokens, or fails there."""

    def __init__(self, prompt, last=None, fails=False, **kwargs):
        config = kwargs.pop("config", None) or SampleConfig(**GREEDY)
        super().__init__(prompt, config, **kwargs)
        self.last, self.fails = last, fails
        self.said, self.ends, self.error = [], [], None

    def on_token(self, token):
        self.said.append(token.id)
        if len(self.said) == self.last and self.fails:
            raise ZeroDivisionError
        return len(self.said) == self.last

    def on_end(self, reason, error=None):
        self.ends.append(reason)
        self.error = error


def alone(model, request):
    config = request.config
    generator = sampling_generator(config.seed)
    tokens = generate(Decoder(model), request.prompt, config, generator=generator)
    return [token.id for token in tokens]


def run(scheduler, *requests):
    for request in requests:
        scheduler.submit(request)
    while scheduler.step():
        pass
    return requests


def prompts(*lengths):
    return [torch.randint(0, 37, (n,)).tolist() for n in lengths]


@pytest.mark.parametrize("arch", ["gpt2", "modern"])
@pytest.mark.parametrize("pos_embd", ["default", "rope", "relative"])
def test_requests_that_join_and_leave_say_what_they_say_alone(tiny, pos_embd, arch):
    """Windows move at each row's own time, settings differ, and there are fewer rows than texts."""
    model = tiny(pos_embd=pos_embd, arch=arch, ngram_rows=64)
    scheduler = Scheduler(model, rows=3, chunk=5)
    drawn = random.Random(1)
    requests = []
    for number, prompt in enumerate(prompts(1, 9, 16, 30, 2, 16, 7, 3)):
        config = SampleConfig(
            temperature=number % 3 / 2,
            top_k=[200, 5][number % 2],
            top_p=[1.0, 0.8, 0.9][number % 3],
            repeat_penalty=[1.0, 1.3][number % 2],
            max_tokens=drawn.randint(1, 40),
            seed=number,
        )
        requests.append(Kept(prompt, config=config))
        scheduler.submit(requests[-1])
        for _ in range(drawn.randint(0, 6)):
            scheduler.step()
    run(scheduler)
    assert [r.said for r in requests] == [alone(model, r) for r in requests]
    assert {reason for r in requests for reason in r.ends} == {"length"}
    assert scheduler.active == scheduler.waiting == 0


def test_what_a_row_holds_is_not_read_again(tiny):
    model = tiny(block_size=64)
    scheduler = Scheduler(model, rows=2)
    [first] = run(scheduler, Kept(prompts(20)[0], last=5))
    longer = Kept([*first.prompt, *first.said, 1, 2, 3])
    other = Kept([36, *prompts(5)[0]])
    before = scheduler.prompt_tokens
    run(scheduler, other, longer)
    assert scheduler.reused_tokens == 24
    assert scheduler.prompt_tokens - before == 6 + len(longer.prompt) - 24
    assert longer.said == alone(model, longer)
    assert other.said == alone(model, other)


def test_a_long_prompt_does_not_hold_up_the_others(tiny):
    scheduler = Scheduler(tiny(block_size=64), rows=2, chunk=4)
    short, long = Kept([1], last=12), Kept(prompts(40)[0], last=3)
    scheduler.submit(short)
    scheduler.step()
    scheduler.submit(long)
    for step in range(1, 9):
        scheduler.step()
        assert (len(short.said), len(long.said)) == (1 + step, 0)


def test_a_cancelled_request_frees_its_row_before_the_next_step(tiny):
    scheduler = Scheduler(tiny(), rows=1)
    first, second = Kept([1]), Kept([2], last=2)
    waiting = Kept([3])
    for request in (first, second, waiting):
        scheduler.submit(request)
    scheduler.step()
    assert (len(first.said), len(second.said)) == (1, 0)
    first.cancel()
    waiting.cancel()
    scheduler.step()
    assert (len(first.said), len(second.said)) == (1, 1)
    run(scheduler)
    assert first.ends == waiting.ends == ["cancelled"]
    assert second.ends == ["stop"]


def test_time_runs_out_with_a_row_and_without(tiny):
    scheduler = Scheduler(tiny(), rows=1)
    first, second = run(scheduler, Kept([1], seconds=0.0), Kept([2], seconds=0.0))
    assert first.ends == second.ends == ["time"]


def test_a_request_that_fails_fails_alone(tiny, monkeypatch):
    model = tiny()
    scheduler = Scheduler(model, rows=4)
    bad = Kept([1, 2, 3], last=3, fails=True)
    good = [Kept(prompt) for prompt in prompts(3, 8)]
    run(scheduler, good[0], bad, good[1])
    assert bad.ends == ["error"]
    assert isinstance(bad.error, ZeroDivisionError)
    assert [r.said for r in good] == [alone(model, r) for r in good]


def test_output_that_is_not_finite_ends_its_own_request(tiny):
    model = tiny()
    with torch.no_grad():
        model.transformer.wte.weight[3] = torch.nan
        model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.nan_to_num())
    scheduler = Scheduler(model, rows=3)
    good = [Kept([1, 2], last=4), Kept([5, 6, 7], last=4)]
    bad = Kept([1, 3, 2])
    run(scheduler, good[0], bad, good[1])
    assert isinstance(bad.error, CheckpointError)
    assert [r.ends for r in good] == [["stop"]] * 2
    again = Kept([1, 2, 5, 6], last=4)
    run(scheduler, again)
    assert again.ends == ["stop"]


def test_a_model_that_fails_for_a_batch_is_asked_for_each_row(tiny, monkeypatch):
    model = tiny()
    scheduler = Scheduler(model, rows=3)
    hidden = model.hidden

    def failing(ids, cache=None, counts=None):
        if 7 in ids.flatten().tolist():
            raise RuntimeError("7")
        return hidden(ids, cache, counts)

    monkeypatch.setattr(model, "hidden", failing)
    good, bad = Kept([1], last=5), Kept([7], last=5)
    one = Kept([2], last=5)
    run(scheduler, good, bad, one)
    assert bad.ends == ["error"]
    if 7 not in good.said[:-1]:
        assert good.ends == ["stop"]


def test_clients_take_turns(tiny):
    scheduler = Scheduler(tiny(), rows=1)
    order = []

    class Noted(Kept):
        def on_end(self, reason, error=None):
            order.append(self.client)

    many = [Noted([1], last=1, client="many") for _ in range(5)]
    run(scheduler, *many, Noted([1], last=1, client="one"))
    assert order == ["many", "one", *["many"] * 4]


def test_what_cannot_be_taken_is_refused(tiny):
    scheduler = Scheduler(tiny(), rows=1, waiting=1)
    for prompt in ([], [37], [-1]):
        with pytest.raises(ValueError, match=r"ids are 0 to 36|at least one token"):
            scheduler.submit(Kept(prompt))
    scheduler.submit(Kept([1]))
    with pytest.raises(QueueFullError):
        scheduler.submit(Kept([1]))


def test_a_prompt_can_be_scored(tiny):
    model = tiny(block_size=64)
    parts = []

    class Scored(Kept):
        wants_prompt = True

        def on_prompt(self, logits):
            parts.append(logits)

    [prompt] = prompts(30)
    [request] = run(Scheduler(model, chunk=7), Scored(prompt, new_tokens=0))
    assert request.said == []
    torch.testing.assert_close(torch.cat(parts), model(torch.tensor([prompt]))[0].detach())


def test_everyone_is_told_when_all_fails(tiny):
    scheduler = Scheduler(tiny(), rows=1)
    requests = [Kept([1]), Kept([2])]
    for request in requests:
        scheduler.submit(request)
    scheduler.step()
    scheduler.fail_all(RuntimeError("gone"))
    assert [r.ends for r in requests] == [["error"]] * 2
    [again] = run(scheduler, Kept([1], last=2))
    assert again.ends == ["stop"]
