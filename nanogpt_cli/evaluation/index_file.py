"""The index of a dataset's training text, built when it is first needed and kept beside it.

The file is a header of one line of JSON, filled up with spaces; the text; and the starts of its
suffixes in their order. It is only used for the dataset that it was made of. This module knows how
it is stored, ``text_index`` what it answers.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from nanogpt_cli.data.store import Dataset
from nanogpt_cli.device import available_memory
from nanogpt_cli.errors import MachineError
from nanogpt_cli.evaluation.progress import Working, silent
from nanogpt_cli.evaluation.text_index import BOUNDARY, ENDING, WORD, TextIndex
from nanogpt_cli.evaluation.token_bytes import TokenBytes
from nanogpt_cli.files import atomic_write, open_regular
from nanogpt_cli.runs import TEXT_INDEX
from nanogpt_cli.text import byte_size

_HEADER = 4096
_FORMAT = "nanogpt-text-index"
_VERSION = 1
_WRITTEN = 16 << 20
"""Bytes written at a time."""


def open_index(
    dataset: Dataset,
    note: Callable[[str], None] = lambda text: None,
    working: Working = silent,
) -> TextIndex:
    """Return the index of the training text, mapped from its file, which is written if need be.

    ``note`` is told beforehand how much memory and disk that takes, ``working`` what is being done.
    Where the folder cannot be written, the index is built in memory alone. Raises MachineError
    where the memory does not suffice.
    """
    path = dataset.folder / TEXT_INDEX
    if found := _mapped(path, dataset):
        return found
    rendered = TokenBytes(dataset.tokenizer, dataset.vocab_size, lambda number: bytes([BOUNDARY]))
    size = rendered.size(dataset.train)
    width = _width(size)
    need = size * (1 + width)
    note(
        f"indexing {byte_size(size)} of training text: {byte_size(need)} of memory, and as much "
        f"on the disk, in {path}"
    )
    if need > available_memory():
        raise MachineError(
            f"the index of {dataset.folder} takes {byte_size(need)} of memory, and "
            f"{byte_size(available_memory())} are free",
            "close other programs, or use a machine with more memory",
        )
    working("decoding the training text")
    text = np.empty(size + ENDING, dtype=np.uint8)
    rendered.render(dataset.train, text)
    working("sorting its suffixes")
    index = TextIndex.built(text)
    working("writing the index")
    try:
        _write(path, index, dataset)
    except MachineError as error:
        note(f"the index is not kept: {error.message}")
        return index
    return _mapped(path, dataset) or index


def _width(size: int) -> int:
    """Return the bytes of a place in a text of ``size`` bytes."""
    return 4 if size < 2**31 else 8


def _write(path: Path, index: TextIndex, dataset: Dataset) -> None:
    """Write an index, whole or not at all. Raises MachineError."""
    header = {
        "format": _FORMAT,
        "version": _VERSION,
        "dataset": dataset.fingerprint,
        "bytes": len(index),
    }
    with atomic_write(path, large=True) as file:
        file.write(json.dumps(header).encode().ljust(_HEADER - 1) + b"\n")
        text, suffixes = index.parts
        padding = np.zeros(_padding(len(text)), dtype=np.uint8)
        ordered = suffixes.astype(suffixes.dtype.newbyteorder("<"), copy=False)
        for part in (text, padding, ordered.view(np.uint8)):
            for at in range(0, len(part), _WRITTEN):
                file.write(part[at : at + _WRITTEN].tobytes())


def _padding(size: int) -> int:
    """Return the bytes after a text of ``size`` bytes, so that numbers start at a multiple of 8."""
    return -size % 8


def _mapped(path: Path, dataset: Dataset) -> TextIndex | None:
    """Map an index; None where there is none, or it is not one of this dataset."""
    try:
        with open_regular(path) as file:
            header = _parsed(file.read(_HEADER))
            size = header.get("bytes")
            expected = {"format": _FORMAT, "version": _VERSION, "dataset": dataset.fingerprint}
            if any(header.get(key) != value for key, value in expected.items()):
                return None
            if type(size) is not int or size < 1:
                return None
            padded = size + WORD
            start = _HEADER + padded + _padding(padded)
            width = _width(size)
            if path.stat().st_size != start + size * width:
                return None
            text = np.memmap(path, np.uint8, "r", _HEADER, (padded,))
            suffixes = np.memmap(path, np.dtype(f"<i{width}"), "r", start, (size,))
    except OSError:
        return None
    return TextIndex(text, suffixes)


def _parsed(line: bytes) -> dict[str, Any]:
    """Return the header of an index, empty where it is not one."""
    try:
        header = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return header if isinstance(header, dict) else {}
