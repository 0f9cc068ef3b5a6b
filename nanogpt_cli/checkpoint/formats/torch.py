"""Files of torch.save: ours, nanoGPT's, and those of the earlier project."""

from pathlib import Path

from nanogpt_cli.checkpoint import torchfile
from nanogpt_cli.checkpoint.formats.base import CheckpointFormat
from nanogpt_cli.files import open_regular

SUFFIXES = (".pt", ".pth", ".ckpt", ".bin")


def recognises(path: Path) -> bool:
    """Whether a file is named or begins as those of torch.save do."""
    if not path.is_file():
        return False
    if path.suffix.lower() in SUFFIXES:
        return True
    with open_regular(path) as file:
        return file.read(2).startswith((torchfile.ZIP_MAGIC, torchfile.PICKLE_MAGIC))


FORMAT = CheckpointFormat(
    "torch", recognises, torchfile.read, why_not="it is what training writes: copy ckpt.pt"
)
