"""The dial chooses what fits the time and the text, and a forecast is near what happens."""

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nanogpt_cli.config import ModelConfig, TrainConfig, tokens_per_step
from nanogpt_cli.data.store import open_dataset
from nanogpt_cli.errors import MachineError, UsageError
from nanogpt_cli.training import dial as budget
from nanogpt_cli.training import plan
from nanogpt_cli.training.plan import Request, make_run

CPU = torch.device("cpu")
SMALL = ModelConfig(32, 1, 2, 32, vocab_size=65, ngram_rows=64)


@pytest.fixture
def speed(monkeypatch):
    """Pretend that a step takes a nanosecond per weight and token."""

    def seconds(model_config, config, dataset, device, patience=1.0):
        weights = 12 * model_config.n_layer * model_config.n_embd**2
        return 1e-9 * weights * tokens_per_step(model_config, config)

    monkeypatch.setattr(budget, "seconds_per_step", seconds)


class Text:
    """Stands for a dataset of a given length."""

    def __init__(self, tokens):
        self.train = range(tokens)


def width(seconds, tokens):
    config = TrainConfig(time=seconds)
    return budget.fit(Text(tokens), ModelConfig(vocab_size=65), config, CPU)["n_embd"]


@pytest.mark.usefixtures("speed")
def test_more_time_gives_a_larger_model():
    widths = [width(seconds, 10**10) for seconds in (1, 100, 10**4, 10**6, 10**9)]
    assert widths == sorted(widths)
    assert widths[0] == budget.LADDER[0].n_embd
    assert widths[-1] == budget.LADDER[-1].n_embd
    assert len(set(widths)) >= 4


@pytest.mark.usefixtures("speed")
def test_a_short_text_gets_a_small_model_and_much_dropout():
    assert width(10**9, 10**5) < width(10**9, 10**7) < width(10**9, 10**9)
    config = TrainConfig(time=10**5)
    fitted = [budget.fit(Text(n), ModelConfig(), config, CPU) for n in (10**5, 10**11)]
    assert fitted[0]["dropout"] > fitted[1]["dropout"] == 0.0


def test_the_dial_leaves_alone_what_was_asked_for(text_data, monkeypatch):
    chosen = {"n_layer": 5, "n_head": 2, "n_embd": 20, "batch_size": 3, "dropout": 0.2,
              "gradient_accumulation_steps": 1}  # fmt: skip
    asked = []
    monkeypatch.setattr(budget, "fit", lambda *args: asked.append(args) or chosen)

    def made(**settings):
        return make_run(Request({"device": "cpu", **settings}, "data/hamlet"))

    run = made(time=60.0, block_size=16)
    assert (run.model_config.n_layer, run.config.batch_size) == (5, 3)
    assert run.model_config.dropout == 0.2
    assert asked[0][1].block_size == 16
    assert any("fitted to 60 s" in note for note in run.notes)
    assert made(time=60.0, dropout=0.5).model_config.dropout == 0.5
    assert len(asked) == 2
    assert made(time=60.0, n_layer=1).model_config.n_layer == 1
    assert made(max_iters=5).model_config.n_layer == ModelConfig.n_layer
    assert len(asked) == 2


def test_the_dial_works_for_real_and_in_a_part_of_the_time(text_data):
    begin = time.perf_counter()
    run = make_run(Request({"device": "cpu", "time": 4.0, "block_size": 32}, "data/hamlet"))
    assert time.perf_counter() - begin < 4.0
    assert run.model_config.n_embd == budget.LADDER[0].n_embd  # the text is tiny


def test_a_forecast_is_near_what_happens(text_data):
    run = make_run(
        Request({"device": "cpu", "max_iters": 300, "n_embd": 32, "n_head": 2, "n_layer": 1,
                 "block_size": 32, "ngram_rows": 64}, "data/hamlet")
    )  # fmt: skip
    expected = budget.forecast(run, CPU)
    per_step = budget.seconds_per_step(run.model_config, run.config, run.dataset, CPU)
    assert expected.steps == 300
    assert expected.epochs == pytest.approx(300 * 8 * 32 / len(run.dataset.train))
    assert 0.1 < expected.seconds / (300 * per_step) < 10
    assert expected.overfitting == "high"
    calm = replace(run, config=replace(run.config, max_iters=5))
    assert budget.forecast(calm, CPU).overfitting == "low"


def test_timing_leaves_the_random_numbers_as_they_were(text_data):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    config = TrainConfig(batch_size=2)
    budget.seconds_per_step(SMALL, config, open_dataset(Path("data/hamlet")), CPU, patience=0)
    assert torch.equal(torch.get_rng_state(), before)


