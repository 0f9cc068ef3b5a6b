"""Tokenizers by name, from a dict and from a file, over all kinds in ``registry.TOKENIZERS``.

This module knows neither the text that a tokenizer is for nor how any kind works.
"""

import json
import os
from pathlib import Path
from typing import Any

from nanogpt_cli.errors import DataError, UsageError
from nanogpt_cli.files import open_regular
from nanogpt_cli.registry import TOKENIZERS
from nanogpt_cli.runs import dataset_file
from nanogpt_cli.text import shortened
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
from nanogpt_cli.tokenizer.huggingface import is_tokenizer_json, read_tokenizer_json
from nanogpt_cli.tokenizer.patterns import NAMED
from nanogpt_cli.tokenizer.ranks import looks_like_ranks, read_ranks

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

_HUGGING_FACE = "tokenizer.json"


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

    After the name of a file of ranks, ``:PATTERN`` says how text is cut into words. Raises
    UsageError where it is none of them.
    """
    found = find_kind(name)
    if found and found[0].make:
        return found[0].make()
    if os.path.exists(name):
        return load_tokenizer(Path(name))
    file, _, pattern = name.rpartition(":")
    if file and pattern in NAMED and os.path.exists(file):
        return load_tokenizer(Path(file), pattern)
    raise UsageError(f"unknown --tokenizer {shortened(name)}", _choices())


def load_tokenizer(path: Path, pattern: str = "") -> Tokenizer:
    """Read a tokenizer from a file, or from a folder: a dataset, or one with a tokenizer.json.

    A file has to_dict's output, a meta.json, a tokenizer.json of Hugging Face's, or ranks as
    tiktoken has them, for which ``pattern`` says how text is cut into words. Raises DataError
    naming the file where there is none or it is corrupt.
    """
    file = _file_in(path) if path.is_dir() else path
    try:
        with open_regular(file) as opened:
            data = opened.read()
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        raise DataError(
            f"cannot read a tokenizer from {file}: {error.strerror}",
            _choices() if missing else "check the file and its permissions",
        ) from error
    name = file.stem if file.name != _HUGGING_FACE else file.absolute().parent.name
    try:
        if looks_like_ranks(data):
            return read_ranks(data, name, pattern)
        content = _json(data)
        if is_tokenizer_json(content):
            return read_tokenizer_json(content, name)
        return from_dict(content.get("tokenizer", content) if type(content) is dict else content)
    except DataError as error:
        raise DataError(f"{file}: {error.message}", error.hint) from error


def _file_in(folder: Path) -> Path:
    """Return the file of a folder that has its tokenizer."""
    meta = dataset_file(folder, "meta.json")
    other = folder / _HUGGING_FACE
    return other if other.exists() and not os.path.lexists(meta) else meta


def _json(data: bytes) -> Any:
    """Parse a file. Raises DataError for what is not JSON."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        hint = _choices()
        if b"\0" in data[:1024]:
            hint = f"a model of SentencePiece cannot be used; {hint}"
        raise DataError("it is not a tokenizer: neither JSON nor ranks", hint) from error


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
