"""What general compressors make of a text after they have read another one.

xz finds repeated strings; PPMd predicts each byte from those before it, as a language model does.
This module knows bytes alone.
"""

import lzma
import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

PPMD_ORDER = 6
PPMD_MEMORY = 256 << 20
"""Bytes; where a text needs more, PPMd forgets everything and starts again."""


def xz_bits(before: bytes, text: bytes) -> int:
    """Return the bits that ``text`` adds to ``xz -9e`` of what stands before it."""
    with ThreadPoolExecutor(2) as pool:
        alone, together = pool.map(_xz_size, (before, before + text))
    return 8 * (together - alone)


def _xz_size(data: bytes) -> int:
    # a dictionary larger than the data changes nothing but the memory, 11 times as much
    size = min(64 << 20, max(4096, len(data)))
    preset = 9 | lzma.PRESET_EXTREME
    filters = [{"id": lzma.FILTER_LZMA2, "preset": preset, "dict_size": size}]
    return len(lzma.compress(data, filters=filters))


def ppmd_bits(before: bytes, text: bytes) -> int:
    """Return the bits that ``text`` adds to PPMd (variant H) of what stands before it.

    PPMd also learns from ``text`` as it reads it. Raises ImportError without ``pyppmd``.
    """
    written = _finish(_ppmd_after(before), text)
    return 8 * (written - _finish(_ppmd_after(before), b""))


def ppmd_window_bits(before: bytes, windows: Sequence[bytes]) -> list[int] | None:
    """Return the bits of each window after ``before``, where no window helps with another.

    None where the system has no fork: ``before`` would have to be read again for each window.
    Raises ImportError without ``pyppmd``.
    """
    if not hasattr(os, "fork"):
        return None
    encoder = _ppmd_after(before)
    empty, *sizes = (_finish_in_child(encoder, window) for window in (b"", *windows))
    return [8 * (size - empty) for size in sizes]


def _ppmd_after(before: bytes) -> Any:
    """Return an encoder that has read ``before``."""
    import pyppmd

    encoder = pyppmd.Ppmd7Encoder(PPMD_ORDER, PPMD_MEMORY)
    encoder.encode(before)
    return encoder


def _finish(encoder: Any, text: bytes) -> int:
    """Encode ``text`` and return how many bytes that and the end take."""
    return len(encoder.encode(text)) + len(encoder.flush())


def _finish_in_child(encoder: Any, text: bytes) -> int:
    """Do so in a copy of this process, which leaves the encoder here as it was."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # Python warns of locks that other threads may hold; the child takes none
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            os.write(writing, _finish(encoder, text).to_bytes(8, "little"))
        finally:
            os._exit(0)
    os.close(writing)
    try:
        size = os.read(reading, 8)
    finally:
        os.close(reading)
        os.waitpid(child, 0)
    if len(size) != 8:
        raise MemoryError("out of memory")  # what else could end the child
    return int.from_bytes(size, "little")
