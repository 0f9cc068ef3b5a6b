"""The checkpoint that a run starts from: found, compared with what was asked for, and adapted."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from nanogpt_cli.checkpoint import hub, torchfile
from nanogpt_cli.checkpoint.load import attach_tokenizer, load_checkpoint
from nanogpt_cli.checkpoint.schema import HEAD, WTE, Checkpoint, check_readable, from_content
from nanogpt_cli.config import ModelConfig, TrainConfig, config_fields
from nanogpt_cli.data.order import VERSION
from nanogpt_cli.data.store import Dataset
from nanogpt_cli.errors import CheckpointError, UnreadableError, UsageError
from nanogpt_cli.files import identity
from nanogpt_cli.model.positions import fit_tables
from nanogpt_cli.runs import LAST, RUNS, STATE, find_checkpoint, run_of, saved_states
from nanogpt_cli.setting import flag
from nanogpt_cli.text import shortened
from nanogpt_cli.training.settings import merge


def initial_checkpoint(init_from: str) -> Checkpoint | None:
    """Return the checkpoint that ``--init-from`` names, or None for scratch.

    Raises UsageError for a model that cannot be downloaded, and CheckpointError.
    """
    if init_from == "scratch":
        return None
    if init_from in hub.NAMES and not (Path(init_from).exists() or (RUNS / init_from).exists()):
        return load_checkpoint(hub.download(init_from))
    return load_checkpoint(find_checkpoint(init_from))


def last_good_state(path: Path, notes: list[str]) -> tuple[Path, Checkpoint, object]:
    """Load a state to resume from; where it is damaged, the newest sound one of its folder.

    Returns its path, what it holds, and the file's identity. Raises CheckpointError where there is
    none, and UnreadableError where the newest may be sound: resuming would replace it.
    """
    others = saved_states(run_of(path)) if path.name in (LAST, STATE) else []
    first: CheckpointError | None = None
    for candidate in others or [path]:
        was = identity(candidate)
        try:
            start = _load_state(candidate)
            check_settings(start, candidate)
        except UnreadableError:
            raise
        except CheckpointError as error:
            first = first or error
            continue
        if first:
            notes.append(f"{first.message}; resuming from {candidate}, the last good one")
        return candidate, start, was
    assert first is not None
    raise first


def _load_state(path: Path) -> Checkpoint:
    """Load a state; of one that several processes wrote, all but the tensors. Raises as above."""
    if path.name != STATE:
        return load_checkpoint(path)
    content = torchfile.read(path)
    check_readable(content, path)
    return attach_tokenizer(from_content(content, path), path)


def check_settings(start: Checkpoint, path: Path) -> None:
    """Check the settings of a saved run as those of the command line are; ``path`` is for messages.

    Those that this version does not know are left out. Raises CheckpointError.
    """
    try:
        merge(TrainConfig, start.train_config, {})
    except UsageError as error:
        raise CheckpointError(
            f"{path} is corrupt: {error.message[:300]}", "use the copy that you made of it"
        ) from error


def refuse_differences(
    path: Path, start: Checkpoint, asked: Mapping[str, Any], data: Dataset, free: set[str]
) -> None:
    """Raise CheckpointError where what was asked for, or the data, contradicts a checkpoint."""
    shape = asked.keys() & config_fields(ModelConfig).keys() - free
    differences = [
        f"{flag(name)} {asked[name]}, the checkpoint has {getattr(start.config, name)}"
        for name in sorted(shape)
        if getattr(start.config, name) != asked[name]
    ]
    if data.tokenizer.vocab_size > start.config.vocab_size:
        differences.append(
            f"the data has {data.tokenizer.vocab_size} tokens, the model {start.config.vocab_size}"
        )
    elif start.tokenizer is not None and not extends(data, start):
        differences.append(f"the data's tokenizer, {data.tokenizer.name}, is another one")
    if differences:
        raise CheckpointError(
            f"{path} does not fit: {'; '.join(differences)}",
            "leave those flags out, or train from scratch",
        )


def extends(data: Dataset, start: Checkpoint) -> bool:
    """Whether the data's tokenizer is the checkpoint's, perhaps with more special tokens."""
    if start.tokenizer is None:
        return False
    old, new = start.tokenizer, data.tokenizer.to_dict()
    return (
        old | {"special_tokens": None} == new | {"special_tokens": None}
        and old["special_tokens"].items() <= new["special_tokens"].items()
    )


def grown(start: Checkpoint, more: int) -> Checkpoint:
    """Return a checkpoint with ``more`` tokens, each the mean of all (Hewitt 2021)."""
    tables = {
        name: torch.cat([old, old.mean(0, keepdim=True).expand(more, -1)])
        for name in (WTE, HEAD)
        for old in [start.model[name]]
    }
    config = replace(start.config, vocab_size=start.config.vocab_size + more)
    return replace(start, config=config, model=start.model | tables)


def fitted_to_block(start: Checkpoint, config: ModelConfig) -> Checkpoint:
    """Fit the position tables of a checkpoint to a shorter or longer block.

    Raises CheckpointError where they are learned for each position and the block is longer.
    """
    block = config.block_size
    try:
        model = fit_tables(start.config, start.model, block)
    except ValueError as error:
        raise CheckpointError(
            f"--block-size {block} is more than the checkpoint's {start.config.block_size}, and "
            f"{error}",
            "leave --block-size out; models with --pos-embd rope or relative can be lengthened",
        ) from error
    return replace(start, config=config, model=model)


def saved_order(path: Path, start: Checkpoint) -> int:
    """Return the version of the order in which a run goes over its text: the first, if not said.

    Raises CheckpointError for one that is not known.
    """
    order = start.data.get("order", 1)
    if type(order) is not int or not 1 <= order <= VERSION:
        raise CheckpointError(
            f"{path}: its order of the text, {shortened(order)}, is not known here",
            "update nanogpt, or start a new run from it: --init-from FILE",
        )
    return order
