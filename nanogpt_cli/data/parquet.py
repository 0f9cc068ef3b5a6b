"""Parquet tables as JSON lines, a row each. Needs pyarrow."""

import io
import json
from collections.abc import Iterator
from typing import IO, Any

_ROWS = 1000
"""Rows that are read at a time."""


class JSONLines(io.RawIOBase):
    """The rows of a table as bytes. Raises pyarrow's errors where it is none."""

    def __init__(self, file: IO[bytes]) -> None:
        import pyarrow.parquet

        table: Any = pyarrow.parquet.ParquetFile(file)
        self._batches: Iterator[Any] = table.iter_batches(batch_size=_ROWS)
        self._held = b""

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer, and return how many bytes were written to it."""
        while not self._held:
            batch = next(self._batches, None)
            if batch is None:
                return 0
            rows = (json.dumps(row, default=str, ensure_ascii=False) for row in batch.to_pylist())
            self._held = "".join(f"{row}\n" for row in rows).encode(errors="replace")
        count = min(len(buffer), len(self._held))
        buffer[:count] = self._held[:count]
        self._held = self._held[count:]
        return count
