"""Each parameter has one optimizer, one group and the rate its schedule says."""

import math

import pytest
import torch

from nanogpt_cli.config import TrainConfig
from nanogpt_cli.training.optim import (
    Muon,
    learning_rate,
    make_optimizers,
    orthogonalize,
    square_blocks,
)


def names_of(model, params):
    wanted = {id(p) for p in params}
    return {name for name, p in model.named_parameters() if id(p) in wanted}


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("arch", ["gpt2", "modern"])
def test_every_parameter_is_in_exactly_one_group(tiny, optimizer, arch):
    model = tiny(pos_embd="relative", arch=arch, bias=True)
    parts = make_optimizers(model, TrainConfig(optimizer=optimizer)).parts
    params = [p for part in parts for group in part.param_groups for p in group["params"]]
    assert len(params) == len(set(params)) == len(list(model.parameters()))


def test_matrices_decay_and_the_rest_does_not(tiny):
    model = tiny(pos_embd="relative", bias=True)
    groups = (
        make_optimizers(model, TrainConfig(optimizer="adamw", weight_decay=0.3))
        .parts[0]
        .param_groups
    )
    decayed, free = (names_of(model, g["params"]) for g in groups)
    assert [g["weight_decay"] for g in groups] == [0.3, 0.0]
    assert "transformer.wte.weight" in decayed
    assert "transformer.h.0.mlp.c_fc.weight" in decayed
    assert "transformer.h.0.mlp.c_fc.bias" in free
    assert "transformer.ln_f.weight" in free
    assert "transformer.relative.relative_embeddings.weight" in free


def test_muon_takes_the_matrices_inside_the_blocks_only(tiny):
    model = tiny(arch="modern", bias=True)
    _, muon = make_optimizers(model, TrainConfig(optimizer="muon")).parts
    assert isinstance(muon, Muon)
    names = names_of(model, muon.param_groups[0]["params"])
    assert len(names) == 2 * 4
    assert all(name.startswith("transformer.h.") and name.endswith("weight") for name in names)


def test_orthogonalize_keeps_directions_and_evens_out_sizes():
    matrices = torch.randn(3, 32, 32)
    matrices[0, :, 1] *= 100  # one direction far stronger than the others
    result = orthogonalize(matrices)
    u, before, v = torch.linalg.svd(matrices)
    nearest = u @ v  # the orthogonal matrix that the iteration would end in
    alike = (result * nearest).sum((1, 2)) / result.norm(dim=(1, 2)) / nearest.norm(dim=(1, 2))
    assert alike.min() > 0.8
    after = torch.linalg.svdvals(result)
    assert after.max() < 2.2
    assert before[0, 0] / before[0, 16] > 50
    assert after[0, 0] / after[0, 16] < 3
    torch.testing.assert_close(result[:1], orthogonalize(matrices[:1]), rtol=1e-2, atol=1e-2)


def test_square_blocks_are_views_of_the_parts_of_a_layer():
    wide = torch.arange(32.0).view(4, 8)
    torch.testing.assert_close(square_blocks(wide)[1], wide[:, 4:])
    tall = wide.clone().view(8, 4)
    square_blocks(tall)[1].zero_()
    assert tall[4:].eq(0).all()
    assert tall[:4].ne(0).sum() == 15


@pytest.mark.parametrize("width", [32, 64])
def test_muon_updates_have_one_size_whatever_the_gradient_and_the_width(width):
    p = torch.nn.Parameter(torch.zeros(width, 4 * width))
    muon = Muon([p], lr=0.01)
    p.grad = torch.randn(width, 4 * width) * 1e-4
    muon.step()
    for block in square_blocks(p.detach()):
        largest = torch.linalg.svdvals(block)[0] / (0.01 * Muon.SIZE)
        assert 0.7 < largest < 2.2


def test_muon_descends():
    target = torch.randn(8, 8)
    p = torch.nn.Parameter(torch.zeros(8, 8))
    muon = Muon([p], lr=0.1)
    losses = []
    for _ in range(60):
        loss = (p - target).square().mean()
        losses.append(loss.item())
        p.grad = None
        loss.backward()
        muon.step()
    assert losses[-1] < losses[0] / 4


