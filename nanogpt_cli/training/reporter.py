"""What a run tells whoever watches it: the reports, and the listener that receives them."""

from dataclasses import dataclass

import torch

from nanogpt_cli.model.gpt import GPT
from nanogpt_cli.training.run import Outcome, Run


@dataclass(frozen=True)
class StepReport:
    """One optimizer step: loss in nats per token, and how fast."""

    step: int
    loss: float
    lr: float
    grad_norm: float
    tokens_per_sec: float
    fraction: float
    """How much of the run is done, 0 to 1."""
    seconds: float


@dataclass(frozen=True)
class EvalReport:
    """One evaluation on fixed tokens of both splits, in nats per token."""

    step: int
    train_loss: float
    val_loss: float
    bits_per_byte: float | None
    best: bool
    other_val_loss: float | None = None
    """On the dataset of ``--also-eval``: what the model was trained on before, say."""


class Reporter:
    """Receives what happens in a run; this one ignores it. Override what is of interest."""

    def start(self, run: Run, model: GPT, device: torch.device) -> None:
        """Called once, before the first step."""

    def step(self, report: StepReport) -> None:
        """Called after each optimizer step."""

    def evaluating(self, tokens: int) -> None:
        """Called when this many more tokens of an evaluation are done."""

    def evaluation(self, report: EvalReport) -> None:
        """Called after each evaluation."""

    def sample(self, step: int, prompt: str, text: str) -> None:
        """Called with what the model writes at this step."""

    def note(self, text: str) -> None:
        """Called with a message for the user."""

    def end(self, outcome: Outcome) -> None:
        """Called once the run has ended and its state is saved."""
