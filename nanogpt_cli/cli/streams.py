"""Standard streams that can be lost: a full disk, a reader or a terminal that is gone.

What is said on stderr is dropped then, and the work continues. stdout has the answer: losing it
ends the command, quietly where the reader has left (``| head``), else with an error.
"""

import io
import os
import sys
from pathlib import Path
from typing import cast

from nanogpt_cli.errors import MachineError

BROKEN_PIPE = 141
"""The exit code of a command whose reader has left: 128 + SIGPIPE, as of any program in a pipe."""


class _Stream(io.RawIOBase):
    """Passes everything on to another raw stream until that is lost, and then to nowhere."""

    def __init__(self, raw: io.RawIOBase) -> None:
        self._raw = raw
        self._is_lost = False

    def write(self, data: object) -> int:
        """Write ``data`` and return how many of its bytes are dealt with."""
        size = memoryview(data).nbytes  # type: ignore[arg-type]
        if self._is_lost:
            return size
        try:
            written = self._raw.write(data)  # type: ignore[arg-type]
        except OSError as error:
            self._is_lost = True
            self.report(error)
            return size
        return size if written is None else written

    def report(self, error: OSError) -> None:
        """Do what is to be done when the stream is lost: nothing."""

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._raw.fileno()

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._raw.isatty()

    def writable(self) -> bool:
        """Return True."""
        return True


class _Answer(_Stream):
    """stdout, without which the command cannot do what it was asked for."""

    def report(self, error: OSError) -> None:
        """Raise SystemExit where the reader has left, else MachineError."""
        if isinstance(error, BrokenPipeError):
            raise SystemExit(BROKEN_PIPE) from None
        raise MachineError(f"cannot write to stdout: {error.strerror}", "free some space") from None


def prepare_streams() -> None:
    """Let sys.stdin, stdout and stderr bear what can happen to them.

    One that was closed (``>&-``) is nowhere, and characters that one cannot show are replaced.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout is sys.__stdout__:
        sys.stdout = _text(sys.stdout, _Answer)
    if isinstance(sys.stderr, io.TextIOWrapper) and sys.stderr is sys.__stderr__:
        sys.stderr = _text(sys.stderr, _Stream)
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # else a test's
            stream.reconfigure(errors="replace")


def _text(stream: io.TextIOWrapper, kind: type[_Stream]) -> io.TextIOWrapper:
    """Return a text stream like another one that writes through ``kind``."""
    # python -u has no buffer in between
    raw = cast(io.RawIOBase, getattr(stream.buffer, "raw", stream.buffer))
    return io.TextIOWrapper(
        io.BufferedWriter(kind(raw)),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering or stream.write_through,
    )
