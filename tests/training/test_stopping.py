"""A run that is asked to stop leaves a model of what it has learned, and resumes exactly."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from short_runs import CPU, Listener, StopAt, events, same, start, timeless, weights

from nanogpt_cli.checkpoint.load import load_checkpoint
from nanogpt_cli.training.clock import Clock
from nanogpt_cli.training.evaluator import Evaluator
from nanogpt_cli.training.guard import Guard
from nanogpt_cli.training.loop import train
from nanogpt_cli.training.optim import Optimizers
from nanogpt_cli.training.parallel import Parallel
from nanogpt_cli.training.recorder import Recorder
from nanogpt_cli.training.signals import StopSignals
from nanogpt_cli.training.state import TrainState

BEST = Path("out/a/ckpt.pt")


@pytest.mark.usefixtures("text_data")
class TestStopping:
    def test_the_model_to_use_is_that_of_the_step_where_it_stopped(self):
        outcome = train(start(), StopAt(3))
        best, last = events("out/a", "eval")[-1], load_checkpoint(BEST)
        assert (outcome.reason, last.step, best["step"]) == ("SIGINT", 3, 3)
        assert last.val_loss == best["val_loss"] == outcome.best_val_loss
        assert last.val_loss < events("out/a", "eval")[0]["val_loss"]

    def test_a_worse_one_is_not_taken(self):
        train(start(learning_rate=100.0, warmup_iters=0), StopAt(3))
        assert [e["step"] for e in events("out/a", "eval")] == [0, 3]
        assert load_checkpoint(BEST).step == 0

    def test_nothing_is_evaluated_twice(self):
        train(start(), StopAt(4))
        assert [e["step"] for e in events("out/a", "eval")] == [0, 4]

    def test_a_resumed_run_ends_as_if_it_had_not_been_stopped_where_it_was_best(self):
        """Steps 3 and 5 are better than all that a run that is left alone evaluates."""
        settings = {"eval_interval": 12, "decay_lr": False}
        train(start("out/whole", **settings), Worse(6))
        for stops in ([3], [3, 5]):
            out = f"out/stopped-{len(stops)}"
            for number, step in enumerate(stops):
                train(start(out, resume=number > 0, **settings), StopAt(step))
                assert load_checkpoint(Path(out, "ckpt.pt")).step == step
            told = Worse(6)
            outcome = train(start(out, resume=True), told)
            assert told.notes == []
            assert outcome.best_val_loss == load_checkpoint(Path(out, "ckpt.pt")).val_loss
            assert timeless("out/whole") == timeless(out)
            for name in ("last.pt", "ckpt.pt"):
                assert same(weights("out/whole", name), weights(out, name))
            assert sorted(p.name for p in Path(out).iterdir()) == sorted(
                p.name for p in Path("out/whole").iterdir()
            )

    def test_a_run_that_starts_over_keeps_all_of_the_stopped_one(self):
        train(start("out/whole"))
        over = replace(start("out/a"), fresh=False)
        train(start("out/a"), StopAt(3))
        names = {p.name for p in Path("out/a").iterdir()} - {".lock"}
        train(over)
        assert {p.name for p in Path("out/a/old-1").iterdir()} == names
        train(start("out/a/old-1", resume=True))
        assert timeless("out/whole") == timeless("out/a/old-1")

    @pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
    def test_a_second_signal_leaves_without_the_evaluation(self, second):
        class Twice(StopAt):
            stopping = False

            def note(self, text):
                self.stopping = "stopping" in text

            def evaluating(self, tokens):
                if self.stopping:
                    os.kill(os.getpid(), second)

        if second == signal.SIGINT:
            with pytest.raises(KeyboardInterrupt):
                train(start(), Twice(3, signal.SIGTERM))
        else:
            assert train(start(), Twice(3, signal.SIGTERM)).reason == "SIGTERM"
        assert load_checkpoint(Path("out/a/last.pt")).step == 3
        assert load_checkpoint(BEST).step == 0
        train(start("out/whole"))
        train(start(resume=True))
        assert timeless("out/whole") == timeless("out/a")

    def test_before_the_first_step_nothing_was_learned(self):
        class AtOnce(Listener):
            def start(self, run, model, device):
                os.kill(os.getpid(), signal.SIGINT)

        train(start(), AtOnce())
        assert not BEST.exists()


class Worse(Listener):
    """Spoils the model at a step: what follows is no better than the beginning."""

    def __init__(self, at):
        super().__init__()
        self.at = at

    def start(self, run, model, device):
        self.model = model

    def step(self, report):
        if report.step == self.at:
            for parameter in self.model.parameters():
                parameter.data.mul_(20)


class TestEarly:
    """Evaluations that come while the loss falls fast."""

    def steps(self, **settings):
        run = start(eval_interval=0, **settings)
        evaluator, state = self.made(run)
        state.evaluated_at = 0
        return [state.step for state.step in range(1, run.config.max_iters) if evaluator.due(state)]

    @staticmethod
    def made(run):
        parallel, recorder = Parallel(CPU), Recorder()
        clock = Clock(run.config, parallel, StopSignals())
        guard = Guard(run, None, recorder)
        evaluator = Evaluator(run, parallel, clock, guard, recorder)
        return evaluator, TrainState(None, Optimizers())

    def test_at_doubling_steps_up_to_the_interval(self, text_data):
        assert self.steps(max_iters=1500)[:6] == [25, 50, 100, 150, 300, 450]
        assert self.steps(max_iters=600) == [25, 50, 60, *range(120, 600, 60)]
        assert self.steps(max_iters=120) == list(range(12, 120, 12))

    def test_later_where_an_evaluation_takes_long(self, text_data):
        few = self.steps(max_iters=2000, eval_iters=10**6, batch_size=1, block_size=4)
        assert few == [200, *range(400, 2000, 200)]

    def test_not_where_an_interval_is_asked_for(self, text_data):
        evaluator, state = self.made(start(max_iters=1500, eval_interval=150))
        state.evaluated_at = 0
        state.step = 25
        assert not evaluator.due(state)

    def test_of_a_time_budget_in_parts_that_double(self, text_data):
        evaluator, state = self.made(start(time=800.0, eval_interval=0))
        evaluator.clock.evaluation_seconds = 0.1
        state.evaluated_at, state.evaluations, times = 0, 1, []
        for state.seconds in range(0, 790):
            state.step += 1
            if evaluator.due(state):
                times.append(state.seconds)
                state.evaluations += 1
                state.evaluated_at = state.step
                evaluator._ended = state.seconds
        assert times == [10, 20, 40, *range(80, 790, 80)]
        evaluator.clock.evaluation_seconds = 20.0
        evaluator._ended, state.evaluations, state.seconds = 0.0, 1, 150
        state.step += 1
        assert not evaluator.due(state), "ten times as long as it takes lies between two"
