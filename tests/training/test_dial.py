"""The dial chooses what fits the time and the text, and a forecast is near what happens."""

import time
from pathlib import Path

import pytest
import torch

from nanogpt_cli.config import ModelConfig, TrainConfig, tokens_per_step
from nanogpt_cli.data.store import open_dataset
from nanogpt_cli.errors import UsageError
from nanogpt_cli.sizes import LADDER
from nanogpt_cli.training import dial
from nanogpt_cli.training.plan import Request, make_run

CPU = torch.device("cpu")
SMALL = ModelConfig(32, 1, 2, 32, vocab_size=65, ngram_rows=64)


@pytest.fixture
def speed(monkeypatch):
    """Pretend that a step takes a nanosecond per weight and token."""

    def seconds(model_config, config, dataset, device, patience=1.0):
        weights = 12 * model_config.n_layer * model_config.n_embd**2
        return 1e-9 * weights * tokens_per_step(model_config, config)

    monkeypatch.setattr(dial, "seconds_per_step", seconds)


class Text:
    """Stands for a dataset of a given length."""

    def __init__(self, tokens):
        self.train = range(tokens)


def width(seconds, tokens):
    config = TrainConfig(time=seconds)
    return dial.fit(Text(tokens), ModelConfig(vocab_size=65), config, CPU)["n_embd"]


@pytest.mark.usefixtures("speed")
def test_more_time_gives_a_larger_model():
    widths = [width(seconds, 10**10) for seconds in (1, 100, 10**4, 10**6, 10**9)]
    assert widths == sorted(widths)
    assert widths[0] == LADDER[0].n_embd
    assert widths[-1] == LADDER[-1].n_embd
    assert len(set(widths)) >= 4


@pytest.mark.usefixtures("speed")
def test_a_short_text_gets_a_small_model_and_much_dropout():
    assert width(10**9, 10**5) < width(10**9, 10**7) < width(10**9, 10**9)
    config = TrainConfig(time=10**5)
    fitted = [dial.fit(Text(n), ModelConfig(), config, CPU) for n in (10**5, 10**11)]
    assert fitted[0]["dropout"] > fitted[1]["dropout"] == 0.0


@pytest.mark.usefixtures("speed")
def test_a_gpu_gets_enough_to_do_in_a_step():
    config = TrainConfig(time=100)
    on_cpu, on_gpu = (
        dial.fit(Text(10**9), ModelConfig(), config, torch.device(name)) for name in ("cpu", "cuda")
    )
    assert on_gpu["batch_size"] == dial.GPU_BATCH > on_cpu["batch_size"]


def test_the_dial_does_not_spend_the_time_on_compiling(text_data, monkeypatch):
    compiled = []
    monkeypatch.setattr(torch, "compile", lambda model: compiled.append(model) or model)
    data = open_dataset(Path("data/hamlet"))
    dial.fit(data, SMALL, TrainConfig(time=1, compile=True), CPU)
    assert not compiled


def test_the_dial_leaves_alone_what_was_asked_for(text_data, monkeypatch):
    chosen = {"n_layer": 5, "n_head": 2, "n_embd": 20, "batch_size": 3, "dropout": 0.2,
              "gradient_accumulation_steps": 1}  # fmt: skip
    asked = []
    monkeypatch.setattr(dial, "fit", lambda *args: asked.append(args) or chosen)

    def made(**settings):
        return make_run(Request({"device": "cpu", **settings}, "data/hamlet"))

    run = made(time=60.0, block_size=16)
    assert (run.model_config.n_layer, run.config.batch_size) == (5, 3)
    assert run.model_config.dropout == 0.2
    assert asked[0][1].block_size == 16
    assert any("chosen for 1m: " in note for note in run.notes)
    assert made(time=60.0, dropout=0.5).model_config.dropout == 0.5
    assert len(asked) == 2
    assert made(time=60.0, n_layer=1).model_config.n_layer == 1
    assert made(max_iters=5).model_config.n_layer == ModelConfig.n_layer
    assert len(asked) == 2


def test_the_dial_works_for_real_and_in_a_part_of_the_time(text_data):
    begin = time.perf_counter()
    run = make_run(Request({"device": "cpu", "time": 4.0, "block_size": 32}, "data/hamlet"))
    assert time.perf_counter() - begin < 4.0
    assert run.model_config.n_embd == LADDER[0].n_embd  # the text is tiny


def test_timing_leaves_the_random_numbers_as_they_were(text_data):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    config = TrainConfig(batch_size=2)
    dial.seconds_per_step(SMALL, config, open_dataset(Path("data/hamlet")), CPU, patience=0)
    assert torch.equal(torch.get_rng_state(), before)


def test_no_time_is_no_budget():
    with pytest.raises(UsageError):
        TrainConfig(time=-1)
