"""What a run writes down and tells: metrics.jsonl and the reporter.

``Recorder`` ignores everything, which is what all processes but the main one want.
"""

import platform
import time
from dataclasses import asdict
from typing import Any

import torch

from nanogpt_cli.config import TrainConfig
from nanogpt_cli.evaluation.loss import Loss
from nanogpt_cli.logs.metrics import MetricsLog
from nanogpt_cli.training.pace import Pace
from nanogpt_cli.training.parallel import launched
from nanogpt_cli.training.reporter import EvalReport, Reporter, StepReport
from nanogpt_cli.training.run import Outcome, Run
from nanogpt_cli.training.state import TrainState
from nanogpt_cli.training.trackers.base import Trackers
from nanogpt_cli.version import __version__


class Recorder:
    """Ignores what happens."""

    def started(self, run: Run, state: TrainState, machine: dict[str, Any]) -> None:
        """The model is built; what follows is training."""

    def ready(self, run: Run, state: TrainState, device: torch.device) -> None:
        """All is set up for the first step."""

    def evaluating(self, tokens: int) -> None:
        """So many more tokens of an evaluation are done."""

    def evaluated(
        self, state: TrainState, train: Loss, val: Loss, best: bool, other: Loss | None = None
    ) -> None:
        """An evaluation is complete; ``other`` is of another dataset."""

    def sampled(self, state: TrainState, prompt: str, text: str) -> None:
        """The model has written a text."""

    def stepping(self, state: TrainState) -> None:
        """An optimizer step begins."""

    def stepped(
        self, state: TrainState, loss: float, norm: float, lr: float, progress: float
    ) -> None:
        """An optimizer step is done."""

    def spiked(self, state: TrainState, loss: float, norm: float, usual: float) -> None:
        """The loss is far above the mean of those before."""

    def event(self, name: str, **fields: Any) -> None:
        """Something else has happened that belongs in the log."""

    def note(self, text: str) -> None:
        """There is something for the user to read."""

    def sync(self) -> None:
        """All that was recorded must be on the disk."""

    def ended(self, outcome: Outcome) -> None:
        """The run is over."""

    def close(self) -> None:
        """Nothing more will be recorded."""


class RunRecorder(Recorder):
    """Writes metrics.jsonl, unless there is no log, and tells trackers and the reporter."""

    def __init__(
        self,
        log: MetricsLog | None,
        reporter: Reporter,
        config: TrainConfig,
        trackers: Trackers | None = None,
    ) -> None:
        self.log, self.reporter, self.config, self.trackers = log, reporter, config, trackers
        self._since: tuple[float, int] | None = None
        """When, and at how many tokens, the stretch began that the rate is measured over."""
        self._step_begun = 0.0
        self._pace = Pace()

    def started(self, run: Run, state: TrainState, machine: dict[str, Any]) -> None:
        """Write the log's first line."""
        data = {
            "folder": str(run.dataset.folder),
            "fingerprint": run.dataset.fingerprint,
            "train_tokens": len(run.dataset.train),
            "trained_tokens": run.dataset.trained_tokens,
            "val_tokens": len(run.dataset.val),
            "tokenizer": run.dataset.tokenizer.name,
            **({"other": str(run.other.folder)} if run.other else {}),
        }
        versions = {
            "nanogpt": __version__,
            "torch": str(torch.__version__),
            "python": platform.python_version(),
        }
        job = launched().job
        self._write(
            "run",
            step=state.step,
            **({"job": job} if job else {}),
            model=asdict(run.model_config),
            config=asdict(self.config),
            parameters=state.model.parameter_count(),
            data=data,
            machine={**machine, "system": platform.platform()},
            versions=versions,
        )

    def ready(self, run: Run, state: TrainState, device: torch.device) -> None:
        """Tell the reporter."""
        self.reporter.start(run, state.model, device)

    def evaluating(self, tokens: int) -> None:
        """Tell the reporter; the rate of training is measured anew afterwards."""
        self._since = None
        self.reporter.evaluating(tokens)

    def evaluated(
        self, state: TrainState, train: Loss, val: Loss, best: bool, other: Loss | None = None
    ) -> None:
        """Write the losses."""
        bpb = val.bits_per_byte
        elsewhere = other.per_token if other else None
        self._write(
            "eval",
            step=state.step,
            time=round(state.seconds, 3),
            tokens=state.tokens,
            train_loss=train.per_token,
            val_loss=val.per_token,
            bits_per_byte=bpb,
            val_tokens=val.tokens,
            **({} if other is None else {"other_val_loss": elsewhere}),
        )
        report = EvalReport(state.step, train.per_token, val.per_token, bpb, best, elsewhere)
        self.reporter.evaluation(report)

    def sampled(self, state: TrainState, prompt: str, text: str) -> None:
        """Write the text."""
        self._write("sample", step=state.step, prompt=prompt, text=text)
        self.reporter.sample(state.step, prompt, text)

    def stepping(self, state: TrainState) -> None:
        """Begin to measure the rate, after an evaluation or a line of the log."""
        self._step_begun = time.perf_counter()
        if self._since is None:
            self._since = self._step_begun, state.tokens

    def stepped(
        self, state: TrainState, loss: float, norm: float, lr: float, progress: float
    ) -> None:
        """Tell the reporter of each step, and write every ``log_interval``-th."""
        assert self._since is not None
        begun, tokens = self._since
        now = time.perf_counter()
        rate = (state.tokens - tokens) / (now - begun)
        report = StepReport(state.step, loss, lr, norm, rate, progress, state.seconds)
        self.reporter.step(report)
        if slower := self._pace.add(now - self._step_begun):
            self._became_slow(state, *slower)
        if state.step % self.config.log_interval == 0:
            self._since = None
            self._write(
                "train",
                step=state.step,
                time=round(state.seconds, 3),
                tokens=state.tokens,
                loss=loss,
                lr=lr,
                grad_norm=norm,
                tokens_per_sec=round(rate, 1),
            )

    def _became_slow(self, state: TrainState, before: float, now: float) -> None:
        """Tell the reporter why that may be and what helps."""
        text = (
            f"a step takes {now * 1000:,.0f} ms at step {state.step:,}, and took "
            f"{before * 1000:,.0f}: the machine is busy with something else"
        )
        if torch.get_num_threads() > 1:
            text += "; if that lasts, Ctrl-C and resume with OMP_NUM_THREADS=1 in the environment"
        self.note(text)

    def spiked(self, state: TrainState, loss: float, norm: float, usual: float) -> None:
        """Write a line of its own, and tell the reporter."""
        self.note(f"the loss jumped to {loss:.3f} at step {state.step:,}")
        self.event("spike", step=state.step, loss=loss, mean=usual, grad_norm=norm)

    def event(self, name: str, **fields: Any) -> None:
        """Write a line of its own."""
        self._write(name, **fields)

    def note(self, text: str) -> None:
        """Tell the reporter."""
        self.reporter.note(text)

    def sync(self) -> None:
        """Wait for the disk."""
        if self.log:
            self.log.sync()

    def ended(self, outcome: Outcome) -> None:
        """Write the last line."""
        seconds = round(outcome.seconds, 3)
        self._write("end", step=outcome.step, time=seconds, reason=outcome.reason)
        self.sync()

    def close(self) -> None:
        """Close the log, then the trackers, which may take longer."""
        if self.log:
            self.log.close()
        if self.trackers:
            self.trackers.close()

    def _write(self, event: str, **fields: Any) -> None:
        if self.log:
            self.log.write(event, **fields)
        if self.trackers:
            self.trackers.write(event, fields)
