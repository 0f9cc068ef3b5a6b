"""What changes from step to step of a run, and how it is saved and restored."""

import math
from dataclasses import dataclass, field
from typing import Any

import torch

from nanogpt_cli.model.gpt import GPT
from nanogpt_cli.training.optim import Optimizers
from nanogpt_cli.training.watch import Watch


@dataclass
class TrainState:
    """The state of a run between two steps."""

    model: GPT
    optimizers: Optimizers
    scaler: "torch.amp.GradScaler | None" = None
    """Scales the loss of fp16."""
    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    """Wall-clock seconds of training so far, across resumes; the same in every process."""
    best_val_loss: float = math.inf
    evals_since_best: int = 0
    evaluated_at: int = -1
    """The step of the last evaluation, so that a resumed run does not repeat it."""
    evaluations: int = 0
    watch: Watch = field(default_factory=Watch)
    saved_at: int | None = None
    """The step of the state that this process saved last; not itself saved."""

    COUNTERS = (
        "tokens", "seconds", "best_val_loss", "evals_since_best", "evaluated_at", "evaluations"
    )  # fmt: skip

    def state_dict(self) -> dict[str, Any]:
        """Return all but model and step, in tensors and plain types."""
        return {
            "optimizers": self.optimizers.state_dict(),
            "scaler": self.scaler.state_dict() if self.scaler else None,
            "watch": self.watch.state_dict(),
            **{name: getattr(self, name) for name in self.COUNTERS},
        }

    def load_state_dict(self, saved: dict[str, Any]) -> str | None:
        """Take over what ``state_dict`` returned, as ``checkpoint.schema`` has checked it.

        What is missing stays as it is, and so do the optimizers where their state is of others:
        then it returns why.
        """
        self.load_counters(saved)
        try:
            self.optimizers.load_state_dict(saved.get("optimizers", []), self.step)
        except ValueError as error:
            return str(error)
        return None

    def load_counters(self, saved: dict[str, Any]) -> None:
        """Take over all that is not in the optimizers."""
        for name in self.COUNTERS:
            setattr(self, name, saved.get(name, getattr(self, name)))
        if self.scaler and saved.get("scaler"):
            self.scaler.load_state_dict(saved["scaler"])
        if "watch" in saved:
            self.watch.load_state_dict(saved["watch"])
