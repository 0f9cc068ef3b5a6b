"""Training computes the same whatever interrupts it, and writes what it promises."""

import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from short_runs import SETTINGS, Listener, StopAt, events, same, start, timeless, weights

from nanogpt_cli.checkpoint.load import load_checkpoint
from nanogpt_cli.checkpoint.weights import build_model
from nanogpt_cli.errors import DivergedError, UsageError
from nanogpt_cli.evaluation.loss import evaluate_loss, token_byte_counts
from nanogpt_cli.files import unfinished
from nanogpt_cli.training.loop import train
from nanogpt_cli.training.plan import Request, make_run
from nanogpt_cli.training.reporter import Reporter


@pytest.mark.usefixtures("text_data")
class TestRun:
    @pytest.mark.parametrize("preset", ["quick", "shakespeare-char-cpu"])
    def test_the_same_seed_gives_the_same_run(self, preset):
        train(start("out/a", preset=preset, dropout=0.2))
        train(start("out/b", preset=preset, dropout=0.2))
        train(start("out/c", preset=preset, dropout=0.2, seed=2))
        assert timeless("out/a") == timeless("out/b")
        assert same(weights("out/a"), weights("out/b"))
        assert not same(weights("out/a"), weights("out/c"))

    @pytest.mark.parametrize("pos_embd", ["default", "rope", "relative"])
    @pytest.mark.parametrize("optimizer", ["adamw", "muon"])
    @pytest.mark.parametrize("stop", [1, 4, 7])
    def test_an_interrupted_run_ends_as_if_it_had_not_been(self, pos_embd, optimizer, stop):
        settings = {
            "pos_embd": pos_embd, "optimizer": optimizer, "dropout": 0.2,
            "gradient_accumulation_steps": 2, "max_iters": 9,
        }  # fmt: skip
        train(start("out/whole", **settings))
        outcome = train(start("out/parts", **settings), StopAt(stop))
        assert (outcome.reason, outcome.step) == ("SIGINT", stop)
        assert events("out/parts")[-1]["reason"] == "SIGINT"
        outcome = train(start("out/parts", resume=True))
        assert (outcome.reason, outcome.step) == ("done", 9)
        for name in ("last.pt", "ckpt.pt"):
            assert same(weights("out/whole", name), weights("out/parts", name))
        assert timeless("out/whole") == timeless("out/parts")

    def test_sigterm_is_told_apart(self):
        assert train(start(), StopAt(3, signal.SIGTERM)).reason == "SIGTERM"
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL

    def test_the_loss_falls(self):
        train(start(max_iters=60, eval_interval=30, eval_iters=0))
        losses = [e["val_loss"] for e in events("out/a", "eval")]
        assert losses[-1] < losses[0] - 0.5

    def test_accumulation_is_the_same_as_a_larger_batch(self):
        settings = {"max_iters": 4, "preset": "shakespeare-char-cpu"}
        train(start("out/a", batch_size=8, **settings))
        train(start("out/b", batch_size=2, gradient_accumulation_steps=4, **settings))
        for name, tensor in weights("out/a").items():
            torch.testing.assert_close(tensor, weights("out/b")[name], atol=1e-4, rtol=1e-3)

    def test_ckpt_keeps_the_best_and_its_loss_is_the_defined_one(self):
        run = start(max_iters=40, eval_interval=5, eval_iters=0, learning_rate=0.2, decay_lr=False)
        train(run)
        evals = {e["step"]: e["val_loss"] for e in events("out/a", "eval")}
        best = min(evals, key=evals.get)
        assert best < 40, "the learning rate is meant to be too high"
        ckpt = load_checkpoint(Path("out/a/ckpt.pt"))
        assert (ckpt.step, ckpt.val_loss) == (best, evals[best])
        assert load_checkpoint(Path("out/a/last.pt")).step == 40
        counts = token_byte_counts(run.dataset.tokenizer, run.dataset.vocab_size)
        loss = evaluate_loss(build_model(ckpt), run.dataset.val, counts)
        assert loss.per_token == pytest.approx(ckpt.val_loss, abs=1e-4)

    def test_always_save_checkpoint_follows_the_newest(self):
        train(start(max_iters=40, learning_rate=0.5, always_save_checkpoint=True))
        assert load_checkpoint(Path("out/a/ckpt.pt")).step == 40

    def test_patience_ends_a_run_that_gets_worse(self):
        outcome = train(start(max_iters=400, learning_rate=0.5, patience=2))
        assert outcome.reason == "patience"
        losses = [e["val_loss"] for e in events("out/a", "eval")]
        assert losses.index(min(losses)) == len(losses) - 3

    def test_a_time_budget_is_kept_and_lands_on_the_final_rate(self):
        outcome = train(start(time=1.5, max_iters=10**6, eval_interval=0))
        assert outcome.reason == "done"
        assert 1.2 < outcome.seconds < 1.8
        rates = [e["lr"] for e in events("out/a", "train")]
        assert rates[-1] < max(rates) / 5

    def test_the_log_has_what_the_contract_says(self):
        train(start())
        kinds = {e["event"]: e for e in events("out/a")}
        assert list(kinds) == ["run", "checkpoint", "eval", "sample", "train", "end"]
        assert {"model", "config", "data", "machine", "versions"} <= kinds["run"].keys()
        assert {"step", "time", "tokens", "loss", "lr", "grad_norm", "tokens_per_sec"} <= kinds[
            "train"
        ].keys()
        assert {"step", "time", "tokens", "train_loss", "val_loss", "bits_per_byte"} <= kinds[
            "eval"
        ].keys()
        assert kinds["train"]["tokens"] == 12 * 4 * 16
        assert kinds["end"]["reason"] == "done"
        first = Path("out/a/metrics.jsonl").read_text()
        assert first.startswith('{"event": "run"')

    def test_a_checkpoint_needs_nothing_beside_it(self):
        train(start(max_iters=1))
        Path("out/a/ckpt.pt").rename("alone.pt")
        ckpt = load_checkpoint(Path("alone.pt"))
        assert ckpt.tokenizer["kind"] == "char"
        assert ckpt.training is None

    def test_two_runs_cannot_share_a_folder(self):
        late = start("out/a")

        class Second(Reporter):
            def start(self, *_):
                with pytest.raises(UsageError, match="another run"):
                    train(late)

        assert train(start("out/a"), Second()).reason == "done"

    def test_eval_only_writes_no_checkpoint(self):
        outcome = train(start(eval_only=True))
        assert (outcome.reason, outcome.step) == ("done", 0)
        assert not Path("out").exists()

    def test_eval_only_of_a_finished_run_evaluates_and_changes_nothing(self):
        train(start(time=0.5))
        before = {p: p.read_bytes() for p in Path("out/a").glob("*.*")}
        heard = []

        class Ears(Reporter):
            def evaluation(self, report):
                heard.append(report.val_loss)

        run = make_run(Request({"eval_only": True}, None, Path("out/a"), "resume"))
        assert train(run, Ears()).reason == "done"
        assert len(heard) == 1
        assert {p: p.read_bytes() for p in Path("out/a").glob("*.*")} == before

    def test_compiling_leaves_the_random_numbers_as_they_were(self, monkeypatch):
        monkeypatch.setattr(torch, "compile", lambda model: model)
        settings = {"dropout": 0.2, "compile": True}
        train(start("out/whole", **settings))
        train(start("out/parts", **settings), StopAt(5))
        train(start("out/parts", resume=True))
        assert same(weights("out/whole"), weights("out/parts"))

    @pytest.mark.parametrize("at", [6, 8])
    def test_parameters_that_are_not_finite_are_never_saved(self, at):
        class Spoil(Reporter):
            def start(self, run, model, device):
                self.model = model

            def step(self, report):
                if report.step == at:  # a save or an evaluation follows, before the next loss
                    with torch.no_grad():
                        self.model.lm_head.weight.fill_(float("nan"))

        with pytest.raises(DivergedError):
            train(start(save_every="2"), Spoil())
        assert load_checkpoint(Path("out/a/last.pt")).step == at - 2
        assert events("out/a", "diverged")[-1]["recent"][-1]["step"] == at

    def test_steps_that_are_asked_for_replace_a_time_budget(self):
        train(start(time=0.3))
        run = make_run(Request({"max_iters": 10**6}, None, Path("out/a"), "resume"))
        assert (run.config.time, run.config.max_iters) == (0.0, 10**6)

    def test_stale_temporary_files_are_swept(self):
        Path("out/a").mkdir(parents=True)
        with unfinished(Path("out/a/loss.png")) as living:
            for path in (living, Path("out/a/.stale.tmp-nanogpt")):
                path.write_text("half")
            train(start(max_iters=1))
            assert list(Path("out/a").glob(".*tmp-nanogpt")) == [living]

    def test_compile_falls_back_and_says_so(self, monkeypatch):
        def broken(model):
            raise RuntimeError("no compiler here\nand a long story")

        monkeypatch.setattr(torch, "compile", broken)
        told = Listener()
        assert train(start(compile=True, max_iters=2), told).reason == "done"
        assert "no compiler here" in told.notes[0]
        assert "\n" not in told.notes[0]

    def test_bfloat16_trains_too(self):
        outcome = train(start(dtype="bfloat16", max_iters=30))
        assert outcome.best_val_loss < 3.2

    def test_weights_of_another_run_are_a_beginning(self):
        train(start(max_iters=30))
        run = make_run(Request({**SETTINGS, "max_iters": 0}, "data/hamlet", Path("out/b"), "out/a"))
        train(replace(run))
        first = events("out/b", "eval")[0]["val_loss"]
        assert first < events("out/a", "eval")[0]["val_loss"] - 0.3
