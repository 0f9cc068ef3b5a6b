"""nanogpt: train your own small GPT on your own text or dialogues, and talk to it.

    import nanogpt_cli as nanogpt

The names below are the Python API, see ``api``; they load when they are first used, so that
importing this package loads nothing else.
"""

from importlib import import_module

from nanogpt_cli.version import __version__

TYPE_CHECKING = False  # typing's own takes longer to import than all the rest
if TYPE_CHECKING:
    from typing import Any

    from nanogpt_cli.api import Model, evaluate, export, load, prepare, train
    from nanogpt_cli.dialogue import Turn
    from nanogpt_cli.errors import (
        CheckpointError,
        DataError,
        DivergedError,
        MachineError,
        NanoGPTError,
        UsageError,
    )

__all__ = [
    "CheckpointError",
    "DataError",
    "DivergedError",
    "MachineError",
    "Model",
    "NanoGPTError",
    "Turn",
    "UsageError",
    "__version__",
    "evaluate",
    "export",
    "load",
    "prepare",
    "train",
]

_HOMES = {
    **dict.fromkeys(("Model", "evaluate", "export", "load", "prepare", "train"), "nanogpt_cli.api"),
    "Turn": "nanogpt_cli.dialogue",
}


def __getattr__(name: str) -> "Any":
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES.get(name, "nanogpt_cli.errors")), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
