"""The container GGUF, version 3: written whole, and its head read from an untrusted file.

Specification: ggml, docs/gguf.md. Nothing here knows a model.

Shape letters: R rows, C columns.
"""

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import torch
from torch import Tensor

from nanogpt_cli.errors import CheckpointError
from nanogpt_cli.files import atomic_write, open_regular

DType = Literal["f32", "f16", "q8_0"]
MAGIC = b"GGUF"
_VERSION, _ALIGNMENT = 3, 32
_BLOCK = 32
"""Numbers that share a scale in q8_0."""
TYPES: Mapping[str, int] = {"f32": 0, "f16": 1, "q8_0": 8}
"""What the file calls the types of tensors."""
_NUMBERS = dict(zip((0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12), "BbHhIif?Qqd", strict=True))
"""The types of numbers, and how struct calls them."""
_STRING, _ARRAY = 8, 9
_MOST_KEYS, _MOST_TENSORS, _LONGEST_NAME = 4096, 1 << 20, 1 << 16
_SHOWN = 64
"""Elements of an array that are kept when a head is read; the others are skipped."""


class Number:
    """A number with the type that the file gives it: u32, i32 or f32."""

    def __init__(self, kind: Literal["u32", "i32", "f32"], value: float) -> None:
        self.code = {"u32": 4, "i32": 5, "f32": 6}[kind]
        self.value = value


Value = Number | str | bool | Sequence[str] | Sequence[int]
"""What a key has; a sequence of int is one of i32."""


def write_gguf(
    path: Path, metadata: Mapping[str, Value], tensors: Mapping[str, tuple[Tensor, DType]]
) -> None:
    """Write a file whole or not at all; tensors in their order. Raises MachineError."""
    head = [MAGIC, struct.pack("<IQQ", _VERSION, len(tensors), len(metadata))]
    head += [_string(key) + _value(value) for key, value in metadata.items()]
    offset = 0
    for name, (tensor, dtype) in tensors.items():
        shape = tuple(reversed(tensor.shape))
        head.append(
            _string(name)
            + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, TYPES[dtype], offset)
        )
        offset += _padded(stored_size(tensor, dtype))
    begun = b"".join(head)
    with atomic_write(path, large=True) as file:
        file.write(begun.ljust(_padded(len(begun)), b"\0"))
        for tensor, dtype in tensors.values():
            data = encode(tensor, dtype)
            file.write(data.ljust(_padded(len(data)), b"\0"))


def stored_size(tensor: Tensor, dtype: DType) -> int:
    """Return the bytes of a tensor in the file."""
    if dtype == "q8_0":
        return tensor.numel() // _BLOCK * (_BLOCK + 2)
    return tensor.numel() * (2 if dtype == "f16" else 4)


def encode(tensor: Tensor, dtype: DType) -> bytes:
    """Return the bytes of a tensor (R, C); with q8_0, C is a multiple of 32.

    Each 32 numbers of q8_0 are a half-precision scale and 32 bytes.
    """
    numbers = tensor.float().contiguous()
    if dtype != "q8_0":
        return bytes(numbers.numpy().astype("<f4" if dtype == "f32" else "<f2").tobytes())
    blocks = numbers.view(-1, _BLOCK)
    scales = blocks.abs().amax(1, keepdim=True) / 127
    values = (blocks / torch.where(scales == 0, 1.0, scales)).round().to(torch.int8)
    packed = np.empty((len(blocks), _BLOCK + 2), np.uint8)
    packed[:, :2] = scales.numpy().astype("<f2").view(np.uint8)
    packed[:, 2:] = values.numpy().view(np.uint8)
    return packed.tobytes()


def quantizable(tensor: Tensor) -> bool:
    """Whether rows of a tensor are whole blocks of q8_0."""
    return tensor.dim() == 2 and tensor.size(1) % _BLOCK == 0


def _padded(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _value(value: Value) -> bytes:
    if isinstance(value, Number):
        return struct.pack(f"<I{_NUMBERS[value.code]}", value.code, value.value)
    if isinstance(value, bool):
        return struct.pack("<I?", 7, value)
    if isinstance(value, str):
        return struct.pack("<I", _STRING) + _string(value)
    if value and isinstance(value[0], int):
        return struct.pack(f"<IIQ{len(value)}i", _ARRAY, 5, len(value), *value)
    texts = b"".join(_string(str(text)) for text in value)
    return struct.pack("<IIQ", _ARRAY, _STRING, len(value)) + texts


# --- reading --------------------------------------------------------------------------------------


def read_head(path: Path) -> tuple[dict[str, Any], dict[str, tuple[int, ...]]]:
    """Return the metadata and the shapes of the tensors of an untrusted file.

    Of an array only its length and its first elements are kept, as a list. Raises CheckpointError
    where the file is corrupt, OSError where it cannot be read.
    """
    with open_regular(path) as file:
        size = file.seek(0, 2)
        file.seek(0)
        try:
            return _Head(file, size).read()
        except (struct.error, UnicodeDecodeError, ValueError) as error:
            raise CheckpointError(
                f"{path} is corrupt, or not a GGUF file: {error}", "use another copy"
            ) from error


class _Head:
    """Reads the head of a file; nothing that it claims takes more than the file has."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self.file, self.size = file, size

    def read(self) -> tuple[dict[str, Any], dict[str, tuple[int, ...]]]:
        if self.file.read(4) != MAGIC:
            raise ValueError("it does not begin as one")
        version, tensors, keys = self._unpack("IQQ")
        if version not in (2, 3):
            raise ValueError(f"version {version} is not known")
        if keys > _MOST_KEYS or tensors > _MOST_TENSORS:
            raise ValueError("it claims too many entries")
        metadata = {}
        for _ in range(keys):
            name = self._text(_LONGEST_NAME)
            [kind] = self._unpack("I")
            metadata[name] = self._read_value(kind)
        shapes = {}
        for _ in range(tensors):
            name = self._text(_LONGEST_NAME)
            [dims] = self._unpack("I")
            if dims > 4:
                raise ValueError(f"a tensor has {dims} dimensions")
            *shape, _, offset = self._unpack(f"{dims}QIQ")
            if offset > self.size:
                raise ValueError("a tensor lies beyond its end")
            shapes[name] = tuple(reversed(shape))
        return metadata, shapes

    def _unpack(self, layout: str) -> tuple[Any, ...]:
        return struct.unpack(f"<{layout}", self.file.read(struct.calcsize(f"<{layout}")))

    def _text(self, longest: int) -> str:
        [length] = self._unpack("Q")
        if length > min(longest, self.size):
            raise ValueError("a text is longer than the file")
        data = self.file.read(length)
        if len(data) < length:
            raise ValueError("it ends early")
        return data.decode()

    def _read_value(self, kind: int) -> Any:
        if kind == _STRING:
            return self._text(self.size)
        if kind != _ARRAY:
            if kind not in _NUMBERS:
                raise ValueError(f"a value of the unknown type {kind}")
            return self._unpack(_NUMBERS[kind])[0]
        inner, count = self._unpack("IQ")
        if count > self.size or inner == _ARRAY:
            raise ValueError("an array is longer than the file")
        kept = [self._read_value(inner) for _ in range(min(count, _SHOWN))]
        if inner == _STRING:
            for _ in range(count - len(kept)):
                self._text(self.size)
        else:
            self.file.seek((count - len(kept)) * struct.calcsize(_NUMBERS[inner]), 1)
        return kept
