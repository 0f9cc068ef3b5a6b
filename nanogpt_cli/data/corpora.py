"""Known corpora by name: where their files are, and what is known of them.

A file without a published checksum is trusted the first time; its checksum is then kept beside it.
This module does not download.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from nanogpt_cli.errors import UsageError


@dataclass(frozen=True)
class Download:
    """A file of a corpus."""

    url: str
    name: str
    """What it is called here."""
    sha256: str = ""
    members: tuple[str, ...] = ()
    """Of an archive (.tar.gz), what is unpacked: their names end so."""


@dataclass(frozen=True)
class Corpus:
    """What is downloaded, and how much it is."""

    files: tuple[Download, ...]
    size: str
    """About how much is downloaded, for people."""
    val: tuple[Download, ...] = ()
    """What its makers keep for validation: a file."""
    format: str = "auto"
    """As ``--format`` names it."""


_HF = "https://huggingface.co/datasets"
_STORIES = f"{_HF}/roneneldan/TinyStories/resolve/main"
_OPENWEBTEXT = f"{_HF}/Skylion007/openwebtext/resolve/refs%2Fconvert%2Fparquet/plain_text/train"
_FINEWEB = f"{_HF}/HuggingFaceFW/fineweb-edu/resolve/main/sample/10BT"

CORPORA: Mapping[str, Corpus] = {
    "shakespeare": Corpus(
        (
            Download(
                "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare"
                "/input.txt",
                "shakespeare.txt",
                "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
            ),
        ),
        "1.1 MB",
    ),
    "tinystories": Corpus(
        (Download(f"{_STORIES}/TinyStoriesV2-GPT4-train.txt", "train.txt"),),
        "2.3 GB",
        (Download(f"{_STORIES}/TinyStoriesV2-GPT4-valid.txt", "valid.txt"),),
        "separated",
    ),
    "empathetic-dialogues": Corpus(
        (
            Download(
                "https://dl.fbaipublicfiles.com/parlai/empatheticdialogues"
                "/empatheticdialogues.tar.gz",
                "empatheticdialogues.tar.gz",
                "56f234d77b7dd1f005fd365bb17769cfe346c3c84295b69bc069c8ccb83be03d",
                ("train.csv", "valid.csv", "test.csv"),
            ),
        ),
        "28 MB",
    ),
    "openwebtext": Corpus(
        tuple(
            Download(f"{_OPENWEBTEXT}/{i:04}.parquet", f"{i:04}.parquet") for i in range(80)
        ),
        "24 GB",
    ),
    "fineweb-edu": Corpus(
        tuple(
            Download(f"{_FINEWEB}/{i:03}_00000.parquet", f"{i:03}.parquet") for i in range(14)
        ),
        "28 GB",
    ),
}  # fmt: skip
"""All that can be named with ``prepare --dataset``."""


def find_corpus(name: str) -> Corpus:
    """Return a corpus by its name. Raises UsageError where there is none."""
    if name not in CORPORA:
        raise UsageError(f"unknown --dataset {name}", f"choose one of: {', '.join(CORPORA)}")
    return CORPORA[name]
