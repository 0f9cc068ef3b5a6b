"""lm-evaluation-harness gets from our models what they say themselves."""

from pathlib import Path

import pytest
import torch
from short_runs import start

from nanogpt_cli.training.loop import train

pytest.importorskip("lm_eval")


@pytest.mark.long
def test_likelihoods_are_the_models_own(text_data):
    from lm_eval.api.instance import Instance

    from nanogpt_cli.evaluation.harness import NanoGPTLM

    train(start(max_iters=2))
    model = NanoGPTLM(str(Path("out/a/ckpt.pt")), "cpu")
    pairs = [("To be", ", or not"), ("", "Whether"), ("the question. " * 9, "suffer" * 5)]

    def ask(kind, *arguments):
        return [Instance(kind, {}, pair, i) for i, pair in enumerate(arguments)]

    scores = model.loglikelihood(ask("loglikelihood", *pairs), disable_tqdm=True)
    for (context, following), (score, greedy) in zip(pairs, scores, strict=True):
        before = model.tok_encode(context) or [model.eot_token_id]
        ids = [*before, *model.tok_encode(following)][-17:]
        with torch.no_grad():
            logprobs = model.loaded.model(torch.tensor([ids[:-1]]))[0].log_softmax(-1)
        count = min(len(following), 16)
        own = sum(logprobs[i - 1, ids[i]].item() for i in range(len(ids) - count, len(ids)))
        assert score == pytest.approx(own, abs=1e-4)
        assert not greedy
    text = "Whether 'tis nobler in the mind to suffer"
    [rolling] = model.loglikelihood_rolling(ask("loglikelihood_rolling", (text,)))
    assert -5 * len(text) < rolling < -len(text)
    [answer] = model.generate_until(
        ask("generate_until", ("To be", {"until": ["\n"], "max_gen_toks": 5}))
    )
    assert len(answer) <= 5
