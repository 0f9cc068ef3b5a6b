"""What all requests share."""

import math
import time
from dataclasses import dataclass, field

from starlette.requests import Request

from nanogpt_cli.config import SampleConfig
from nanogpt_cli.inference.server.limits import Limits
from nanogpt_cli.inference.server.metrics import Labels, Metrics
from nanogpt_cli.inference.server.models import Models


@dataclass
class State:
    """The models, what a client may ask for, and what was counted."""

    models: Models
    sampling: SampleConfig
    """How tokens are drawn where a request does not say."""
    limits: Limits
    metrics: Metrics = field(default_factory=Metrics)
    started: float = field(default_factory=time.time)

    @staticmethod
    def finite(value: float | None) -> float | None:
        """Return a number that JSON can hold, or None."""
        return value if value is not None and math.isfinite(value) else None

    def gauges(self) -> dict[tuple[str, Labels], float]:
        """Return what is true now, by name and model."""
        found: dict[tuple[str, Labels], float] = {}
        for engine in self.models.engines:
            worker, scheduler = engine.worker, engine.worker.scheduler
            labels = (("model", engine.name),)
            found |= {
                ("nanogpt_engine_up", labels): worker.state == "ok",
                ("nanogpt_engine_restarts_total", labels): worker.restarts,
                ("nanogpt_active_texts", labels): scheduler.active,
                ("nanogpt_waiting_texts", labels): scheduler.waiting,
                ("nanogpt_rows", labels): scheduler.rows,
                ("nanogpt_steps_total", labels): scheduler.steps,
                ("nanogpt_prompt_tokens_total", labels): scheduler.prompt_tokens,
                ("nanogpt_reused_tokens_total", labels): scheduler.reused_tokens,
                ("nanogpt_generated_tokens_total", labels): scheduler.new_tokens,
            }
        return found


def state_of(request: Request) -> State:
    """Return the state of the app that a request came to."""
    state: State = request.app.state.nanogpt
    return state
