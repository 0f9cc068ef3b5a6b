"""Watching a run: which loss is a spike, and which steps led to a divergence."""

import math
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

RECENT = 32
"""How many steps are looked back on."""


@dataclass
class Watch:
    """The last steps of a run; a part of its state, so that a resumed run sees the same."""

    recent: list[tuple[int, float, float]] = field(default_factory=list)
    """Step, loss in nats per token and gradient norm, the newest last."""
    skipped: int = 0
    """How many gradients in a row were not finite and were skipped."""

    def add(self, step: int, loss: float, grad_norm: float) -> float | None:
        """Add a step; if its loss is a spike, return the mean of the losses before.

        A spike is higher than that mean by a tenth of it and by six standard deviations, of no
        less than half of ``RECENT`` steps.
        """
        losses = [loss for _, loss, _ in self.recent]
        self.recent = [*self.recent, (step, loss, grad_norm)][-RECENT:]
        if len(losses) < RECENT // 2:
            return None
        mean = fmean(losses)
        deviation = math.sqrt(fmean((past - mean) ** 2 for past in losses))
        return mean if loss > mean + max(6 * deviation, 0.1 * mean) else None

    def state_dict(self) -> dict[str, Any]:
        """Return what is remembered, in plain types."""
        return {"recent": [list(step) for step in self.recent], "skipped": self.skipped}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what ``state_dict`` returned, as ``checkpoint.schema`` has checked it."""
        self.recent = [(int(a), float(b), float(c)) for a, b, c in state["recent"]]
        self.skipped = int(state["skipped"])

    def recent_steps(self) -> list[dict[str, float]]:
        """Return the last steps as the log shows them."""
        return [{"step": step, "loss": loss, "grad_norm": norm} for step, loss, norm in self.recent]
