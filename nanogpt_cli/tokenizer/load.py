"""Tokenizers by name, from a dict and from a file, over all kinds in ``registry.TOKENIZERS``.

This module knows neither the text that a tokenizer is for nor how any kind works.
"""

import json
import os
from pathlib import Path

from nanogpt_cli.errors import DataError, UsageError
from nanogpt_cli.files import open_regular
from nanogpt_cli.registry import TOKENIZERS
from nanogpt_cli.runs import dataset_file
from nanogpt_cli.tokenizer.base import (
    END_OF_TEXT,
    Tokenizer,
    TokenizerKind,
    check_special,
    corrupt,
)
from nanogpt_cli.tokenizer.bpe import BPETokenizer, default_gpt2, train_bpe
from nanogpt_cli.tokenizer.byte import ByteTokenizer
from nanogpt_cli.tokenizer.char import CharTokenizer, train_char
from nanogpt_cli.tokenizer.choice import AUTO

__all__ = [
    "END_OF_TEXT",
    "BPETokenizer",
    "ByteTokenizer",
    "CharTokenizer",
    "Tokenizer",
    "default_gpt2",
    "find_kind",
    "from_dict",
    "load_tokenizer",
    "named_tokenizer",
    "train_bpe",
    "train_char",
]


def find_kind(name: str) -> tuple[TokenizerKind, str] | None:
    """Return the kind that ``name`` asks for and its argument: ``bpe:2048`` is (BPE, "2048").

    None where no kind is called so, as with the name of a file.
    """
    kind_name, colon, argument = name.partition(":")
    if kind_name not in TOKENIZERS:
        return None
    kind: TokenizerKind = TOKENIZERS.get(kind_name)
    return None if colon and not kind.argument else (kind, argument)


def named_tokenizer(name: str) -> Tokenizer:
    """Return gpt2, byte, cl100k_base, o200k_base, or what the file or folder ``name`` holds.

    Raises UsageError where it is none of them.
    """
    found = find_kind(name)
    if found and found[0].make:
        return found[0].make()
    if not os.path.exists(name):
        raise UsageError(f"unknown --tokenizer {name}", _choices())
    return load_tokenizer(Path(name))


def load_tokenizer(path: Path) -> Tokenizer:
    """Read a tokenizer from a file with to_dict's output, a meta.json, or a dataset folder.

    Raises DataError naming the file where there is none or it is corrupt.
    """
    file = dataset_file(path, "meta.json") if path.is_dir() else path
    try:
        with open_regular(file) as opened:
            content = json.loads(opened.read())
    except (OSError, ValueError, RecursionError) as error:
        unreadable = isinstance(error, OSError) and not isinstance(error, FileNotFoundError)
        what = error.strerror if isinstance(error, OSError) else "it is not JSON"
        hint = "check the file and its permissions" if unreadable else _choices()
        raise DataError(f"cannot read a tokenizer from {file}: {what}", hint) from error
    if isinstance(content, dict) and "tokenizer" in content:
        content = content["tokenizer"]
    try:
        return from_dict(content)
    except DataError as error:
        raise DataError(f"{file}: {error.message}", error.hint) from error


def from_dict(content: object) -> Tokenizer:
    """Rebuild a tokenizer from to_dict's output, which may be untrusted.

    Raises DataError for an unknown kind or a corrupt description.
    """
    if not isinstance(content, dict):
        raise corrupt("it is not an object")
    special = check_special(content.get("special_tokens"))
    name = content.get("kind")
    kind = TOKENIZERS.get(name) if isinstance(name, str) and name in TOKENIZERS else None
    if kind is None or kind.rebuild is None:
        shown = repr(name[:40]) if isinstance(name, str) else f"a {type(name).__name__}"
        raise DataError(f"unknown kind of tokenizer: {shown}", "update nanogpt")
    rebuilt: Tokenizer = kind.rebuild(content, special)
    return rebuilt


def _choices() -> str:
    """Return a hint that lists all kinds."""
    kinds = {name: TOKENIZERS.get(name).argument for name in TOKENIZERS}
    names = [f"{name}:{argument}" if argument else name for name, argument in kinds.items()]
    return f"choose one of: {', '.join([AUTO, *names])}, or a file that holds one"