def test_the_modern_token_table_has_its_own_rate(tiny):
    model = tiny(arch="modern")
    optimizers = make_optimizers(model, TrainConfig(optimizer="muon"))
    optimizers.set_lr(0.1)
    rates = {
        name: group["lr"]
        for part in optimizers.parts
        for group in part.param_groups
        for name in names_of(model, group["params"])
    }
    assert rates["lm_head.weight"] == rates["transformer.h.0.mlp.c_fc.weight"] == 0.1
    assert rates["transformer.wte.weight"] == pytest.approx(0.6)


def test_ngram_tables_move_fast_and_decay(tiny):
    model = tiny(arch="modern", ngram_rows=8)
    optimizers = make_optimizers(model, TrainConfig(optimizer="muon", weight_decay=0.1))
    optimizers.set_lr(0.1)
    groups = [group for part in optimizers.parts for group in part.param_groups]
    (group,) = [
        g for g in groups if "transformer.ngram.tables.weight" in names_of(model, g["params"])
    ]
    assert group["lr"] == pytest.approx(0.6)
    assert group["weight_decay"] == pytest.approx(0.3)


def test_optimizers_keep_their_moments_and_not_the_old_rates(tiny):
    model = tiny()
    old = make_optimizers(model, TrainConfig(optimizer="muon", weight_decay=0.1, beta2=0.9))
    model(torch.zeros(1, 4, dtype=torch.long), torch.ones(1, 4, dtype=torch.long)).backward()
    old.step()
    new = make_optimizers(model, TrainConfig(optimizer="muon", weight_decay=0.7, beta2=0.8))
    new.load_state_dict(old.state_dict())
    assert new.parts[0].param_groups[0]["weight_decay"] == 0.7
    assert new.parts[0].param_groups[0]["betas"] == (0.9, 0.8)
    wte = model.transformer.wte.weight
    assert torch.equal(new.parts[0].state[wte]["exp_avg"], old.parts[0].state[wte]["exp_avg"])
    with pytest.raises(ValueError, match="optimizer"):
        make_optimizers(model, TrainConfig(optimizer="adamw")).load_state_dict(old.state_dict())


def trained(model, optimizer):
    """Return optimizers that have taken one step."""
    optimizers = make_optimizers(model, TrainConfig(optimizer=optimizer))
    model(torch.zeros(1, 4, dtype=torch.long), torch.ones(1, 4, dtype=torch.long)).backward()
    optimizers.step()
    return optimizers


def entry(state, number=0):
    return next(iter(state[-1]["state"][number].keys() - {"step"}))


