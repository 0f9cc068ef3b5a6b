"""Saving beside training: a snapshot in memory, and a thread that writes it to the disk.

Training waits for the copy in memory alone. Of each file one version is on its way at a time: a
disk that is slower than the saves makes ``save`` wait for it. Files are written in the order in
which they were saved, so what is on the disk is always a state the run was in. This module knows
checkpoints and files, not when it is time to save.
"""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from nanogpt_cli import files
from nanogpt_cli.checkpoint.schema import Checkpoint
from nanogpt_cli.runs import LAST, step_file, step_files
from nanogpt_cli.training.folder import RunFolder


class Saver:
    """Writes the checkpoints of a run's folder in the background.

    A context manager: leaving it waits until all is written, and raises what went wrong; after a
    KeyboardInterrupt what is not yet in place is cancelled instead. The old files are then whole.
    """

    def __init__(self, folder: RunFolder, keep: int = 1) -> None:
        self.folder, self.keep = folder, keep
        self.seconds = 0.0
        """How long it took to write the last ``last.pt``."""
        self._thread = ThreadPoolExecutor(1, "saver")
        self._writing: dict[str, Future[None]] = {}
        self._snapshots: dict[str, Snapshot] = {}
        self._cancelled = False

    def save(
        self, name: str, checkpoint: Checkpoint, first: Callable[[], None] = lambda: None
    ) -> None:
        """Take a snapshot of ``checkpoint`` and have it written; ``first`` is done before.

        Waits while an older version of the file ``name`` is on its way. Raises MachineError where
        writing that one has failed.
        """
        self.wait(name)
        copy = self._snapshots.setdefault(name, Snapshot()).take
        model, training = copy((checkpoint.model, checkpoint.training))
        snapshot = replace(checkpoint, model=model, training=training)
        self._writing[name] = self._thread.submit(self._write, name, snapshot, first)

    def is_writing(self, name: str) -> bool:
        """Whether a version of the file ``name`` is on its way. Raises MachineError."""
        self.wait(*(n for n, future in self._writing.items() if future.done()))
        return name in self._writing

    def wait(self, *names: str) -> None:
        """Wait until these files are written. Raises MachineError where that failed."""
        for name in names:
            if future := self._writing.pop(name, None):
                future.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self._cancelled = kind is not None and issubclass(kind, KeyboardInterrupt)
        try:
            if kind is None:
                self.wait(*self._writing)
        finally:
            self._thread.shutdown()

    def _write(self, name: str, checkpoint: Checkpoint, first: Callable[[], None]) -> None:
        begun = time.perf_counter()
        first()
        self.folder.write(
            name, lambda path: checkpoint.save(path, cancelled=lambda: self._cancelled)
        )
        if name == LAST:
            if self.keep > 1:
                self.folder.change(lambda path: keep_newest(path, checkpoint.step, self.keep))
            self.seconds = time.perf_counter() - begun


def keep_newest(folder: Path, step: int, count: int) -> None:
    """Link ``last.pt`` under the name of its ``step``, and keep the newest ``count`` of those.

    States of later steps are removed: the run has gone back before them. Raises MachineError.
    """
    kept = folder / step_file(step)
    with files.machine_errors(kept):
        kept.unlink(missing_ok=True)
        files.keep_copy(folder / LAST, kept)
        steps = step_files(folder)
        for old in steps[: steps.index(kept)] + steps[steps.index(kept) + count :]:
            old.unlink(missing_ok=True)


class Snapshot:
    """A copy of tensors in the CPU's memory, which the next copy uses again."""

    def __init__(self) -> None:
        self._memory: list[Tensor] = []

    def take(self, state: Any) -> Any:
        """Copy dicts, lists and tuples of tensors; tensors that are one stay one."""
        memory, self._memory = iter(self._memory), []
        copies: dict[tuple[Any, ...], Tensor] = {}
        devices: set[torch.device] = set()

        def copy(value: Any) -> Any:
            match value:
                case Tensor():
                    key = (value.data_ptr(), value.shape, value.stride(), value.dtype)
                    if key not in copies:
                        if value.device.type == "cuda":
                            devices.add(value.device)
                        target = next(memory, None)
                        if target is None or (target.shape, target.dtype) != (key[1], key[3]):
                            target = torch.empty(key[1], dtype=key[3], pin_memory=value.is_cuda)
                        self._memory.append(target)
                        copies[key] = target.copy_(value.detach(), target.is_pinned())
                    return copies[key]
                case dict():
                    return {name: copy(inner) for name, inner in value.items()}
                case list() | tuple():
                    return type(value)(copy(inner) for inner in value)
            return value

        result = copy(state)
        for device in devices:
            torch.cuda.synchronize(device)  # the copies may still be under way
        return result
