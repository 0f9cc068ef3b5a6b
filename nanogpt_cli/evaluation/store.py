"""eval.jsonl beside a run: what was measured, so that a table need not be computed twice.

    {"event": "text", "key": {...}, "sample": {...}}       a loss, and its stretches
    {"event": "replies", "key": {...}, "sample": {...}}    prompts, references and replies
    {"event": "labels", "key": {...}, "sample": {...}}     labels that were ranked
    {"event": "result", "key": {...}, "metrics": {...}}    the numbers with their intervals

A line is used again where its key is the same: the content of checkpoint and data, the settings,
the program's version. A line that cannot be read is computed anew. This module does not know how
anything is measured.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nanogpt_cli.errors import DataError
from nanogpt_cli.files import atomic_write, open_regular
from nanogpt_cli.logs.events import Event, finite
from nanogpt_cli.logs.metrics import dump_line, read
from nanogpt_cli.runs import BEST, LAST

NAME = "eval.jsonl"
MOST_LINES = 400
"""Lines that are kept, the newest."""


class Store:
    """The eval.jsonl beside a checkpoint."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def beside(cls, checkpoint: Path) -> "Store | None":
        """Return the store of a run; None for a file that is not in a run's folder."""
        is_run = checkpoint.name in (BEST, LAST) or checkpoint.name.startswith("step-")
        return cls(checkpoint.with_name(NAME)) if is_run else None

    def find(self, event: str, key: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the sample that was stored under a key; None where there is none."""
        wanted = finite(dict(key))
        for line in reversed(self._lines()):
            sample = line.get("sample")
            if line["event"] == event and line.get("key") == wanted and isinstance(sample, dict):
                return sample
        return None

    def add(self, event: str, key: Mapping[str, Any], **content: Any) -> None:
        """Store something in place of what has the same key.

        Raises MachineError where the folder cannot be written.
        """
        line = finite({"event": event, "key": dict(key), **content})
        same = (event, line["key"])
        kept = [old for old in self._lines() if (old["event"], old.get("key")) != same]
        with atomic_write(self.path) as file:
            file.writelines(map(dump_line, [*kept[-MOST_LINES + 1 :], line]))

    def _lines(self) -> list[Event]:
        try:
            return read(self.path).events if self.path.exists() else []
        except DataError:
            return []


def content_hash(path: Path) -> str:
    """Return the sha256 of a file. Raises OSError where it cannot be read."""
    digest = hashlib.sha256()
    with open_regular(path) as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