SPOILED = {
    "shape": lambda state: state[-1]["state"][0].update({entry(state): torch.ones(3)}),
    "type": lambda state: state[-1]["state"][0].update(
        {entry(state): state[-1]["state"][0][entry(state)].double()}
    ),
    "one element for all": lambda state: state[-1]["state"][0].update(
        {entry(state): torch.ones(1).expand(state[-1]["state"][0][entry(state)].shape)}
    ),
    "another order": lambda state: state[-1]["state"][0].update(
        {entry(state): state[-1]["state"][0][entry(state)].t().contiguous().t()}
    ),
    "no tensor": lambda state: state[-1]["state"][0].update({entry(state): [1.0]}),
    "shared": lambda state: state[-1]["state"].update({4: state[-1]["state"][0]}),
    "an entry more": lambda state: state[-1]["state"][0].update(more=torch.ones(1)),
    "an entry less": lambda state: state[-1]["state"][0].popitem(),
    "a tensor for the entries": lambda state: state[-1]["state"].update({0: torch.ones(3)}),
    "a parameter less": lambda state: state[-1]["state"].popitem(),
    "another number": lambda state: state[-1]["state"].update(x=state[-1]["state"].pop(0)),
    "groups": lambda state: state[-1]["param_groups"][0]["params"].reverse(),
    "tensors for groups": lambda state: state[-1].update(param_groups=[torch.ones(3)]),
    "numbers for tensors": lambda state: state[-1]["param_groups"][0].update(params=torch.ones(3)),
    "steps": lambda state: state[0]["state"][0].update(step=torch.ones(3)),
    "no steps": lambda state: state[0]["state"][0].update(step=float("nan")),
    "steps before the first": lambda state: state[0]["state"][0].update(step=torch.tensor(-5.0)),
    "no state": lambda state: state[-1].clear(),
    "another thing": lambda state: state.__setitem__(-1, torch.ones(3)),
    "one more": lambda state: state.append({}),
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED.keys())
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_state_that_is_not_of_these_parameters_is_refused_whole(tiny, optimizer, spoil):
    model = tiny()
    state = trained(model, optimizer).state_dict()
    state = [
        {**part, "state": {n: dict(entries) for n, entries in part["state"].items()}}
        for part in state
    ]
    spoil(state)
    new = make_optimizers(model, TrainConfig(optimizer=optimizer))
    with pytest.raises(ValueError, match=r"^(its|it does|the checkpoint)"):
        new.load_state_dict(state)
    assert all(not part.state for part in new.parts)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_state_from_before_the_first_step_and_steps_as_numbers_are_taken(tiny, optimizer):
    model = tiny()
    new = make_optimizers(model, TrainConfig(optimizer=optimizer))
    new.load_state_dict(new.state_dict())
    state = trained(model, optimizer).state_dict()
    for entries in state[0]["state"].values():
        entries["step"] = 1
    new.load_state_dict(state)
    for entries in new.parts[0].state_dict()["state"].values():
        assert torch.equal(entries["step"], torch.tensor(1.0))


CONFIG = TrainConfig(learning_rate=1.0, min_lr=0.1, warmup_iters=10, schedule="cosine")


def rate(config, step, total=100):
    """Return the learning rate of a step of a run of ``total`` steps."""
    return learning_rate(config, min(1.0, step / total), 1 / total)


def test_warmup_rises_to_the_peak():
    rates = [rate(CONFIG, step) for step in range(11)]
    assert rates == sorted(rates)
    assert rates[0] == pytest.approx(1 / 11)  # never zero
    assert rates[10] == 1.0


def test_cosine_is_nanogpts():
    for step in (10, 30, 55, 99):
        ratio = (step - 10) / 90
        expected = 0.1 + 0.5 * (1 + math.cos(math.pi * ratio)) * 0.9
        assert rate(CONFIG, step) == pytest.approx(expected)
    assert rate(CONFIG, 100) == rate(CONFIG, 5000) == 0.1


def test_linear_and_wsd():
    linear = TrainConfig(learning_rate=1.0, min_lr=0.0, warmup_iters=0, schedule="linear")
    assert rate(linear, 50) == pytest.approx(0.5)
    wsd = TrainConfig(learning_rate=1.0, min_lr=0.0, warmup_iters=0, schedule="wsd")
    assert rate(wsd, 79) == 1.0
    assert rate(wsd, 90) == pytest.approx(0.5)


def test_no_decay_stays_at_the_peak():
    config = TrainConfig(learning_rate=1.0, warmup_iters=10, decay_lr=False)
    assert rate(config, 10_000) == 1.0


def test_warmup_takes_at_most_a_tenth_of_a_time_budget():
    config = TrainConfig(learning_rate=1.0, warmup_iters=2000, schedule="linear", time=60.0)
    rates = [rate(config, step) for step in range(100)]
    assert max(rates) == rates[10] == 1.0
    assert rates[-1] == pytest.approx(1 / 90)
    short = TrainConfig(learning_rate=1.0, warmup_iters=5, schedule="linear", time=60.0)
    assert rate(short, 5) == 1.0


@pytest.mark.parametrize("time", [0.0, 60.0])
@pytest.mark.parametrize("schedule", ["cosine", "linear", "wsd"])
def test_without_warmup_the_first_rate_is_the_peak(schedule, time):
    config = TrainConfig(learning_rate=1.0, warmup_iters=0, schedule=schedule, time=time)
    assert learning_rate(config, 0.0, 0.01) == 1.0
