"""What a checkpoint format is, and which one a file or folder has.

A new format is one file beside this one with a ``FORMAT``, and one line in ``registry``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nanogpt_cli.checkpoint.schema import Checkpoint, Content
from nanogpt_cli.checkpoint.torchfile import unreadable
from nanogpt_cli.errors import CheckpointError, UnreadableError
from nanogpt_cli.registry import CHECKPOINT_FORMATS


@dataclass(frozen=True)
class WriteOptions:
    """What can be chosen of an export; a format ignores what it has no use for."""

    name: str
    """What the model is called in the file."""
    custom_code: bool = True
    """Whether a folder for transformers may bring a module of its own."""
    dtype: str = "f16"
    """How GGUF stores matrices: f32, f16 or q8_0."""


@dataclass(frozen=True)
class Written:
    """What an export became."""

    read_by: str
    """The class or the program that reads it."""
    notes: tuple[str, ...] = ()
    """What the user should know: what could not be kept, how to open it."""


@dataclass(frozen=True)
class CheckpointFormat:
    """A way to store models, which is read, written or both."""

    name: str
    recognises: Callable[[Path], bool]
    """Whether an existing file or folder is of this format, by its name or how it begins."""
    read: Callable[[Path], Content] | None
    """Returns ``model`` and ``model_config``, and whatever else of a checkpoint is stored.

    The content may be of any version; names of tensors are nanoGPT's, and each tensor is contiguous
    and has memory of its own. Raises CheckpointError where the file cannot be read safely.
    """
    write: Callable[[Checkpoint, Path, WriteOptions], Written] | None = None
    """Writes a checkpoint, which has a tokenizer, whole or not at all.

    Raises UsageError with the nearest way where the format has no place for such a model, and
    MachineError where the disk fails.
    """
    ending: str = ""
    """What follows the name of the model in that of an export."""
    is_folder: bool = False
    """Whether an export is a folder."""
    why_not: str = ""
    """Why it is not read, or not written, and what to do instead."""


def find_format(path: Path) -> CheckpointFormat:
    """Return the first registered format that recognises ``path``.

    Raises CheckpointError where there is no such file or folder, or no format recognises it.
    """
    try:
        if not path.exists():
            raise UnreadableError(f"cannot read {path}: there is no such file", "check the path")
        if not (path.is_file() or path.is_dir()):
            raise UnreadableError(f"cannot read {path}: it is not a regular file", "name a file")
        for name in CHECKPOINT_FORMATS:
            found: CheckpointFormat = CHECKPOINT_FORMATS.get(name)
            if found.recognises(path):
                return found
    except OSError as error:
        raise unreadable(path, error) from error
    read = [name for name in CHECKPOINT_FORMATS if CHECKPOINT_FORMATS.get(name).read]
    raise CheckpointError(
        f"{path} is not a checkpoint",
        f"name a checkpoint in one of these formats: {', '.join(read)}",
    )
