"""What is decided before the first step of a run, and how a run ended."""

from dataclasses import dataclass
from pathlib import Path

from nanogpt_cli.checkpoint.schema import Checkpoint
from nanogpt_cli.config import ModelConfig, TrainConfig
from nanogpt_cli.data.order import VERSION
from nanogpt_cli.data.store import Dataset


@dataclass(frozen=True)
class Run:
    """All that is decided before the first step."""

    dataset: Dataset
    out_dir: Path
    model_config: ModelConfig
    config: TrainConfig
    start: Checkpoint | None = None
    """Where the parameters come from, unless from scratch. Training takes its tensors over."""
    other: Dataset | None = None
    """What the model was trained on before, say; its validation loss is reported too."""
    resume: bool = False
    """Whether ``start`` is a state of this very run, to be continued."""
    loaded: tuple[Path, object] | None = None
    """When resuming, the file that ``start`` was read from, and its identity at that time."""
    fresh: bool = False
    """Whether ``out_dir`` held no run when this was planned, and must not when it begins."""
    backup: tuple[Path, Path] | None = None
    """A checkpoint of another program that this run would replace, and what to keep it as."""
    notes: tuple[str, ...] = ()
    """What had to be assumed, for the user to read."""
    order: int = VERSION
    """The version of the order in which an epoch goes over the text."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    reason: str
    """``done``, ``patience``, ``SIGINT``, ``SIGTERM`` or ``SIGHUP``."""
    step: int
    seconds: float
    best_val_loss: float | None
    out_dir: Path
