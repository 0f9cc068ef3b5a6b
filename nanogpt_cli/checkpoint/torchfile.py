"""Files of ``torch.save``: untrusted ones are read safely, new ones are written whole.

Such a file is a zip of a pickle and the bytes of each tensor; its entries carry CRC-32 checksums,
which ``read`` verifies. ``read`` returns any torch file's dictionary without running code that may
be in it. What the dictionary means is the business of ``schema`` and ``migrations``.
"""

import errno
import io
import os
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import torch
from torch import Tensor

from nanogpt_cli.errors import (
    CheckpointError,
    MachineError,
    UnreadableError,
    is_out_of_memory,
    raise_unrelated,
)
from nanogpt_cli.files import atomic_write, machine_errors, open_regular
from nanogpt_cli.plainpickle import ForeignError, Maker, Names, NotPlainError, load_plain

CORRUPT_HINT = "use another checkpoint, or a backup of this one"


def write(
    path: Path, content: dict[str, Any], cancelled: Callable[[], bool] = lambda: False
) -> None:
    """Write tensors and plain types to ``path``, whole or not at all.

    ``cancelled`` is asked before each part. Raises MachineError once it returns True, and where the
    disk is full or fails; what was at ``path`` is then still there.
    """
    try:
        with atomic_write(path, large=True) as file:
            torch.save(content, cast(IO[bytes], _CancellableFile(file, cancelled)))
    except RuntimeError as error:  # torch's own writer hides what the disk reported
        if isinstance(error.__context__, OSError):
            with machine_errors(path):
                raise error.__context__ from error
        if isinstance(error.__context__, KeyboardInterrupt):
            raise error.__context__ from error
        if is_out_of_memory(error):
            raise
        raise MachineError(f"cannot write {path}: {error}", "free some space") from error


@dataclass
class _CancellableFile:
    """A file that refuses further writes once the save is cancelled."""

    file: IO[bytes]
    cancelled: Callable[[], bool]

    def write(self, data: bytes) -> int:
        if self.cancelled():
            raise InterruptedError("cancelled")
        return self.file.write(data)

    def flush(self) -> None:
        self.file.flush()


def read(path: Path) -> dict[str, Any]:
    """Return the dictionary in a torch file of any origin, on the CPU, without running its code.

    Nothing in it takes more memory than the size of the file justifies, and each tensor is
    contiguous and has memory of its own. Raises CheckpointError for what is not a checkpoint, is
    corrupt, or would run code; UnreadableError where the system refuses to read it.
    """
    try:
        with open_regular(path) as file:
            start = file.read(64)
            if not start.strip(b"\0"):
                raise CheckpointError(f"{path} is empty", CORRUPT_HINT)
            file.seek(0)
            content = (_read_zip if start.startswith(ZIP_MAGIC) else _read_legacy)(file)
    except OSError as error:
        if error.errno != errno.EINVAL or error.filename:  # not an offset that the file states
            raise unreadable(path, error) from error
        raise CheckpointError(f"{path} is corrupt: its offsets are wrong", CORRUPT_HINT) from error
    except ForeignError as error:
        raise CheckpointError(
            f"{path} holds more than tensors and plain data, and could run code: {error}",
            "have it saved as a plain state dictionary by whoever made it",
        ) from error
    except CheckpointError:
        raise
    except Exception as error:  # bytes can fail to be a checkpoint in many ways
        raise_unrelated(error)
        why = f": {error}" if isinstance(error, _CorruptError) else ""
        raise CheckpointError(
            f"{path} is corrupt, or not a checkpoint{why}", CORRUPT_HINT
        ) from error
    if not isinstance(content, dict):
        raise CheckpointError(
            f"{path} holds no model", "name a checkpoint of nanogpt, nanoGPT or the like"
        )
    return content


def unreadable(path: Path, error: OSError) -> UnreadableError:
    """Return the error for a file that the system refuses to read; it may be sound.

    Raises MemoryError where memory ran out.
    """
    raise_unrelated(error)
    return UnreadableError(
        f"cannot read {path}: {error.strerror}", "check the path and its permissions"
    )


ZIP_MAGIC, PICKLE_MAGIC = b"PK", b"\x80"
"""How the files of torch.save begin, since version 1.6 and before."""


class _CorruptError(NotPlainError):
    """What is wrong with a torch file, to be shown to the user."""


@dataclass
class _Storage:
    """The bytes (uint8) that a pickle calls a storage, and whether a tensor owns them already."""

    content: Tensor
    owned: bool = False


@dataclass(frozen=True)
class _TypedStorage:
    """What a persistent id stands for; nothing but ``_Tensors`` can make a tensor of it."""

    storage: _Storage
    dtype: torch.dtype