def test_memory_grows_with_model_batch_and_optimizer():
    def memory(batch_size=8, optimizer="muon", **shape):
        config = TrainConfig(batch_size=batch_size, optimizer=optimizer)
        return budget.peak_memory(replace(SMALL, **shape), config, CPU)

    states = (
        4 * 4 * sum(p.numel() for p in budget.make_model(SMALL).parameters())
    )  # weights, gradients and two moments, at the most
    assert memory(batch_size=1) > 0.8 * states
    assert memory(batch_size=80) - memory(batch_size=40) == pytest.approx(
        memory(batch_size=120) - memory(batch_size=80), rel=0.05
    )
    assert memory(n_layer=4) > 2 * memory()
    assert memory(optimizer="adamw") > memory()


def test_a_batch_too_large_for_anything_is_still_estimated():
    config = TrainConfig(batch_size=10**6)
    assert budget.peak_memory(SMALL, config, CPU) > 10**10


def test_no_time_is_no_budget():
    with pytest.raises(UsageError):
        TrainConfig(time=-1)


class TestFittingIntoMemory:
    CONFIG = TrainConfig(batch_size=64, gradient_accumulation_steps=2)

    def fitted(self, share):
        """Fit a run to a share of the memory that it would like."""
        available = int(share * budget.peak_memory(SMALL, self.CONFIG, CPU))
        return budget.fit_memory(SMALL, self.CONFIG, CPU, available)

    def test_what_fits_stays_as_it_is(self):
        assert self.fitted(1.0) is self.CONFIG
        assert budget.fit_memory(SMALL, self.CONFIG, CPU, 10**12) is self.CONFIG

    def test_micro_batches_are_cut_until_they_fit_and_a_step_stays_a_step(self):
        config = self.fitted(0.5)
        assert config.batch_size < 64
        assert config.batch_size * config.gradient_accumulation_steps == 128
        assert tokens_per_step(SMALL, config) == tokens_per_step(SMALL, self.CONFIG)

    def test_a_model_that_cannot_fit_is_refused_with_what_it_needs(self):
        with pytest.raises(MachineError, match=r"needs about .* GB of memory") as error:
            self.fitted(0.01)
        assert error.value.exit_code == 5
        assert "--n-embd" in error.value.hint

    def test_the_rough_estimate_is_above_the_exact_one(self):
        shapes = [
            SMALL,
            ModelConfig(),
            replace(SMALL, pos_embd="relative", dropout=0.2, block_size=256),
            ModelConfig(64, 4, 4, 128, bias=True, arch="gpt2", pos_embd="default", vocab_size=65),
        ]
        for shape in shapes:
            for settings in (self.CONFIG, TrainConfig(optimizer="adamw", dtype="float32")):
                exact = budget.peak_memory(shape, settings, CPU)
                assert budget._rough_memory(shape, settings) > exact


def test_a_run_is_fitted_to_the_memory_that_is_there(text_data, monkeypatch):
    def made(**settings):
        return make_run(Request({"device": "cpu", "block_size": 32, **settings}, "data/hamlet"))

    whole = made(batch_size=64)
    needed = budget.peak_memory(whole.model_config, whole.config, CPU)
    monkeypatch.setattr(plan, "available_memory", lambda: int(0.9 * needed))
    run = made(batch_size=64)
    assert (run.config.batch_size, run.config.gradient_accumulation_steps) == (32, 2)
    assert "2 micro-batches of 32" in " ".join(run.notes)
    monkeypatch.setattr(plan, "available_memory", lambda: 1000)
    with pytest.raises(MachineError):
        made()
    assert not Path("out").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit that the system keeps")
def test_memory_that_runs_out_all_the_same_is_the_machines_error(text_data):
    args = ["train", "--device=cpu", "--max-iters=2", "--n-embd=512", "--n-layer=6"]
    hidden = (
        "import nanogpt_cli.training.plan as p; p._fitting = lambda model, config, *rest: config"
    )
    limited = f"""
import resource, sys, torch
{hidden}
import psutil
room = psutil.Process().memory_info().vms + 150_000_000
resource.setrlimit(resource.RLIMIT_AS, (room, room))
from nanogpt_cli.cli import run
sys.exit(run({args}))
"""
    done = subprocess.run([sys.executable, "-c", limited], capture_output=True, text=True)
    assert done.returncode == 5, done.stderr
    assert "error: out of memory" in done.stderr
    assert "hint:" in done.stderr
    assert "Traceback" not in done.stderr
