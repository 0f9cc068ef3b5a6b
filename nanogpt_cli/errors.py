"""Errors that are shown to the user, one class per exit code.

    NanoGPTError            1   (never raised as such)
    |-- UsageError          2   a flag or a combination of flags that cannot work
    |-- DataError           3   unusable text, dataset or log
    |-- CheckpointError     4   unusable checkpoint
    |-- MachineError        5   disk full, read-only, out of memory
    `-- DivergedError       6   the loss is nan or infinite

Running out of memory counts as a MachineError whatever exception reports it; see
``is_out_of_memory``. Any other exception is a bug and keeps its traceback.
"""


class NanoGPTError(Exception):
    """An error to show to the user: what happened to which file, and how to fix it."""

    exit_code = 1

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(NanoGPTError):
    """A flag, or a combination of flags, that cannot work."""

    exit_code = 2


class DataError(NanoGPTError):
    """Input text, a prepared dataset or a log that cannot be used."""

    exit_code = 3


class CheckpointError(NanoGPTError):
    """A checkpoint that cannot be read, is corrupt, or does not fit."""

    exit_code = 4


class MachineError(NanoGPTError):
    """The disk or the machine: full, read-only, out of memory."""

    exit_code = 5


class DivergedError(NanoGPTError):
    """Training produced losses, gradients or weights that are not finite."""

    exit_code = 6


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out: Python's, a device's, torch's on a CPU, or that for a library."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError | ImportError) and any(said in text for said in _NO_MEMORY)
    )


_NO_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "failed to map segment from shared object",
)
