"""Checkpoints: what is in one, how it is written whole, and how it is read safely.

A checkpoint is a dictionary of tensors and plain types in a torch zip file, whose entries carry
CRC-32 checksums. ``read`` checks them and gives any torch file's dictionary, without running code
that may be in it; bringing old ones up to date is the business of ``migrate``.
"""

import io
import os
import re
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from types import NoneType
from typing import IO, Any, cast

import torch
from torch import Tensor

from nanogpt_cli.config import ModelConfig
from nanogpt_cli.errors import CheckpointError, MachineError, NanoGPTError, is_out_of_memory
from nanogpt_cli.files import atomic_write, machine_errors
from nanogpt_cli.plainpickle import ForeignError, Maker, NotPlainError, Vocabulary, load_plain

FORMAT, VERSION = "nanogpt", 2

_NOT_OURS = "name a checkpoint of nanogpt, nanoGPT or the like"
_DAMAGED = "take another checkpoint, or the copy that you made of it"


@dataclass(frozen=True)
class Checkpoint:
    """A model with everything needed to use it; in ``last.pt`` also what is needed to go on."""

    config: ModelConfig
    model: dict[str, Tensor]
    tokenizer: dict[str, Any] | None = None
    """As ``Tokenizer.to_dict`` gave it."""
    chat_format: dict[str, str] | None = None
    """The tags of a dialogue model; None where the model continues text."""
    data: dict[str, Any] = field(default_factory=dict)
    """The dataset's ``folder`` and ``fingerprint``."""
    train_config: dict[str, Any] = field(default_factory=dict)
    step: int = 0
    val_loss: float | None = None
    training: dict[str, Any] | None = None
    """Optimizer, counters and the last losses, in ``last.pt`` and the states kept beside it."""

    def save(self, path: Path, given_up: Callable[[], bool] = lambda: False) -> None:
        """Write the checkpoint whole or not at all, the latter where it is ``given_up`` meanwhile.

        Raises MachineError.
        """
        content = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "config"}
        content |= {"format": FORMAT, "version": VERSION, "model_config": asdict(self.config)}
        try:
            with atomic_write(path, large=True) as file:
                torch.save(content, cast(IO[bytes], _Target(file, given_up)))
        except RuntimeError as error:  # torch's own writer hides what the disk said
            if isinstance(error.__context__, OSError):
                with machine_errors(path):
                    raise error.__context__ from error
            if isinstance(error.__context__, KeyboardInterrupt):
                raise error.__context__ from error
            if is_out_of_memory(error):
                raise
            raise MachineError(f"cannot write {path}: {error}", "free some space") from error


@dataclass
class _Target:
    """A file that refuses to be written further once the save is given up."""

    file: IO[bytes]
    given_up: Callable[[], bool]

    def write(self, data: bytes) -> int:
        if self.given_up():
            raise InterruptedError("given up")
        return self.file.write(data)

    def flush(self) -> None:
        self.file.flush()


_LARGEST = 2**31
"""No model is as large as this in any direction."""

_KINDS: dict[str, tuple[type, ...]] = {
    "model": (dict,),
    "tokenizer": (dict, NoneType),
    "chat_format": (dict, NoneType),
    "data": (dict,),
    "train_config": (dict,),
    "step": (int,),
    "val_loss": (float, int, NoneType),
    "training": (dict, NoneType),
}


def from_content(content: dict[str, Any], path: Path) -> Checkpoint:
    """Give the checkpoint that an up-to-date dictionary describes. Raises CheckpointError."""
    parts = {name: content[name] for name in _KINDS if name in content}
    wrong = [name for name, value in parts.items() if not isinstance(value, _KINDS[name])]
    # nobody may meet, or print, a stranger's lists within lists
    flat = [name for name in ("data", "train_config") if name in parts and name not in wrong]
    wrong += [name for name in flat if not all(map(_is_scalar, parts[name].values()))]
    if "data" in flat and not isinstance(parts["data"].get("folder"), str | NoneType):
        wrong.append("data")
    if wrong:
        raise CheckpointError(f"{path} is damaged: {', '.join(wrong)}", _DAMAGED)
    return Checkpoint(config=_model_config(content.get("model_config"), path), **parts)


def _is_scalar(value: object) -> bool:
    return isinstance(value, str | int | float | NoneType)


def _model_config(settings: object, path: Path) -> ModelConfig:
    """Check the description of a model. Raises CheckpointError."""
    if not isinstance(settings, dict):
        raise CheckpointError(f"{path} lacks the model's configuration", _NOT_OURS)
    defaults = asdict(ModelConfig())
    if unknown := [str(name) for name in settings if name not in defaults]:
        raise CheckpointError(
            f"{path} has settings that this version does not know: {', '.join(unknown)}",
            "update nanogpt",
        )
    for name, value in settings.items():
        # exactly: torch takes no True for a size
        right = type(value) in ((float, int) if name == "dropout" else (type(defaults[name]),))
        if not right or (isinstance(value, int) and abs(value) > _LARGEST):
            shown = repr(value)[:60] if _is_scalar(value) else f"a {type(value).__name__}"
            raise CheckpointError(f"{path} is damaged: its {name} is {shown}", _DAMAGED)
    try:
        return ModelConfig(**settings)
    except NanoGPTError as error:
        raise CheckpointError(f"{path}: {error.message}", error.hint) from error


