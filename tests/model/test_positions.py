"""Position embeddings do what their papers say, and one can be added from outside."""

import pytest
import torch
from torch import nn

from nanogpt_cli.errors import UsageError
from nanogpt_cli.model.positions import Position, fit_tables, rotate, rotation
from nanogpt_cli.registry import POSITIONS


def test_rope_depends_on_distance_only():
    q, k = torch.randn(1, 1, 1, 8), torch.randn(1, 1, 1, 8)

    def score(at_q, at_k):
        rotated = [rotate(x, *rotation(torch.tensor([at]), 8)) for x, at in ((q, at_q), (k, at_k))]
        return (rotated[0] * rotated[1]).sum()

    torch.testing.assert_close(score(5, 2), score(105, 102), rtol=1e-4, atol=1e-4)
    assert (score(5, 2) - score(5, 3)).abs() > 1e-3


def test_rope_keeps_lengths():
    x = torch.randn(2, 3, 16, 8)
    rotated = rotate(x, *rotation(torch.arange(16), 8))
    torch.testing.assert_close(rotated.norm(dim=-1), x.norm(dim=-1))
    assert torch.equal(rotated[:, :, 0], x[:, :, 0])


def test_a_zero_relative_table_changes_nothing(tiny):
    absolute = tiny()
    relative = tiny(pos_embd="relative", absolute_table=True)
    table = "transformer.relative.relative_embeddings.weight"
    relative.load_state_dict({**absolute.state_dict(), table: torch.zeros(16, 2)})
    ids = torch.randint(0, 37, (2, 16))
    torch.testing.assert_close(relative(ids), absolute(ids), rtol=0, atol=1e-6)
    relative.load_state_dict({**absolute.state_dict(), table: torch.randn(16, 2)})
    assert not torch.allclose(relative(ids), absolute(ids), atol=1e-3)


def test_the_relative_bias_is_the_table_at_the_distance(tiny):
    model = tiny(pos_embd="relative")
    relative = model.transformer.relative
    table = relative.relative_embeddings.weight
    bias = relative.bias(torch.arange(20)[None], 20)[0]  # longer than the table of 16
    for t, s in [(0, 0), (7, 3), (15, 0), (19, 0), (19, 4)]:
        torch.testing.assert_close(bias[:, t, s], table[min(t - s, 15)])
    torch.testing.assert_close(relative.bias(torch.tensor([[19]]), 20)[0], bias[:, -1:])
    mask = model.positions.mask(torch.arange(20)[None], 20, alike=True)
    assert torch.isinf(mask[0, :, 3, 4]).all()
    assert torch.equal(mask[0, :, 7, :8], bias[:, 7, :8])


def test_relative_and_rope_read_further_than_they_were_trained(tiny):
    ids = torch.randint(0, 37, (1, 40))
    for pos_embd in ("rope", "relative"):
        assert tiny(pos_embd=pos_embd)(ids).isfinite().all()
    with pytest.raises(ValueError, match="block_size"):
        tiny()(ids)


class Sinusoidal(Position):
    """Vaswani et al. 2017, with a gain that is learned and not decayed, and a bias of its own."""

    name = "sinusoidal"
    decays = False

    def __init__(self, config):
        super().__init__()
        self.gain = nn.Parameter(torch.empty(1, config.n_embd))
        self.slope = nn.Parameter(torch.empty(config.n_head, 1, 1))

    def init_weights(self):
        self.gain.fill_(0.02)
        self.slope.fill_(-0.1)

    def embed(self, x, at):
        pairs = torch.arange(0, x.size(-1), 2)
        angles = at[..., None] * 10_000 ** -(pairs / x.size(-1))
        return x + self.gain * torch.cat((angles.sin(), angles.cos()), dim=-1)

    def bias(self, at, S):
        return self.slope * (at[:, None, :, None] - torch.arange(S))


@pytest.fixture
def sinusoidal():
    POSITIONS.register("sinusoidal", Sinusoidal)
    yield
    POSITIONS.unregister("sinusoidal")


@pytest.mark.usefixtures("sinusoidal")
@pytest.mark.parametrize("arch", ["gpt2", "modern"])
def test_a_position_embedding_can_be_added_from_outside(tiny, arch):
    model = tiny(pos_embd="sinusoidal", arch=arch)
    names = {name for name, _ in model.named_parameters() if "sinusoidal" in name}
    assert names == {"transformer.sinusoidal.gain", "transformer.sinusoidal.slope"}
    ids = torch.full((1, 16), 3)
    assert not torch.allclose(model(ids)[0, 4], model(ids)[0, 5], atol=1e-4)
    model(ids, ids).backward()
    own = model.transformer.sinusoidal
    assert own.gain.grad.abs().max() > 0
    assert own.slope.grad.abs().max() > 0
    roles = {id(p): role for role, p in model.roles()}
    assert roles[id(own.gain)] == roles[id(own.slope)] == "free"
    cache = model.new_cache()
    with torch.no_grad():
        parts = [model.hidden(piece, cache) for piece in ids.split([9, 1, 6], dim=1)]
        torch.testing.assert_close(torch.cat(parts, 1), model.hidden(ids), rtol=1e-4, atol=1e-5)


def test_what_was_added_is_gone_again(tiny):
    with pytest.raises(UsageError, match="sinusoidal"):
        tiny(pos_embd="sinusoidal")


@pytest.mark.parametrize(
    ("settings", "tables"),
    [
        ({"pos_embd": "default"}, {"transformer.wpe.weight"}),
        ({"pos_embd": "rope"}, set()),
        ({"pos_embd": "relative"}, {"transformer.relative.relative_embeddings.weight"}),
        (
            {"pos_embd": "relative", "absolute_table": True},
            {"transformer.wpe.weight", "transformer.relative.relative_embeddings.weight"},
        ),
    ],
)
def test_cropped_tables_compute_the_same_on_a_shorter_block(tiny, settings, tables):
    model, short = tiny(**settings), tiny(**settings, block_size=5)
    state = fit_tables(model.config, model.state_dict(), 5)
    assert {k for k, v in state.items() if v.shape != model.state_dict()[k].shape} == tables
    short.load_state_dict(state)
    ids = torch.randint(0, 37, (2, 5))
    assert torch.equal(short(ids), model(ids))


def test_a_relative_table_is_not_decayed_and_an_absolute_one_is(tiny):
    model = tiny(pos_embd="relative", absolute_table=True)
    roles = {id(p): role for role, p in model.roles()}
    assert roles[id(model.transformer.relative.relative_embeddings.weight)] == "free"
    assert roles[id(model.transformer.wpe.weight)] == "decayed"
