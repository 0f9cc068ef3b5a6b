"""A run that was interrupted continues exactly, or says why not."""

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from short_runs import Listener, StopAt, events, same, start, timeless, weights

from nanogpt_cli.checkpoint.load import load_checkpoint
from nanogpt_cli.errors import UsageError
from nanogpt_cli.training.loop import train
from nanogpt_cli.training.plan import Request, make_run
from nanogpt_cli.training.reporter import Reporter
from nanogpt_cli.training.saver import Saver
from nanogpt_cli.training.step import step_seed


@pytest.mark.usefixtures("text_data")
class TestGoingOn:
    def test_a_signal_during_an_evaluation_leaves_the_whole_of_it_for_later(self):
        train(start("out/whole"))

        class StopInside(Reporter):
            evaluations = 0

            def evaluation(self, report):
                self.evaluations += 1

            def evaluating(self, tokens):
                if self.evaluations == 1:
                    os.kill(os.getpid(), signal.SIGTERM)

        outcome = train(start("out/parts"), StopInside())
        assert (outcome.reason, outcome.step) == ("SIGTERM", 4)
        assert [e["step"] for e in events("out/parts", "eval", "sample")] == [0, 0]
        train(start("out/parts", resume=True))
        assert timeless("out/whole") == timeless("out/parts")

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_a_signal_during_compilation_is_heeded(self, monkeypatch, number):
        def compiles_for_long(model):
            os.kill(os.getpid(), number)
            time.sleep(30)

        monkeypatch.setattr(torch, "compile", compiles_for_long)
        told = Listener()
        begun = time.perf_counter()
        outcome = train(start(compile=True), told)
        assert time.perf_counter() - begun < 20
        assert (outcome.reason, outcome.step) == (signal.Signals(number).name, 0)
        assert told.notes == []
        assert load_checkpoint(Path("out/a/last.pt")).step == 0

    @pytest.mark.parametrize(
        ("change", "word"),
        [({"torch": "1.0"}, "torch 1.0 -> "), ({"threads": 64}, "threads 64 -> 1"),
         ({"processes": 8}, "processes 8 -> 1"), ({"device": "cuda"}, "device cuda -> cpu")],
    )  # fmt: skip
    def test_what_makes_a_resume_inexact_is_said(self, change, word):
        train(start(), StopAt(3))
        last = load_checkpoint(Path("out/a/last.pt"))
        machine = last.training["machine"] | change
        replace(last, training=last.training | {"machine": machine}).save(Path("out/a/last.pt"))
        told = Listener()
        assert train(start(resume=True), told).reason == "done"
        assert "no longer bit for bit" in told.notes[0]
        assert word in told.notes[0]

    def test_the_same_machine_is_not_spoken_of(self):
        train(start(), StopAt(3))
        told = Listener()
        train(start(resume=True), told)
        assert told.notes == []

    def test_dropout_differs_from_step_to_step_and_process_to_process(self):
        seeds = {step_seed(*args) for args in [(1, 0, 0), (1, 1, 0), (1, 0, 1), (2, 0, 0)]}
        assert len(seeds) == 4

    @pytest.mark.parametrize("optimizer", ["adamw", "muon"])
    @pytest.mark.parametrize(
        "spoil",
        [
            lambda training: training.update(optimizers=[]),
            lambda training: training.update(optimizers=7),
            lambda training: training["optimizers"][-1].update(state={}, param_groups=[]),
            lambda training: training["optimizers"][-1]["state"][0].clear(),
            lambda training: training["optimizers"][-1]["state"].clear(),
            lambda training: next(iter(training["optimizers"][-1]["state"].values())).update(
                momentum_buffer=torch.ones(3), exp_avg=torch.ones(3)
            ),
            lambda training: training.update(tokens="many", watch={"recent": 7}, machine=[]),
        ],
        ids=["none", "a number", "no groups", "no moments", "none at all", "shapes", "counters"],
    )
    def test_a_damaged_training_state_does_not_stop_a_run(self, optimizer, spoil):
        train(start(optimizer=optimizer), StopAt(3))
        last = load_checkpoint(Path("out/a/last.pt"))
        spoil(last.training)
        last.save(Path("out/a/last.pt"))
        told = Listener()
        assert train(start(resume=True), told).reason == "done"
        assert load_checkpoint(Path("out/a/last.pt")).step == 12
        assert "starts anew" in "".join(told.notes)

    def test_a_run_killed_before_its_first_state_begins_again_with_one_log(self, monkeypatch):
        train(start("out/whole", patience=3))
        real = Saver.save

        def killed(saver, name, *args, **kwargs):
            if name == "last.pt":
                raise KeyboardInterrupt
            real(saver, name, *args, **kwargs)
            saver.wait(name)

        with monkeypatch.context() as patch:
            patch.setattr(Saver, "save", killed)
            with pytest.raises(KeyboardInterrupt):
                train(start("out/parts", patience=3))
        assert [path.name for path in Path("out/parts").glob("*.pt")] == ["ckpt.pt"]
        train(start("out/parts", resume=True))
        assert timeless("out/whole") == timeless("out/parts")
        assert same(weights("out/whole"), weights("out/parts"))

    def test_without_a_state_the_clock_is_taken_from_the_log(self):
        train(start())
        before = events("out/a", "eval")[-1]["time"]
        Path("out/a/last.pt").unlink()
        make_run(Request({"max_iters": 13}, None, Path("out/a"), "resume"))
        train(make_run(Request({"max_iters": 13}, None, Path("out/a"), "resume")))
        assert events("out/a", "train")[-1]["time"] >= before

    def test_a_folder_of_kept_states_is_not_free(self):
        train(start(save_every="3", keep=3))
        for name in ("last.pt", "ckpt.pt", "metrics.jsonl"):
            Path("out/a", name).unlink()
        with pytest.raises(UsageError, match="holds a run"):
            start("out/a")
        assert start("out/a", resume=True).start.step == 12

    def test_a_run_that_went_on_since_it_was_planned_is_not_set_back(self):
        train(start(), StopAt(3))
        late = start(resume=True)
        train(start(resume=True))
        with pytest.raises(UsageError, match="replaced by another run just now"):
            train(late)
        assert load_checkpoint(Path("out/a/last.pt")).step == 12
