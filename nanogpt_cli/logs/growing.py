"""A log that is still being written, read again and again at the cost of what is new."""

from pathlib import Path

from nanogpt_cli.errors import DataError
from nanogpt_cli.logs import load, metrics
from nanogpt_cli.logs.events import Log


class GrowingLog:
    """A log file of either format, as it was at the last ``update``.

    A last line without its end is left for the next update. Where the line that was read last is no
    longer in its place, the file was cut or replaced, and is read from the start.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._forget()

    def _forget(self) -> None:
        self.log = Log([])
        self._size = 0
        """Bytes read so far."""
        self._last_line = b""
        self._console: bytes | None = b""
        """Everything read, unless it is a metrics.jsonl."""

    def update(self) -> bool:
        """Read what was written since the last update; return whether the log has changed.

        A missing file counts as empty. Raises DataError where the file cannot be read.
        """
        before = self._size
        try:
            with metrics.reading(self.path) as file:
                file.seek(self._size - len(self._last_line))
                found = file.read()
                if not found.startswith(self._last_line):
                    self._forget()
                    file.seek(0)
                    found = file.read()
        except DataError as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                raise
            self._forget()
            return before > 0
        new = found[len(self._last_line) : found.rfind(b"\n") + 1]
        if new:
            self._size += len(new)
            self._last_line = new.splitlines(keepends=True)[-1]
            self._add(new)
        return bool(new) or self._size != before

    def _add(self, lines: bytes) -> None:
        if self._console is None:
            new = metrics.parse(lines.splitlines())
            self.log.events.extend(new.events)
            self.log = Log(self.log.events, self.log.dropped + new.dropped)
            return
        self._console += lines
        self.log = metrics.parse(self._console.splitlines())
        if self.log.events:
            self._console = None
        else:
            self.log = load.parse(self._console)
