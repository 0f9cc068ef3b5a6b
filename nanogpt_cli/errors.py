"""Errors that are shown to the user, one class per exit code.

    NanoGPTError            1   (never raised as such)
    |-- UsageError          2   a flag or a combination of flags that cannot work
    |-- DataError           3   unusable text, dataset or log
    |-- CheckpointError     4   unusable checkpoint
    |   `-- UnreadableError 4   one that may be sound: no permission, or a newer version's
    |-- MachineError        5   disk full, read-only, out of memory
    |   `-- LostContactError  5   another process of the same training is gone
    `-- DivergedError       6   the loss is nan or infinite

Running out of memory counts as a MachineError whatever exception reports it; see
``is_out_of_memory``. Any other exception is a bug and keeps its traceback.
"""

import errno


class NanoGPTError(Exception):
    """An error to show to the user: what happened to which file, and how to fix it."""

    exit_code = 1
    shown = True
    """Whether it is shown here; of processes that all fail alike, one speaks."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        """Let one process send it to another."""
        return type(self), (self.message, self.hint)


class UsageError(NanoGPTError):
    """A flag, or a combination of flags, that cannot work."""

    exit_code = 2


class DataError(NanoGPTError):
    """Input text, a prepared dataset or a log that cannot be used."""

    exit_code = 3


class CheckpointError(NanoGPTError):
    """A checkpoint that cannot be read, is corrupt, or does not fit."""

    exit_code = 4


class UnreadableError(CheckpointError):
    """A checkpoint that may be sound, but cannot be read here: no permission, a newer version's.

    It must not be replaced, and no older one be used in its place.
    """


class MachineError(NanoGPTError):
    """The disk or the machine: full, read-only, out of memory."""

    exit_code = 5


class LostContactError(MachineError):
    """Another process of the same training, or the network to it, is gone."""

    def __init__(self, message: str, hint: str, *, shown: bool = True) -> None:
        super().__init__(message, hint)
        self.shown = shown


class DivergedError(NanoGPTError):
    """Training produced losses, gradients or weights that are not finite."""

    exit_code = 6


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out: Python's, a device's, torch's on a CPU, or that for a library."""
    text = str(error).lower()
    return (
        isinstance(error, MemoryError)
        or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
        or (
            isinstance(error, RuntimeError | ImportError)
            and any(said in text for said in _NO_MEMORY)
        )
    )


_NO_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "failed to map segment from shared object",
)


def raise_unrelated(error: BaseException) -> None:
    """Raise what an exception hides, where that says nothing about the data that was read.

    torch and codecs turn an interrupt, or memory that ran out, into errors of their own. To be
    called before such an error is taken for a fault of a file.
    """
    hidden: BaseException | None = error
    while hidden:
        if not isinstance(hidden, Exception):
            raise hidden
        if is_out_of_memory(hidden):
            raise MemoryError("out of memory") from hidden
        hidden = hidden.__cause__ or hidden.__context__