def read(path: Path) -> dict[str, Any]:
    """Give the dictionary in a torch file of any origin, on the CPU, without running its code.

    Nothing in it takes more memory than the size of the file justifies. Raises CheckpointError for
    what is no checkpoint, is damaged, or would run code.
    """
    try:
        with path.open("rb") as file:
            start = file.read(64)
            if not start.strip(b"\0"):
                raise CheckpointError(f"{path} is empty", _DAMAGED)
            file.seek(0)
            content = (_read_zip if start.startswith(b"PK") else _read_legacy)(file)
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}", "check the path") from error
    except ForeignError as error:
        raise CheckpointError(
            f"{path} holds more than tensors and plain data, and could run code: {error}",
            "have it saved as a plain state dictionary by whoever made it",
        ) from error
    except CheckpointError:
        raise
    except Exception as error:  # the ways in which bytes can fail to be a checkpoint are many
        why = f": {error}" if isinstance(error, _DamagedError) else ""
        raise CheckpointError(f"{path} is damaged or no checkpoint{why}", _DAMAGED) from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} holds no model", _NOT_OURS)
    return content


class _DamagedError(NotPlainError):
    """What is wrong with a torch file, in words for the user."""


class _Tensors:
    """Makes the tensors that a pickle of torch's describes, and no others.

    torch.load(weights_only=True) runs no code either, but a small file can make it hang, take all
    memory, or give tensors that are not what they seem. ``storage`` gives a storage's bytes by its
    key and size; ``size`` is the file's.
    """

    def __init__(self, storage: Callable[[str, int], Tensor], size: int) -> None:
        self.storage = storage
        self.room = 2 * size  # bytes for all tensors together: those of a tied head count twice
        self._known: dict[str, Tensor] = {}

    def vocabulary(self) -> Vocabulary:
        """Give the names in torch's pickles, and what they stand for here."""
        rebuild = Maker(self._tensor)
        return Vocabulary(
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

    def _stored(self, identity: Any) -> Tensor:
        """Give the whole storage of a persistent id as a flat tensor."""
        kind, dtype, key, _, count, *view = identity
        if kind != "storage" or not isinstance(dtype, torch.dtype) or any(view):
            raise _DamagedError("a tensor is stored in a way that nobody knows")
        if type(count) is not int or count < 0 or not isinstance(key, str):
            raise _DamagedError("a tensor is stored nowhere")
        if key not in self._known:
            self._known[key] = self.storage(key, count * dtype.itemsize)
        if len(self._known[key]) != count * dtype.itemsize:
            raise _DamagedError("a tensor is not as large as what is stored of it")
        return self._known[key].view(dtype)

    def _tensor(self, whole: Tensor, offset: int, size: Any, stride: Any, *_: Any) -> Tensor:
        """Give a part of a storage in its shape; torch checks that it lies inside."""
        tensor = whole.as_strided(size, stride, offset)
        self.room -= tensor.numel() * tensor.itemsize
        if self.room < 0:
            raise _DamagedError("its tensors claim more than the file holds")
        return tensor


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
        raise _DamagedError("it was cut off") from error
    with opened as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        pickles = [name for name in entries if re.fullmatch(r"[^/]+/data\.pkl", name)]
        if len(entries) < len(archive.infolist()) or len(pickles) != 1:
            raise _DamagedError("it has not one data.pkl, or two entries of one name")
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries.values()):
            raise _DamagedError("its entries are compressed, which torch never does")
        if sum(entry.file_size for entry in entries.values()) > size:
            raise _DamagedError("its entries claim more than the file holds")
        root = pickles[0].removesuffix("data.pkl")
        if f"{root}byteorder" in entries and archive.read(f"{root}byteorder") != b"little":
            raise _DamagedError("it was written by a big-endian machine")

        def storage(key: str, count: int) -> Tensor:
            entry = entries[f"{root}data/{key}"]
            if entry.file_size != count:
                raise _DamagedError("a tensor is not as large as what is stored of it")
            try:
                return _bytes(archive.read(entry))
            except zipfile.BadZipFile as error:
                raise _DamagedError(f"the checksum of {entry.filename} is wrong") from error

        return load_plain(archive.read(pickles[0]), _Tensors(storage, size).vocabulary())


def _read_legacy(file: IO[bytes]) -> object:
    """Read torch's format before 1.6: pickles one after the other, then the storages, no checksums.

    Raises NotPlainError for what is no such file.
    """
    stream = io.BytesIO(file.read())
    size = stream.getbuffer().nbytes
    storages: dict[str, Tensor] = {}
    left = size

    def storage(key: str, count: int) -> Tensor:
        nonlocal left
        left -= count
        if left < 0:
            raise _DamagedError("its tensors claim more than the file holds")
        storages[key] = torch.zeros(count, dtype=torch.uint8)
        return storages[key]

    magic, _, system = (load_plain(stream) for _ in range(3))
    if magic != 0x1950A86A20F9469CFC6C or system.get("little_endian") is not True:
        raise _DamagedError("it does not begin as torch's files do")
    content = load_plain(stream, _Tensors(storage, size).vocabulary())
    for key in load_plain(stream):
        stream.read(8)  # the count again
        storages[key].copy_(_bytes(stream.read(len(storages[key]))))
    return content


def _bytes(data: bytes) -> Tensor:
    """Give bytes as a tensor that owns them."""
    if not data:
        return torch.empty(0, dtype=torch.uint8)
    return torch.frombuffer(bytearray(data), dtype=torch.uint8)
