"""Saving: when, what, and beside training; and taking a saved state over again."""

import time
from dataclasses import asdict
from typing import Any, Self

import torch
from torch import Tensor

from nanogpt_cli.checkpoint.schema import Checkpoint
from nanogpt_cli.runs import BEST, LAST
from nanogpt_cli.setting import parse_interval
from nanogpt_cli.training.batches import Batches
from nanogpt_cli.training.folder import RunFolder
from nanogpt_cli.training.guard import Guard
from nanogpt_cli.training.parallel import Parallel
from nanogpt_cli.training.recorder import Recorder
from nanogpt_cli.training.run import Run
from nanogpt_cli.training.saver import Saver
from nanogpt_cli.training.state import TrainState


class Keeper:
    """Saves nothing: for the processes that do not write, and for evaluations alone."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: Any) -> None:
        return

    def due(self, state: TrainState) -> bool:
        """Whether to save the state now."""
        return False

    def save(self, state: TrainState) -> None:
        """Save the state to continue from."""

    def save_best(self, state: TrainState, val_loss: float) -> None:
        """Save the model to use."""

    def set_best_aside(self) -> None:
        """Keep the model to use for a resumed run, whatever is saved in its place now."""

    def wait(self) -> None:
        """Wait until all is on the disk."""


class RunKeeper(Keeper):
    """Saves ``ckpt.pt``, ``last.pt`` and the states kept beside it, while training goes on.

    All processes call it alike, because what is saved may have to be gathered; the main one, which
    has the folder, writes. Raises MachineError where the disk refuses, at the next call.
    """

    def __init__(
        self,
        run: Run,
        batches: Batches,
        guard: Guard,
        recorder: Recorder,
        machine: dict[str, Any],
        folder: RunFolder | None,
    ) -> None:
        self.run, self.batches, self.guard, self.recorder = run, batches, guard, recorder
        self.machine, self.folder, self.parallel = machine, folder, batches.parallel
        self.saver = Saver(folder, run.config.keep) if folder else None
        self._interval = parse_interval(run.config.save_every)
        replacing = folder is not None and folder.replacing
        self._saves_first = bool(self.parallel.agreed(any(self._interval) or replacing))
        self._saved_when = self._safe_when = 0.0
        """When the last state was saved, and when the state was current that is surely on disk."""

    def __enter__(self) -> Self:
        if self.saver:
            self.saver.__enter__()
        return self

    def __exit__(self, *exc_info: Any) -> None:
        if self.saver:
            self.saver.__exit__(*exc_info)

    def due(self, state: TrainState) -> bool:
        """Whether to save now; with an interval of time, wait where the disk lags behind.

        The first save comes before the first step: a killed run resumes from there, exactly. An
        interval of time lasts until a save is on the disk, so that no more than that is ever lost.
        """
        steps, seconds = self._interval
        lagging = self.saver is not None and self.saver.is_writing(LAST)
        self._tell()
        if state.saved_at is None:
            return self._saves_first
        if state.saved_at == state.step or not (steps or seconds):
            return False
        if steps:
            return state.step % steps == 0
        if self.parallel.size > 1:  # the time of the state is the same in all of them
            return state.seconds - self._saved_when > seconds
        return self._time_to_save(seconds, lagging)

    def _time_to_save(self, seconds: float, lagging: bool) -> bool:
        """Whether so many seconds will have passed when a save that begins now is on the disk."""
        assert self.saver is not None
        now = time.perf_counter()
        if lagging and now - self._safe_when > seconds:
            self.saver.wait(LAST)
            lagging = False
        if lagging:
            return False
        self._safe_when = self._saved_when
        return now - self._saved_when > seconds - min(1.5 * self.saver.seconds, seconds / 2)

    def save(self, state: TrainState) -> None:
        """Save the state to continue from. Raises DivergedError where a parameter is not finite."""
        self.guard.check_parameters(state)
        self.write_state(state)
        self._saved_when = time.perf_counter() if self.parallel.size == 1 else state.seconds
        if state.saved_at is None:
            self._safe_when = self._saved_when
        state.saved_at = state.step
        self.parallel.wait_for_all()

    def write_state(self, state: TrainState) -> None:
        """Have the state written. All processes call it."""
        training = state.state_dict() | {"machine": self.machine}
        self._write(LAST, self.checkpoint(state, self._weights(state), training=training))

    def save_best(self, state: TrainState, val_loss: float) -> None:
        """Save the model to use. Raises DivergedError where a parameter is not finite."""
        self.guard.check_parameters(state)
        self._write(BEST, self.checkpoint(state, self._weights(state), val_loss=val_loss))
        self.recorder.event("checkpoint", step=state.step, file=BEST)
        self.parallel.wait_for_all()

    def set_best_aside(self) -> None:
        """Wait until both files are on the disk, and give the model a second name."""
        self.wait()
        if self.folder:
            self.folder.set_best_aside()

    def wait(self) -> None:
        """Wait until both files are on the disk."""
        if self.saver:
            self.saver.wait(BEST, LAST)
        self._tell()
        self.parallel.wait_for_all()

    def checkpoint(
        self,
        state: TrainState,
        weights: dict[str, Tensor],
        *,
        val_loss: float | None = None,
        training: dict[str, Any] | None = None,
    ) -> Checkpoint:
        """Describe a state of this run."""
        dataset = self.run.dataset
        return Checkpoint(
            config=self.run.model_config,
            model=weights,
            tokenizer=dataset.tokenizer.to_dict(),
            chat_format=dataset.chat_format.to_dict() if dataset.chat_format else None,
            data={
                "folder": str(dataset.folder),
                "fingerprint": dataset.fingerprint,
                "loss_on": "replies" if dataset.train_mask else "all",
                "order": self.batches.order,
            },
            train_config=asdict(self.batches.config),
            step=state.step,
            val_loss=val_loss,
            training=training,
        )

    def _weights(self, state: TrainState) -> dict[str, Tensor]:
        return self.parallel.full_weights(state.model)

    def _tell(self) -> None:
        for note in self.folder.take_notes() if self.folder else []:
            self.recorder.note(note)

    def _write(self, name: str, checkpoint: Checkpoint) -> None:
        if self.saver:
            self.saver.save(name, checkpoint, first=self.recorder.sync)


def describe_machine(parallel: Parallel, dtype: torch.dtype) -> dict[str, Any]:
    """Return what the rounding of a result depends on, beside the settings."""
    return {
        **({"strategy": "fsdp"} if parallel.sharded else {}),
        "torch": str(torch.__version__),
        "threads": torch.get_num_threads(),
        "processes": parallel.size,
        "device": parallel.device.type,
        "dtype": str(dtype).removeprefix("torch."),
    }
