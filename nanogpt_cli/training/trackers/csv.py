"""``metrics.csv`` beside metrics.jsonl: a line for each training step and each evaluation.

It is made of metrics.jsonl anew when a run is resumed, so it can be asked for at any time.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nanogpt_cli.files import atomic_write, open_regular
from nanogpt_cli.logs import metrics
from nanogpt_cli.logs.events import finite
from nanogpt_cli.training.trackers.base import Place, Tracker, TrackerKind

NAME = "metrics.csv"
COLUMNS = (
    "step", "time", "tokens", "loss", "lr", "grad_norm", "tokens_per_sec",
    "train_loss", "val_loss", "bits_per_byte", "other_val_loss",
)  # fmt: skip
_HEADER = (",".join(COLUMNS) + "\n").encode()


class CsvFile(Tracker):
    """Appends lines to the file."""

    def __init__(self, place: Place) -> None:
        path = place.folder / NAME
        _refuse_other_file(path)
        events = metrics.read(place.log).events if place.resumed else []
        with atomic_write(path) as file:
            file.write(_HEADER)
            file.writelines(_line(e) for e in events if e["event"] in ("train", "eval"))
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115 - until close

    def write(self, event: str, fields: Mapping[str, Any]) -> None:
        """Append a line."""
        if event in ("train", "eval"):
            metrics.write_all(self._file, _line(fields))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _line(fields: Mapping[str, Any]) -> bytes:
    """Return the values as they stand in metrics.jsonl; what is not known is empty."""
    values: Iterable[Any] = finite([fields.get(column) for column in COLUMNS])
    return (",".join("" if v is None else str(v) for v in values) + "\n").encode()


def _refuse_other_file(path: Path) -> None:
    """Raise FileExistsError where the name is taken by a file that no run has written."""
    if path.exists():
        with open_regular(path) as file:
            if file.readline() != _HEADER:
                raise FileExistsError(f"{path} is another file")


TRACKER = TrackerKind(CsvFile)
