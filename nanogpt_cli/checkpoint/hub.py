"""Models by name from the Hugging Face Hub, for those who have a network and ask for one.

Nothing else of nanogpt opens a connection. What was downloaded stays in the cache of
huggingface_hub, where it is found again without a network.
"""

import socket
import urllib.request
from importlib.util import find_spec
from pathlib import Path

from nanogpt_cli.errors import UsageError

NAMES = ("gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl")
"""Models that can be named, as nanoGPT names them."""
HOST = ("huggingface.co", 443)
PATIENCE = 5.0
"""Seconds to wait for the first connection."""
_FILES = ["config.json", "model.safetensors", "tokenizer.json"]


def download(name: str) -> Path:
    """Return the folder of a model, from the cache or from the network.

    Raises UsageError at once where neither has it, with how to get it otherwise.
    """
    hint = "download its folder (config.json, model.safetensors) elsewhere, and name that folder"
    if find_spec("huggingface_hub") is None:
        raise UsageError(
            f"--init-from {name} is not on this machine, and huggingface_hub, which downloads it, "
            "is not installed",
            f"pip install huggingface_hub, or {hint}",
        )
    from huggingface_hub import snapshot_download

    repository = f"openai-community/{name}"
    try:
        return Path(snapshot_download(repository, allow_patterns=_FILES, local_files_only=True))
    except Exception as error:
        if not _reachable():
            raise UsageError(
                f"--init-from {name} is not on this machine, and {HOST[0]} cannot be reached", hint
            ) from error
    try:
        return Path(snapshot_download(repository, allow_patterns=_FILES))
    except Exception as error:
        said = " ".join(str(error).split())[:200]
        raise UsageError(f"cannot download {name}: {said}", hint) from error


def _reachable() -> bool:
    """Whether a connection can be made; unknown, and so assumed, behind a proxy."""
    if urllib.request.getproxies():
        return True
    try:
        socket.create_connection(HOST, PATIENCE).close()
    except OSError:
        return False
    return True
