"""Keeps what is not finite away from the parameters and from the disk, and says what led to it."""

import math
from typing import Any

import torch

from nanogpt_cli.errors import DivergedError
from nanogpt_cli.evaluation.loss import Loss
from nanogpt_cli.runs import LAST, METRICS
from nanogpt_cli.training.batches import Batches
from nanogpt_cli.training.recorder import Recorder
from nanogpt_cli.training.run import Run
from nanogpt_cli.training.state import TrainState


class Guard:
    """Decides whether gradients may be used. The same in every process: so are its arguments."""

    def __init__(self, run: Run, batches: Batches, recorder: Recorder) -> None:
        self.out_dir, self.config = run.out_dir, run.config
        self.batches, self.recorder = batches, recorder

    def accepts(self, state: TrainState, loss: float, norm: float, lr: float) -> bool:
        """Whether the gradients may move the parameters.

        One gradient that is not finite is skipped and logged. Raises DivergedError for a second one
        in a row, and for a loss that is not finite.
        """
        watch, at, lost = state.watch, state.step + 1, not math.isfinite(loss)
        if math.isfinite(norm) and not lost:
            watch.skipped = 0
            return True
        if state.scaler and not lost and state.scaler.get_scale() >= 1:
            state.scaler.update()  # fp16 overflows until the scale fits
            return False
        watch.skipped += 1
        event = "diverged" if lost or watch.skipped > 1 else "skipped"
        self.recorder.event(event, **self._evidence(state, loss, norm, lr))
        if lost:
            raise self._diverged(state, f"the loss is {loss}", at)
        if event == "diverged":
            raise self._diverged(state, "the gradients of two steps in a row were not finite", at)
        self.recorder.note(f"the gradient of step {at:,} was not finite and is skipped")
        if state.scaler:
            state.scaler.update()
        return False

    def check_evaluation(self, state: TrainState, val: Loss) -> None:
        """Raise DivergedError where the validation loss is not finite."""
        if not math.isfinite(val.nats):
            recent = state.watch.recent_steps()
            self.recorder.event("diverged", step=state.step, val_loss=val.nats, recent=recent)
            raise self._diverged(state, f"the validation loss is {val.per_token}", state.step)

    def check_parameters(self, state: TrainState) -> None:
        """Raise DivergedError where a parameter is not finite."""
        parallel = self.batches.parallel
        norms = torch.stack(torch._foreach_norm(parallel.held(list(state.model.parameters()))))
        if parallel.sum(parallel.zeros(1) + ~norms.isfinite().all()):
            recent = state.watch.recent_steps()
            self.recorder.event("diverged", step=state.step, recent=recent)
            raise self._diverged(state, "parameters are not finite", state.step)

    def _evidence(self, state: TrainState, loss: float, norm: float, lr: float) -> dict[str, Any]:
        """Describe a step whose loss or gradient is not finite, before it is forgotten."""
        return {
            "step": state.step + 1,
            "loss": loss,
            "grad_norm": norm,
            "lr": lr,
            "windows": self.batches.starts(state.step),
            "recent": state.watch.recent_steps(),
            "norms": {
                name: {"weight": float(p.detach().norm()), "grad": float(p.grad.norm())}
                for name, p in state.model.named_parameters()
                if p.grad is not None
            },
        }

    def _diverged(self, state: TrainState, problem: str, step: int) -> DivergedError:
        saved = f"{LAST} holds the good state of step {state.saved_at}, and "
        return DivergedError(
            f"{problem} at step {step} of {self.out_dir}",
            f"try a lower --learning-rate than {self.config.learning_rate:g}; "
            f"{saved if state.saved_at is not None else ''}{METRICS} has the steps before",
        )
