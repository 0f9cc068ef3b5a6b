"""What a run will need is said beforehand, and a run is made to fit."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nanogpt_cli.config import ModelConfig, TrainConfig, tokens_per_step
from nanogpt_cli.errors import MachineError
from nanogpt_cli.model.factory import make_model
from nanogpt_cli.training import forecast, plan
from nanogpt_cli.training.optim import make_optimizers
from nanogpt_cli.training.plan import Request, make_run

CPU = torch.device("cpu")
SMALL = ModelConfig(32, 1, 2, 32, vocab_size=65, ngram_rows=64)


def test_a_forecast_follows_from_the_time_of_a_step(text_data, monkeypatch):
    monkeypatch.setattr(forecast, "timed_steps", lambda *_, **__: [0.03] + 10 * [0.02] + [0.01])
    shape = {"n_embd": 32, "n_head": 2, "n_layer": 1, "block_size": 32, "ngram_rows": 64}

    def made(**budget):
        request = Request({"device": "cpu", **shape, **budget}, "data/hamlet")
        return forecast.forecast(make_run(request), CPU)

    expected = made(max_iters=300)
    assert expected.steps == 300
    assert 1.0 < expected.seconds / 6.0 < 1.1, "eleven evaluations of a text of 340 tokens"
    assert expected.step_seconds == (0.02, 0.02)
    assert made(max_iters=0).steps == 0
    assert expected.tokens_per_sec == pytest.approx(8 * 32 / 0.02)
    assert expected.epochs == pytest.approx(300 * 8 * 32 / 3060, rel=0.01)
    assert expected.overfitting == "high"
    assert made(max_iters=5).overfitting == "low"
    timed = made(time=3.0)
    assert (timed.steps, timed.seconds) == (150, 3.0)


def test_memory_grows_with_model_batch_and_optimizer():
    def memory(batch_size=8, optimizer="muon", **shape):
        config = TrainConfig(batch_size=batch_size, optimizer=optimizer)
        return forecast.peak_memory(replace(SMALL, **shape), config, CPU)

    states = (
        4 * 4 * sum(p.numel() for p in make_model(SMALL).parameters())
    )  # weights, gradients and two moments, at the most
    assert memory(batch_size=1) > 0.8 * states
    assert memory(batch_size=80) - memory(batch_size=40) == pytest.approx(
        memory(batch_size=120) - memory(batch_size=80), rel=0.05
    )
    assert memory(n_layer=4) > 2 * memory()
    assert memory(optimizer="adamw") > memory()


@pytest.mark.parametrize(
    ("shape", "dtype", "least"),
    [
        # peak memory of processes that trained this, less what torch itself takes, in MB
        ({"pos_embd": "relative", "arch": "gpt2"}, "float32", 248),
        ({"pos_embd": "relative", "arch": "gpt2"}, "bfloat16", 282),
        ({"pos_embd": "default", "arch": "gpt2"}, "bfloat16", 216),
        ({"pos_embd": "relative", "arch": "modern"}, "bfloat16", 208),
    ],
)
def test_estimates_are_near_what_was_measured(shape, dtype, least):
    rows = 0 if shape["arch"] == "gpt2" else 8192
    model = ModelConfig(512, 4, 4, 128, vocab_size=512, ngram_rows=rows, **shape)
    optimizer = "adamw" if shape["arch"] == "gpt2" else "muon"
    config = TrainConfig(batch_size=4, optimizer=optimizer, dtype=dtype)
    copies = make_optimizers(make_model(model), config).memory()  # nothing was saved
    estimate = (forecast.peak_memory(model, config, CPU) - copies) / 1e6
    assert 0.9 * least < estimate < 1.3 * least


def test_a_batch_too_large_for_anything_is_still_estimated():
    config = TrainConfig(batch_size=10**6)
    assert forecast.peak_memory(SMALL, config, CPU) > 10**10


class TestFittingIntoMemory:
    CONFIG = TrainConfig(batch_size=64, gradient_accumulation_steps=2)

    def fitted(self, share):
        """Fit a run to a share of the memory that it would like."""
        available = int(share * forecast.peak_memory(SMALL, self.CONFIG, CPU))
        return forecast.fit_memory(SMALL, self.CONFIG, CPU, available)

    def test_what_fits_stays_as_it_is(self):
        assert self.fitted(1.0) is self.CONFIG
        assert forecast.fit_memory(SMALL, self.CONFIG, CPU, 10**12) is self.CONFIG

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

    @pytest.mark.long
    def test_a_lack_of_memory_is_noticed_however_small(self):
        shapes = [
            SMALL,
            ModelConfig(),
            replace(SMALL, pos_embd="relative", dropout=0.2, block_size=256),
            ModelConfig(64, 4, 4, 128, bias=True, arch="gpt2", pos_embd="default", vocab_size=65),
        ]
        for shape in shapes:
            for settings in (self.CONFIG, TrainConfig(optimizer="adamw", dtype="float32")):
                exact = forecast.peak_memory(shape, settings, CPU)
                assert forecast.fit_memory(shape, settings, CPU, exact) is settings
                assert forecast.fit_memory(shape, settings, CPU, exact - 1) is not settings


def test_a_run_is_fitted_to_the_memory_that_is_there(text_data, monkeypatch):
    def made(**settings):
        return make_run(Request({"device": "cpu", "block_size": 32, **settings}, "data/hamlet"))

    whole = made(batch_size=64)
    needed = forecast.peak_memory(whole.model_config, whole.config, CPU)
    monkeypatch.setattr(plan, "available_memory", lambda: int(0.9 * needed))
    run = made(batch_size=64)
    assert (run.config.batch_size, run.config.gradient_accumulation_steps) == (32, 2)
    assert "2 micro-batches of 32" in " ".join(run.notes)
    monkeypatch.setattr(plan, "available_memory", lambda: 1000)
    with pytest.raises(MachineError):
        made()
    assert not Path("out").exists()


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit that the system keeps")
def test_memory_that_runs_out_all_the_same_is_the_machines_error(text_data):
    args = ["train", "--device=cpu", "--max-iters=2", "--n-embd=512", "--n-layer=6"]
    hidden = "from nanogpt_cli.training import plan; plan.available_memory = lambda: 10**12"
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
