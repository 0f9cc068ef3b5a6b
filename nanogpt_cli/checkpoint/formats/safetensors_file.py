"""One .safetensors file: tensors, and everything else of the checkpoint in its metadata."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from nanogpt_cli.checkpoint.formats.base import CheckpointFormat, WriteOptions, Written
from nanogpt_cli.checkpoint.formats.description import describe, read_description
from nanogpt_cli.checkpoint.schema import HEAD, Checkpoint, Content
from nanogpt_cli.errors import CheckpointError, raise_unrelated
from nanogpt_cli.files import atomic_write, open_regular
from nanogpt_cli.model.factory import architecture

_OURS = "nanogpt"
"""The key of the metadata under which a description stands."""
_HINT = "name the folder that has its config.json, or a file of `nanogpt export --to safetensors`"


def recognises(path: Path) -> bool:
    """Whether a file has the suffix .safetensors."""
    return path.is_file() and path.suffix.lower() == ".safetensors"


def read(path: Path) -> Content:
    """Return what the file holds; one of Hugging Face's needs the config.json beside it.

    Raises CheckpointError where the file is corrupt or says nothing of its model.
    """
    weights, metadata = load_tensors(path, _HINT)
    if _OURS in metadata:
        return {**read_description(metadata[_OURS], path), "model": weights}
    if (path.parent / "config.json").is_file():
        from nanogpt_cli.checkpoint.formats.hf import from_folder

        return from_folder(path.parent, weights)
    raise CheckpointError(f"{path} does not say what its model looks like", _HINT)


def load_tensors(path: Path, hint: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors of a file, each in memory of its own, and its metadata.

    Raises CheckpointError with ``hint`` where it cannot be read.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with open_regular(path), safe_open(path, framework="pt") as file:
            # the file is mapped, and may be cut or replaced meanwhile
            tensors = {
                name: file.get_tensor(name).clone(memory_format=torch.contiguous_format)
                for name in file.keys()  # noqa: SIM118
            }
            return tensors, file.metadata() or {}
    except (OSError, ValueError, SafetensorError) as error:
        raise_unrelated(error)
        raise CheckpointError(f"cannot read a model from {path}: {error}", hint) from error


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
    """Write tensors, none of which shares memory with another. Raises MachineError."""
    import safetensors.torch

    content = safetensors.torch.save(
        {name: tensor.contiguous() for name, tensor in tensors.items()}, metadata
    )
    with atomic_write(path, large=True) as file:
        file.write(content)


def without_tied_head(checkpoint: Checkpoint) -> dict[str, Tensor]:
    """Return the tensors of a model; a head that is the table of tokens is left out."""
    tied = architecture(checkpoint.config).tied_head
    return {name: t for name, t in checkpoint.model.items() if not (tied and name == HEAD)}


def write(checkpoint: Checkpoint, path: Path, options: WriteOptions) -> Written:
    """Write tensors under nanoGPT's names. Raises MachineError where the disk fails."""
    metadata = {"format": "pt", _OURS: describe(checkpoint)}
    save_tensors(path, without_tied_head(checkpoint), metadata)
    return Written("safetensors", ("nanogpt chat, eval and train --init-from read it, too",))


FORMAT = CheckpointFormat("safetensors", recognises, read, write, ".safetensors")
