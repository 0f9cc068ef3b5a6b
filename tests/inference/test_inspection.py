"""What a model thought of its reply is what it thought while it drew it."""

import pytest
import torch

from nanogpt_cli.config import SampleConfig
from nanogpt_cli.inference.engine import Decoder, generate
from nanogpt_cli.inference.inspection import inspect_reply
from nanogpt_cli.inference.sampling import sampling_generator


@pytest.mark.parametrize(
    "shape",
    [{"pos_embd": "default"}, {"pos_embd": "rope", "arch": "modern"}, {"pos_embd": "relative"}],
)
@pytest.mark.parametrize("prompt", [1, 12, 40])
def test_it_is_that_of_decoding_also_where_the_window_moves(tiny, shape, prompt):
    model = tiny(**shape)  # block_size 16
    ids = torch.randint(37, (prompt,)).tolist()
    config = SampleConfig(temperature=1.0, max_tokens=45)
    drawn = list(
        generate(Decoder(model), ids, config, vocab_size=35, generator=sampling_generator(1))
    )
    found = list(inspect_reply(model, ids, [token.id for token in drawn], 35, candidates=3))
    assert [token.id for token in found] == [token.id for token in drawn]
    for here, token in zip(found, drawn, strict=True):
        assert here.probability == pytest.approx(torch.tensor(token.logprob).exp().item(), rel=1e-3)
        best = token.alternatives(3)
        assert [id for id, _ in here.candidates] == [id for id, _ in best]
        assert here.rank == 1 + int((token.logits > token.logits[token.id]).sum())
    assert list(inspect_reply(model, ids, [], 35)) == []
