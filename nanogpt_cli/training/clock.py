"""How much of a run is done, and whether it is over: the same answer in every process.

Time is the main process's, and only that in which it ran; a signal counts wherever it arrives. Both
are exchanged once a step, with the loss. ``progress`` is a function of them and of the step alone.
"""

import signal
from collections.abc import Sequence
from typing import Any, Self

from nanogpt_cli.config import TrainConfig
from nanogpt_cli.training.parallel import Parallel
from nanogpt_cli.training.signals import STOPPING, StopSignals
from nanogpt_cli.training.state import TrainState
from nanogpt_cli.training.stopwatch import Stopwatch

_FIRST_STEP = 0.01
"""The part of a time budget that the first step is taken to need, before any was timed."""


class Clock:
    """Steps, or seconds, of a run; within its context, a stopped process spends no seconds."""

    def __init__(self, config: TrainConfig, parallel: Parallel, signals: StopSignals) -> None:
        self.config, self.parallel, self.signals = config, parallel, signals
        self.evaluation_seconds = 0.0
        """How long the last evaluation took."""
        self._stopwatch = Stopwatch()
        self._begun = self._stopwatch.seconds()
        self._stopped_by: signal.Signals | None = None

    def __enter__(self) -> Self:
        self._stopwatch.__enter__()
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self._stopwatch.__exit__(*exc_info)

    def start(self, state: TrainState) -> None:
        """Begin to count, from where ``state`` is."""
        self._begun = self._stopwatch.seconds() - state.seconds
        self.synchronize(state)

    def votes(self) -> list[float]:
        """Return what this process adds to the exchange of a step."""
        seconds = self._stopwatch.seconds() - self._begun if self.parallel.is_main else 0.0
        return [seconds, *(float(self.signals.received == number) for number in STOPPING)]

    def hear(self, state: TrainState, votes: Sequence[float]) -> None:
        """Take over what all processes together said: the time, and whether to stop."""
        state.seconds, *stops = votes
        came = (number for number, count in zip(STOPPING, stops, strict=True) if count)
        self._stopped_by = next(map(signal.Signals, came), None)

    def synchronize(self, state: TrainState) -> None:
        """Exchange votes outside of a step."""
        own = self.parallel.zeros(0).new_tensor(self.votes())
        self.hear(state, self.parallel.sum(own).tolist())

    def evaluated(self, state: TrainState) -> None:
        """Note that an evaluation has just taken the time since the last exchange."""
        before = state.seconds
        self.synchronize(state)
        self.evaluation_seconds = state.seconds - before

    def progress(self, state: TrainState) -> float:
        """Return how much of the budget is spent, 0 to 1.

        Of a time budget the last evaluation is left out: the schedule has ended when it begins.
        """
        if self.config.time:
            return min(1.0, state.seconds / max(1e-3, self.config.time - self._last_evaluation()))
        return min(1.0, state.step / self.config.max_iters) if self.config.max_iters else 1.0

    def schedule(self, state: TrainState) -> tuple[float, float]:
        """Return the progress of the learning rate's schedule, 0 to 1, and that of one step."""
        if self.config.time:
            done = self.progress(state)
            return done, done / state.step if state.step else _FIRST_STEP
        steps = max(1, self.config.lr_decay_iters or self.config.max_iters)
        return min(1.0, state.step / steps), 1 / steps

    def spent(self, state: TrainState) -> bool:
        """Whether the budget is spent."""
        if self.config.time:
            return state.seconds >= self.config.time - self._last_evaluation()
        return state.step >= self.config.max_iters

    @property
    def stopped(self) -> signal.Signals | None:
        """The signal that asks all processes to stop, once one has come."""
        if self.parallel.size == 1 and self.signals.received:  # since the last exchange
            return signal.Signals(self.signals.received)
        return self._stopped_by

    def reason_to_stop(self, state: TrainState) -> str | None:
        """Return why the run is over at this step, or None."""
        if stopped := self.stopped:
            return stopped.name
        if self.spent(state):
            return "done"
        return "patience" if 0 < self.config.patience <= state.evals_since_best else None

    def _last_evaluation(self) -> float:
        """Return the seconds of the budget to keep for it; most of a short one is for training."""
        return min(self.evaluation_seconds, self.config.time / 5)
