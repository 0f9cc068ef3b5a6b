"""What is not finite never reaches the parameters, and the log says what led to it."""

import os
import signal
from pathlib import Path

import pytest
import torch
from short_runs import CPU, INF, NAN, Spoil, events, same, start

from nanogpt_cli.checkpoint.load import load_checkpoint
from nanogpt_cli.data.batches import training_batch
from nanogpt_cli.errors import DivergedError
from nanogpt_cli.model.factory import make_model
from nanogpt_cli.training.batches import Batches
from nanogpt_cli.training.guard import Guard
from nanogpt_cli.training.loop import train
from nanogpt_cli.training.optim import make_optimizers
from nanogpt_cli.training.parallel import Parallel
from nanogpt_cli.training.recorder import Recorder
from nanogpt_cli.training.reporter import Reporter
from nanogpt_cli.training.state import TrainState
from nanogpt_cli.training.step import apply, gradients


@pytest.mark.usefixtures("text_data")
class TestDivergence:
    @pytest.mark.parametrize("loss", [NAN, INF])
    def test_a_loss_that_is_not_finite_stops_and_says_what_led_there(self, loss):
        run = start(save_every="2", gradient_accumulation_steps=2)
        with pytest.raises(DivergedError) as error:
            train(run, Spoil(loss={6: loss}))
        assert error.value.exit_code == 6
        assert "step 6" in error.value.message
        assert "--learning-rate" in error.value.hint
        assert "good state of step 4" in error.value.hint
        assert load_checkpoint(Path("out/a/last.pt")).step == 4
        event = events("out/a", "diverged")[0]
        assert (event["step"], event["loss"]) == (6, None)
        assert [past["step"] for past in event["recent"]] == [1, 2, 3, 4, 5]
        norms = event["norms"]["lm_head.weight"]
        assert norms["weight"] > 0 < norms["grad"]
        assert events("out/a")[-1] == {"event": "end", "step": 5, "reason": "diverged"}

    def test_the_windows_of_the_step_are_named(self):
        run = start(gradient_accumulation_steps=2)
        with pytest.raises(DivergedError):
            train(run, Spoil(loss={6: NAN}))
        seen = []
        for micro, starts in enumerate(events("out/a", "diverged")[0]["windows"]):
            inputs, _ = training_batch(
                run.dataset.train, seed=1337, block_size=16,
                numbers=range((5 * 2 + micro) * 4, (5 * 2 + micro + 1) * 4),
            )  # fmt: skip
            text = torch.from_numpy(run.dataset.train.astype(int))
            seen += [
                torch.equal(text[s : s + 16], row) for s, row in zip(starts, inputs, strict=True)
            ]
        assert seen == [True] * 8

    @pytest.mark.parametrize("factor", [NAN, INF])
    def test_one_gradient_that_is_not_finite_moves_nothing(self, factor):
        class Moves(Spoil):
            def __init__(self):
                super().__init__(grads={6: factor, 9: factor})
                self.moved, self.before = [], None

            def start(self, run, model, device):
                super().start(run, model, device)
                self.weight = model.transformer.wte.weight

            def step(self, report):
                super().step(report)
                if self.before is None or not torch.equal(self.weight, self.before):
                    self.moved.append(report.step)
                self.before = self.weight.detach().clone()

        told = Moves()
        assert train(start(), told).reason == "done"
        assert told.moved == [1, 2, 3, 4, 5, 7, 8, 10, 11, 12]
        assert [(e["step"], e["grad_norm"]) for e in events("out/a", "skipped")] == [
            (6, None), (9, None)
        ]  # fmt: skip
        assert "step 6" in told.notes[0]

    def test_two_in_a_row_stop_the_run_even_across_a_resume(self):
        class StopAfter(Spoil):
            def step(self, report):
                super().step(report)
                if report.step == 6:
                    os.kill(os.getpid(), signal.SIGINT)

        train(start(), StopAfter(grads={6: INF}))
        with pytest.raises(DivergedError, match="two steps in a row"):
            train(start(resume=True), Spoil(grads={7: INF}))
        assert [e["event"] for e in events("out/a", "skipped", "diverged")] == [
            "skipped",
            "diverged",
        ]

    def test_what_is_wrong_with_an_overflowing_gradient_can_still_be_seen(self):
        run = start(grad_clip=1.0, optimizer="adamw", preset="shakespeare-char-cpu", max_iters=2,
                    save_every="0")  # fmt: skip

        class Huge(Reporter):
            def start(self, run, model, device):
                self.model = model

            def evaluation(self, report):
                with torch.no_grad():
                    self.model.transformer.ln_f.weight.fill_(1e38)

        with pytest.raises(DivergedError):
            train(run, Huge())
        norms = [e["grad"] for e in events("out/a", "diverged", "skipped")[0]["norms"].values()]
        assert None in norms
        assert any(norm for norm in norms), "some are finite and not 0"

    def test_a_jump_of_the_loss_is_logged(self):
        told = Spoil(loss={40: 5.0})
        train(start(max_iters=45), told)
        (event,) = events("out/a", "spike")
        assert event["step"] == 40
        assert event["loss"] > event["mean"] + 4
        assert "jumped" in told.notes[0]


@pytest.mark.usefixtures("text_data")
class TestScaledGradients:
    """What fp16 does on a GPU, with its scaler put on a CPU."""

    @pytest.fixture
    def parts(self):
        run = start()
        model = make_model(run.model_config)
        self.state = TrainState(model, make_optimizers(model, run.config))
        batches = Batches(run.dataset.train, run.model_config, run.config, Parallel(CPU))
        weight = dict(model.named_parameters())["transformer.h.0.attn.c_attn.weight"]
        self.hook = weight.register_hook(lambda grad: grad * INF)
        return batches, Guard(run, batches, Recorder())

    def step(self, batches, guard):
        loss, norm, _ = gradients(self.state, self.state.model, batches, grad_clip=1.0)
        if guard.accepts(self.state, loss, norm, 1e-3):
            apply(self.state, 1e-3)
        self.state.step += 1

    def test_an_overflow_moves_nothing_and_scales_less(self, parts):
        self.state.scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
        before = {k: v.clone() for k, v in self.state.model.state_dict().items()}
        self.step(*parts)
        assert same(before, self.state.model.state_dict())
        assert self.state.scaler.get_scale() == 4.0
        self.hook.remove()
        self.step(*parts)
        assert not same(before, self.state.model.state_dict())
        assert self.state.watch.skipped == 0

    def test_where_no_scale_helps_the_run_diverges(self, parts):
        self.state.scaler = torch.amp.GradScaler("cpu", init_scale=0.5)
        self.step(*parts)
        assert self.state.watch.skipped == 1
        with pytest.raises(DivergedError, match="two steps in a row"):
            self.step(*parts)
