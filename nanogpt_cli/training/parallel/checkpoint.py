"""Sharded states on the disk, by torch.distributed.checkpoint: every process writes its rows.

A state is a folder ``state-N`` of safetensors files, which hold tensors and no code, and of
``state.pt``, an ordinary checkpoint without tensors. It has that name once it is complete. Any
number of processes reads it, each what it needs.
"""

import shutil
import warnings
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.hf_storage import (
    HuggingFaceStorageReader,
    HuggingFaceStorageWriter,
)
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import async_save

from nanogpt_cli import files
from nanogpt_cli.checkpoint.schema import Checkpoint
from nanogpt_cli.checkpoint.torchfile import CORRUPT_HINT
from nanogpt_cli.errors import CheckpointError, MachineError, is_out_of_memory
from nanogpt_cli.runs import STATE, state_folder, state_folders
from nanogpt_cli.text import shortened
from nanogpt_cli.training.optim import expected_moments
from nanogpt_cli.training.parallel.replicated import PATIENCE, Many
from nanogpt_cli.training.state import TrainState


class ShardedSaver:
    """Writes states in the background, one at a time; all processes call it alike.

    The exchanges of a save have a group of their own, since a thread has them beside training.
    """

    def __init__(self, parallel: Many, keep: int) -> None:
        self.parallel, self.keep = parallel, keep
        self._group = dist.new_group(backend="gloo", timeout=PATIENCE)
        self._thread = ThreadPoolExecutor(1, "sharded-saver")
        self._pending: Future[None] | None = None

    def save(self, folder: Path, state: TrainState, about: Checkpoint) -> None:
        """Copy this process's part of the state, and have it written below ``folder``.

        Raises MachineError where writing the one before has failed, in any process.
        """
        self.wait()
        target = folder / state_folder(state.step)
        with ExitStack() as unfinished:
            temporary = target
            if self.parallel.is_main:
                with files.machine_errors(target):
                    temporary = unfinished.enter_context(files.unfinished(target))
                    temporary.mkdir()
            temporary = Path(self.parallel.agreed(str(temporary)))
            writer = HuggingFaceStorageWriter(str(temporary), save_distributed=True)
            content = _content(state)
            written = async_save(content, storage_writer=writer, process_group=self._group)
            assert isinstance(written, Future)
            publish = partial(self._publish, written, temporary, target, about)
            self._pending = self._thread.submit(publish, unfinished.pop_all())

    def wait(self) -> None:
        """Wait until the last state is complete on the disk. Raises MachineError."""
        pending, self._pending = self._pending, None
        if pending:
            pending.result()

    def close(self) -> None:
        """Wait for what is still being written, whatever comes of it."""
        self._thread.shutdown()

    def _publish(
        self,
        written: "Future[Any]",
        temporary: Path,
        target: Path,
        about: Checkpoint,
        unfinished: ExitStack,
    ) -> None:
        """Give a state its name once all processes have written their parts."""
        with unfinished:
            try:
                written.result()
            except (CheckpointException, OSError, RuntimeError) as error:
                problem = _machine_error(target, error)
                problem.shown = self.parallel.is_main  # all have it
                raise problem from error
            if not self.parallel.is_main:
                return
            about.save(temporary / STATE)
            with files.machine_errors(target):
                shutil.rmtree(target, ignore_errors=True)
                temporary.rename(target)
                files.sync_folder(target.parent)
                _keep_newest(target, self.keep)


def _keep_newest(target: Path, count: int) -> None:
    """Remove all states but ``count``: the older ones, and those the run has gone back before."""
    states = state_folders(target.parent)
    newer = states[: states.index(target)]
    for old in newer + states[states.index(target) + count :]:
        shutil.rmtree(old, ignore_errors=True)


def load_state(folder: Path, state: TrainState) -> None:
    """Read the tensors of ``state``, whole or this process's rows of them. All call it alike.

    Raises CheckpointError where the folder does not hold what this model needs.
    """
    content = _content(state, empty=True)
    alone = not dist.is_initialized()
    try:
        reader = HuggingFaceStorageReader(str(folder))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it is alone
            load(content, storage_reader=reader, no_dist=alone)
    except (CheckpointException, Exception) as error:  # of files that can be anything
        if is_out_of_memory(error) or isinstance(error, dist.DistError):
            raise
        raise CheckpointError(
            f"{folder} is corrupt, or of another model: {_reason(error)}", CORRUPT_HINT
        ) from error
    names = {p: name for name, p in state.model.named_parameters()}
    for part in state.optimizers.parts:
        groups = part.state_dict()["param_groups"]
        params = [p for group in part.param_groups for p in group["params"]]
        moments = {
            number: {
                entry: content[f"moments.{names[p]}.{entry}"].reshape(like.shape)
                for entry, like in expected_moments(part, p).items()
            }
            for number, p in enumerate(params)
        }
        part.load_state_dict({"state": moments, "param_groups": groups})


def _content(state: TrainState, empty: bool = False) -> dict[str, Tensor]:
    """Return every tensor of a state under its name; ``empty`` ones are made for moments."""
    content = {f"model.{name}": p.data for name, p in state.model.named_parameters()}
    names = {p: name for name, p in state.model.named_parameters()}
    for part in state.optimizers.parts:
        for group in part.param_groups:
            for p in group["params"]:
                for entry, like in expected_moments(part, p).items():
                    found = torch.zeros_like(like) if empty or p not in part.state else None
                    moment = part.state[p][entry] if found is None else found
                    content[f"moments.{names[p]}.{entry}"] = (
                        moment if moment.dim() else moment[None]
                    )
    return content


def _machine_error(target: Path, error: BaseException) -> MachineError:
    return MachineError(
        f"cannot write {target}: {_reason(error)}",
        "free some space on that disk, or choose a folder that every process can write to",
    )


def _reason(error: BaseException) -> str:
    """Say in a line what failed, and in which process."""
    if isinstance(error, CheckpointException) and error.failures:
        rank, (cause, _) = next(iter(error.failures.items()))
        return f"process {rank}: {shortened(str(cause).strip() or type(cause).__name__, 200)}"
    return shortened((str(error).strip() or type(error).__name__).splitlines()[0], 200)
