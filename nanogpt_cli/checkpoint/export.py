"""Write a model in the format of another program, beside what is there.

What ``nanogpt export`` does, without the command line.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nanogpt_cli.checkpoint.formats.base import CheckpointFormat, WriteOptions
from nanogpt_cli.checkpoint.load import load_checkpoint
from nanogpt_cli.checkpoint.schema import Checkpoint
from nanogpt_cli.errors import CheckpointError, UsageError
from nanogpt_cli.files import check_replaceable
from nanogpt_cli.registry import CHECKPOINT_FORMATS
from nanogpt_cli.runs import RUNS


@dataclass(frozen=True)
class ExportResult:
    """What an export wrote."""

    source: Path
    output: Path
    format: str
    read_by: str
    """The class or the program that reads it."""
    bytes: int
    """The size of the file, or of the folder's files."""
    notes: tuple[str, ...]


def export(
    source: Path,
    to: str,
    output: Path | None = None,
    *,
    custom_code: bool = True,
    dtype: str = "f16",
    data_dir: Path | None = None,
    force: bool = False,
) -> ExportResult:
    """Write the checkpoint ``source`` in the format ``to``, by default in the working folder.

    ``custom_code`` allows a folder for transformers to bring a module of its own; ``dtype`` is that
    of matrices in GGUF. ``data_dir`` is the data it was trained on, for its tokenizer.

    Raises CheckpointError where ``source`` cannot be used, UsageError where the format has no place
    for such a model or something is in the way that ``force`` does not replace, and MachineError
    where the disk fails.
    """
    found: CheckpointFormat = CHECKPOINT_FORMATS.get(to)
    if found.write is None:
        names = [name for name in CHECKPOINT_FORMATS if CHECKPOINT_FORMATS.get(name).write]
        raise UsageError(
            f"--to {to} is not written: {found.why_not or 'it is only read'}",
            f"choose one of: {', '.join(names)}",
        )
    name = model_name(source)
    target = output or Path(f"{name}{found.ending}")
    _check_target(target, found, source, force)
    checkpoint = load_checkpoint(source, data_dir)
    if checkpoint.tokenizer is None:
        raise CheckpointError(
            f"{source} carries no tokenizer, and its vocabulary of {checkpoint.config.vocab_size} "
            "is not that of GPT-2",
            "name the folder of the data that it was trained on: --data-dir DIR",
        )
    options = WriteOptions(name, custom_code, dtype)
    written = found.write(checkpoint, target, options)
    files = (f for f in target.iterdir() if f.is_file()) if target.is_dir() else (target,)
    size = sum(file.stat().st_size for file in files)
    return ExportResult(source, target, to, written.read_by, size, written.notes)


def model_name(source: Path) -> str:
    """Return what a model is called: its run's folder, or the file where it is in none."""
    place = source.resolve()
    if place.is_dir():
        return place.name
    if place.parent.parent.name == RUNS.name or place.stem in ("ckpt", "last", "model"):
        return place.parent.name or place.stem
    return place.stem


def _check_target(target: Path, found: CheckpointFormat, source: Path, force: bool) -> None:
    """Raise UsageError where something would be lost by writing ``target``."""
    if not found.is_folder:
        sources: Iterable[Path] = [source] if source.is_file() else []
        check_replaceable(target, lambda path: False, sources, force)
        return
    if target.exists() and not target.is_dir():
        raise UsageError(f"{target} is a file, and this export a folder", "name a folder with -o")
    if not target.is_dir() or not any(target.iterdir()):
        return
    if source.resolve() in (target.resolve(), target.resolve() / "ckpt.pt"):
        raise UsageError(f"{target} is the source itself", "name another folder to write")
    ours = (target / "nanogpt.json").exists() or [p.name for p in target.iterdir()] == ["ckpt.pt"]
    if not force or not ours:
        raise UsageError(
            f"{target} already exists and is not empty",
            "replace an older export with --force" if ours else "name another folder with -o",
        )


def parameter_count(checkpoint: Checkpoint) -> int:
    """Count the parameters; a tied head counts once."""
    from nanogpt_cli.checkpoint.formats.safetensors_file import without_tied_head

    return sum(tensor.numel() for tensor in without_tied_head(checkpoint).values())