class _Tensors:
    """Builds the tensors that a pickle of torch describes, and nothing else.

    torch.load(weights_only=True) runs no code either, but a small file can make it hang, take all
    memory, or return tensors that are not what they seem. ``storage`` returns the bytes (uint8) of
    a storage of that key and size; ``size`` is the file's.
    """

    def __init__(self, storage: Callable[[str, int], Tensor], size: int) -> None:
        self.storage = storage
        self.room = 2 * size  # bytes for all tensors together: those of a tied head count twice
        self._known: dict[str, _Storage] = {}

    def names(self) -> Names:
        """Return the names that torch's pickles use, and what they stand for here."""
        rebuild = Maker(self._tensor)
        return Names(
            {
                "collections OrderedDict": Maker(lambda: {}),
                "torch._utils _rebuild_tensor": rebuild,
                "torch._utils _rebuild_tensor_v2": rebuild,
                "torch._utils _rebuild_parameter": Maker(lambda tensor, *_: tensor),
                **{f"torch {name}": dtype for name, dtype in _DTYPES.items()},
                **{f"torch {name}Storage": dtype for name, dtype in _STORAGES.items()},
            },
            self._stored,
        )

    def _stored(self, identity: Any) -> _TypedStorage:
        """Return the whole storage of a persistent id."""
        kind, dtype, key, _, count, *view = identity
        if kind != "storage" or not isinstance(dtype, torch.dtype) or any(view):
            raise _CorruptError("a tensor is stored in an unknown way")
        if type(count) is not int or count < 0 or not isinstance(key, str):
            raise _CorruptError("a tensor has no storage")
        if key not in self._known:
            self._known[key] = _Storage(self.storage(key, count * dtype.itemsize))
        if len(self._known[key].content) != count * dtype.itemsize:
            raise _CorruptError("a tensor is not as large as what is stored of it")
        return _TypedStorage(self._known[key], dtype)

    def _tensor(self, of: _TypedStorage, offset: int, size: Any, stride: Any, *_: Any) -> Tensor:
        """Return what a view of a storage holds, contiguous and in memory of its own.

        The first that covers its storage takes that memory; any other one is a copy, since kernels
        that write to a tensor rely on its elements lying apart. torch checks that the view lies
        inside of the storage.
        """
        whole = of.storage.content.view(of.dtype)
        view = whole.as_strided(size, stride, offset)
        self.room -= view.numel() * view.itemsize
        if self.room < 0:
            raise _CorruptError("its tensors claim more than the file holds")
        if of.storage.owned or view.numel() != len(whole) or not view.is_contiguous():
            return view.clone(memory_format=torch.contiguous_format)
        of.storage.owned = True
        return whole.view(view.shape)


_DTYPES = {
    name: getattr(torch, name)
    for name in (
        "float16", "bfloat16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8",
        "bool",
    )
}  # fmt: skip
_STORAGES = {
    "Half": torch.float16, "BFloat16": torch.bfloat16, "Float": torch.float32,
    "Double": torch.float64, "Char": torch.int8, "Short": torch.int16, "Int": torch.int32,
    "Long": torch.int64, "Byte": torch.uint8, "Bool": torch.bool,
}  # fmt: skip


def _read_zip(file: IO[bytes]) -> object:
    """Read the file that torch.save writes: a zip with a pickle and a file for each storage.

    Each entry's CRC-32 is checked; torch itself would load flipped bits silently.
    """
    size = file.seek(0, os.SEEK_END)
    try:
        opened = zipfile.ZipFile(file)
    except zipfile.BadZipFile as error:
        if isinstance(error.__context__, OSError):  # perhaps the disk's
            raise error.__context__ from error
        raise _CorruptError("it was cut off") from error
    with opened as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        pickles = [name for name in entries if re.fullmatch(r"[^/]+/data\.pkl", name)]
        if len(entries) < len(archive.infolist()) or len(pickles) != 1:
            raise _CorruptError("it has no single data.pkl, or two entries share a name")
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries.values()):
            raise _CorruptError("its entries are compressed, which torch does not do")
        if sum(entry.file_size for entry in entries.values()) > size:
            raise _CorruptError("its entries claim more than the file holds")
        root = pickles[0].removesuffix("data.pkl")
        if f"{root}byteorder" in entries and archive.read(f"{root}byteorder") != b"little":
            raise _CorruptError("it was written by a big-endian machine")

        def storage(key: str, count: int) -> Tensor:
            entry = entries[f"{root}data/{key}"]
            if entry.file_size != count:
                raise _CorruptError("a tensor is not as large as what is stored of it")
            try:
                return _bytes(archive.read(entry))
            except zipfile.BadZipFile as error:
                raise _CorruptError(f"the checksum of {entry.filename} is wrong") from error

        return load_plain(archive.read(pickles[0]), _Tensors(storage, size).names())


def _read_legacy(file: IO[bytes]) -> object:
    """Read torch's format before 1.6: pickles one after the other, then the storages, no checksums.

    Raises NotPlainError for anything else.
    """
    stream = io.BytesIO(file.read())
    size = stream.getbuffer().nbytes
    sizes: dict[str, int] = {}
    left = size

    def measure(key: str, count: int) -> Tensor:
        nonlocal left
        sizes[key] = count
        left -= count
        if left < 0:
            raise _CorruptError("its tensors claim more than the file holds")
        return torch.empty(count, dtype=torch.uint8)

    magic, _, system = (load_plain(stream) for _ in range(3))
    if magic != 0x1950A86A20F9469CFC6C or system.get("little_endian") is not True:
        raise _CorruptError("it does not begin as torch's files do")
    begin = stream.tell()
    load_plain(stream, _Tensors(measure, size).names())  # the storages lie behind their tensors
    storages: dict[str, Tensor] = {}
    for key in load_plain(stream):
        stream.read(8)  # the element count again
        storages[key] = _bytes(stream.read(sizes[key]))
    stream.seek(begin)
    return load_plain(stream, _Tensors(lambda key, _: storages[key], size).names())


def _bytes(data: bytes) -> Tensor:
    """Return bytes as a tensor (uint8) that owns them."""
    if not data:
        return torch.empty(0, dtype=torch.uint8)
    return torch.frombuffer(bytearray(data), dtype=torch.uint8)
