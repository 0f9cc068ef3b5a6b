"""``nanogpt train`` as it is typed: what it says, what it prints, what it refuses."""

import json
import os
import signal
from pathlib import Path

import pytest
from command_line import TINY
from short_runs import events

from nanogpt_cli import __main__, cli
from nanogpt_cli.checkpoint.load import load_checkpoint
from nanogpt_cli.cli.train_view import TrainView
from nanogpt_cli.config import ModelConfig
from nanogpt_cli.errors import UsageError

RUN = ["train", *TINY, "--data-dir=data/hamlet", "--out-dir=out/a"]
OUTCOME = ["out_dir", "reason", "step", "seconds", "best_val_loss", "checkpoint"]


@pytest.mark.usefixtures("text_data")
class TestJson:
    def test_the_outcome_is_printed(self, nanogpt):
        code, out, _ = nanogpt(*RUN, "--max-iters=3", "--json")
        printed = json.loads(out)
        assert (code, list(printed)) == (0, OUTCOME)
        assert (printed["reason"], printed["step"]) == ("done", 3)
        assert printed["best_val_loss"] == load_checkpoint(Path(printed["checkpoint"])).val_loss
        assert (printed["out_dir"], printed["checkpoint"]) == ("out/a", "out/a/ckpt.pt")
        assert printed["seconds"] == events("out/a", "end")[0]["time"]

    def test_also_of_a_run_that_is_stopped(self, nanogpt, monkeypatch):
        def stop(view, report):
            os.kill(os.getpid(), signal.SIGTERM)

        monkeypatch.setattr(TrainView, "step", stop)
        code, out, _ = nanogpt(*RUN, "--max-iters=30", "--json")
        printed = json.loads(out)
        assert (code, printed["reason"], printed["step"]) == (143, "SIGTERM", 1)
        assert load_checkpoint(Path(printed["checkpoint"])).step == 1

    def test_an_evaluation_alone_has_no_checkpoint(self, nanogpt):
        printed = json.loads(nanogpt(*RUN, "--eval-only", "--json")[1])
        assert printed["checkpoint"] is None
        assert printed["best_val_loss"] > 0

    def test_without_it_nothing_is_on_stdout(self, nanogpt):
        assert nanogpt(*RUN, "--max-iters=1")[1] == ""


@pytest.mark.usefixtures("text_data")
class TestWords:
    def test_a_budget_of_time_is_said_as_it_is_typed(self, nanogpt):
        _, _, err = nanogpt(*RUN, "--time=1s")
        assert "1s of 64 tokens" in err
        assert "1 layer, 2 heads" in err

    def test_the_position_is_labelled(self, nanogpt, monkeypatch):
        def said(*budget):
            where = []
            real = TrainView.step
            with monkeypatch.context() as patch:
                patch.setattr(
                    TrainView,
                    "step",
                    lambda view, report: (where.append(view._position(report)), real(view, report)),
                )
                nanogpt(*RUN, "--force", *budget)
            return where

        assert said("--max-iters=2") == ["step 1 of 2", "step 2 of 2"]
        assert said("--time=0.5s")[0] == "0:00 of 0:00, step 1"

    def test_what_was_retired_is_answered_once(self, nanogpt):
        code, _, err = nanogpt(*RUN, "--max-iters=1", "--wandb-log", "--wandb-project=x")
        assert code == 0
        assert err.count("plot-log") == 1

    def test_how_many_steps_were_timed_is_said(self, nanogpt):
        code, out, err = nanogpt(*RUN, "--max-iters=30", "--dry-run", "--json")
        printed = json.loads(out)
        assert code == 0
        assert printed["timed_steps"] >= 2
        assert f"({printed['timed_steps']} steps timed)" in err

    @pytest.mark.parametrize(
        ("argument", "hint"),
        [
            ("hamlet.txt", "nanogpt prepare hamlet.txt, then: nanogpt train"),
            ("two words", "nanogpt prepare 'two words', then: nanogpt train"),
            ("data/hamlet", "write --data-dir data/hamlet"),
            ("hamlet", "write --data-dir data/hamlet"),
        ],
    )
    def test_a_text_is_to_be_prepared_first(self, nanogpt, argument, hint):
        Path("two words").mkdir()
        code, _, err = nanogpt("train", argument)
        assert code == 2
        assert "not a configuration" in err
        assert hint in err


@pytest.mark.parametrize("pos_embd", ["default", "rope", "relative"])
@pytest.mark.parametrize("n_head", [1, 3, 7, 100])
@pytest.mark.parametrize("n_embd", [1, 30, 127, 128, 129])
def test_the_shape_that_a_hint_names_can_be(pos_embd, n_head, n_embd):
    try:
        ModelConfig(n_head=n_head, n_embd=n_embd, pos_embd=pos_embd)
    except UsageError as error:
        words = error.hint.removeprefix("try ").split()
        named = dict(zip(words[::2], map(int, words[1::2]), strict=True))
        assert named.pop("--n-head") == n_head
        ModelConfig(n_head=n_head, n_embd=named.pop("--n-embd"), pos_embd=pos_embd)
        assert not named


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"GOMP_SPINCOUNT": "1000"}),
        ({"GOMP_SPINCOUNT": "7"}, {"GOMP_SPINCOUNT": "7"}),
        ({"OMP_WAIT_POLICY": "active"}, {"OMP_WAIT_POLICY": "active"}),
    ],
)
def test_threads_wait_briefly_unless_the_user_says_how(monkeypatch, given, expected):
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    seen = {}
    monkeypatch.setattr(cli, "main", lambda: seen.update(os.environ))
    before = signal.getsignal(signal.SIGINT)
    try:
        __main__.main()
    finally:
        signal.signal(signal.SIGINT, before)
    names = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
    assert {name: seen[name] for name in names if name in seen} == expected
