"""Prepared datasets: train.bin and val.bin as nanoGPT reads them, and what meta.json says of them.

``open_dataset`` checks everything that could go wrong later. This module knows neither how
datasets are made nor which of their tokens a step sees.
"""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from nanogpt_cli import plainpickle
from nanogpt_cli.config import LossOn
from nanogpt_cli.data.checked import Checked
from nanogpt_cli.data.mask import LossMask, mask_bytes
from nanogpt_cli.data.shards import ShardedTokens
from nanogpt_cli.dialogue import ChatFormat
from nanogpt_cli.errors import DataError
from nanogpt_cli.files import open_regular
from nanogpt_cli.runs import dataset_file, has_committed, shard_name
from nanogpt_cli.text import shell_word
from nanogpt_cli.tokenizer.load import Tokenizer, default_gpt2, from_dict

_MOST_SHARDS = 10_000

Tokens = npt.NDArray[np.uint16] | npt.NDArray[np.uint32]


@dataclass(frozen=True)
class Dataset:
    """An opened dataset folder; the token arrays are mapped, not read."""

    folder: Path
    train: Tokens
    val: Tokens
    tokenizer: Tokenizer
    chat_format: ChatFormat | None
    vocab_size: int
    fingerprint: str
    """Hash of both files, by which changed data is recognised."""
    notes: tuple[str, ...] = ()
    """What had to be assumed, for the user to read."""
    train_mask: LossMask | None = None
    """Which of the training tokens the loss counts; None where it counts all."""
    val_mask: LossMask | None = None

    @property
    def trained_tokens(self) -> int:
        """How many of the training tokens the loss counts."""
        return len(self.train) if self.train_mask is None else self.train_mask.count()


def open_dataset(folder: Path, loss_on: LossOn = "auto") -> Dataset:
    """Open and check a dataset folder, ours or nanoGPT's.

    ``loss_on`` says what the loss counts, instead of what was prepared. Raises DataError where
    files are missing, corrupt, or do not fit each other.
    """
    if not folder.is_dir():
        raise DataError(f"there is no dataset folder {folder}", "prepare it: nanogpt prepare")
    for _ in range(5):
        before = _version(folder)
        try:
            dataset = _open(folder, loss_on)
        except DataError:
            if _version(folder) == before:
                raise
        else:
            if _version(folder) == before:  # what is mapped stays as it is, whatever comes
                return dataset
    raise DataError(f"{folder} was replaced while it was being opened", "try again")


def _version(folder: Path) -> tuple[bytes | None, bool]:
    """Return what distinguishes a dataset from one that ``prepare --force`` puts in its place."""
    return _meta_text(folder), has_committed(folder)


@dataclass(frozen=True)
class _Meta:
    """What is known of a dataset's files beside their content."""

    tokenizer: Tokenizer
    chat_format: ChatFormat | None
    vocab_size: int
    dtype: str
    stated: dict[str, dict[str, Any]]
    """What meta.json says of each split."""
    loss_on: str = "all"
    """What the loss counts: replies or all."""
    notes: tuple[str, ...] = ()


def _open(folder: Path, asked: LossOn) -> Dataset:
    """Open a dataset folder, which may be replaced meanwhile."""
    text = _meta_text(folder)
    if text is None:
        meta = _nanogpt_meta(folder)
    else:
        meta = _own_meta(_parse_meta(text, folder / "meta.json"), folder)
    mapped = {split: _map_shards(folder, split, meta) for split in ("train", "val")}
    hashes, checked = hashlib.sha256(), Checked(folder)
    splits: dict[str, Tokens] = {}
    masks: dict[str, LossMask] = {}
    for split, shards in mapped.items():
        stated = meta.stated.get(split, {})
        for path, shard in shards.items():
            _check_tokens(path, shard, meta, checked)
        tokens = splits[split] = _as_one(shards, stated)
        _check_count(dataset_file(folder, f"{split}.bin"), tokens, stated)
        claimed = str(stated.get("sha256"))
        hashes.update(claimed.encode(errors="backslashreplace"))  # meta.json is untrusted
        hashes.update(_sample_hash(tokens))  # the file may have changed since meta.json was written
        hashes.update(str(len(tokens)).encode())
        wanted = (meta.loss_on if asked == "auto" else asked) == "replies"
        if wanted or meta.loss_on == "replies":
            if wanted and "reply_tokens" not in stated:
                raise DataError(
                    f"{folder} holds no dialogues: --loss-on replies cannot be", "leave it out"
                )
            path = dataset_file(folder, f"{split}.mask")
            bits = _map_mask(path, len(tokens))
            mask = LossMask(bits, len(tokens))
            _check_mask(path, mask, stated)
            if wanted:
                masks[split] = mask
            if meta.loss_on == "replies":
                hashes.update(_sample_hash(bits))
    checked.save()
    return Dataset(
        folder,
        splits["train"],
        splits["val"],
        meta.tokenizer,
        meta.chat_format,
        meta.vocab_size,
        hashes.hexdigest(),
        meta.notes,
        masks.get("train"),
        masks.get("val"),
    )


def _own_meta(meta: dict[str, Any], folder: Path) -> _Meta:
    """Return what a parsed meta.json says. Raises DataError where it cannot be used."""
    path = folder / "meta.json"
    try:
        tokenizer = from_dict(meta["tokenizer"])
        chat = ChatFormat.from_dict(meta["chat_format"]) if meta.get("chat_format") else None
    except DataError as error:
        raise DataError(f"{path}: {error.message}", error.hint) from error
    dtype = meta.get("dtype", "uint16")
    if dtype not in ("uint16", "uint32"):
        raise DataError(f"{path}: its dtype is neither uint16 nor uint32", _again(folder))
    loss_on = meta.get("loss_on", "all")
    if loss_on not in ("all", "replies"):
        raise DataError(f"{path}: its loss_on is neither all nor replies", _again(folder))
    stated = {split: meta.get(split, {}) for split in ("train", "val")}
    return _Meta(tokenizer, chat, tokenizer.vocab_size, dtype, stated, loss_on)


def _nanogpt_meta(folder: Path) -> _Meta:
    """Return what is true of a folder that nanoGPT's scripts wrote."""
    tokenizer = nanogpt_tokenizer(folder)
    vocab_size = tokenizer.vocab_size if tokenizer.name == "char" else 50304
    note = f"{folder} has no meta.json: read as nanoGPT's, tokenizer {tokenizer.name}"
    return _Meta(tokenizer, None, vocab_size, "uint16", {}, notes=(note,))


def _again(folder: Path) -> str:
    """Return the hint to prepare a dataset again."""
    return f"prepare it again: nanogpt prepare YOUR.txt --force --out {shell_word(folder)}"


def _meta_text(folder: Path) -> bytes | None:
    """Read meta.json; None where there is none."""
    return _read(dataset_file(folder, "meta.json"))


def _read(path: Path) -> bytes | None:
    """Read a file that describes a dataset; None where there is none."""
    try:
        with open_regular(path) as file:
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> DataError:
    return DataError(
        f"cannot read {path}: {error.strerror}", "check the file, its disk and its permissions"
    )


def _parse_meta(text: bytes, path: Path) -> dict[str, Any]:
    """Parse meta.json. Raises DataError where it is not one."""
    try:
        meta = json.loads(text.decode())
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is corrupt: {error}", _again(path.parent)) from error
    if not isinstance(meta, dict) or not isinstance(meta.get("tokenizer"), dict):
        raise DataError(f"{path} is corrupt: it names no tokenizer", _again(path.parent))
    for split in ("train", "val"):
        stated = meta.get(split, {})
        if not isinstance(stated, dict) or not isinstance(stated.get("tokens", 0), int):
            raise DataError(
                f"{path} is corrupt: it does not describe {split}.bin", _again(path.parent)
            )
    version = meta.get("version")
    if isinstance(version, int) and version > 1:
        raise DataError(f"{path} was made by a newer nanogpt", "update nanogpt")
    return meta


def nanogpt_tokenizer(folder: Path) -> Tokenizer:
    """Return the tokenizer of a nanoGPT data folder: char where it has a meta.pkl, else gpt2.

    Raises DataError where meta.pkl holds anything but the plain tables that nanoGPT writes.
    """
    path = folder / "meta.pkl"
    content = _read(path)
    if content is None:
        return default_gpt2()
    try:
        meta = plainpickle.load_plain(content)
        itos = meta["itos"]
        characters = "".join(itos[i] for i in range(len(itos)))
        if len(characters) != len(itos):
            raise ValueError("its entries are not single characters")
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} cannot be used: {error}", "prepare the data again") from error
    return from_dict({"kind": "char", "characters": characters, "special_tokens": {}})


def _size_of(path: Path) -> int:
    """Return the bytes of a file that must be there. Raises DataError where there are none."""
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing", _again(path.parent)) from error
    except OSError as error:
        raise _unreadable(path, error) from error
    if size == 0:
        raise DataError(f"{path} is empty", _again(path.parent))
    return size


def _map_mask(path: Path, tokens: int) -> npt.NDArray[np.uint8]:
    """Map a .mask file, after checking its size."""
    size, expected = _size_of(path), mask_bytes(tokens)
    if size != expected:
        raise DataError(
            f"{path} has {size} bytes, but the mask of {tokens} tokens has {expected}",
            _again(path.parent),
        )
    return np.memmap(path, dtype=np.uint8, mode="r")


def _check_mask(path: Path, mask: LossMask, stated: dict[str, Any]) -> None:
    """Check that a mask counts as many tokens as meta.json says, and at least one."""
    count = mask.count() if mask.ends_in_zeros() else -1
    if count != stated.get("reply_tokens", count) or count < 0:
        raise DataError(
            f"{path} is not the mask that meta.json describes: it was changed", _again(path.parent)
        )
    if not count:
        raise DataError(f"{path} counts no token: there is nothing to learn", _again(path.parent))


def _shard_paths(folder: Path, split: str, stated: dict[str, Any]) -> list[Path]:
    """Return the files of a split. Raises DataError where meta.json does not list sizes."""
    sizes = stated.get("shards", [0])
    listed = isinstance(sizes, list) and all(type(size) is int and size >= 0 for size in sizes)
    if not listed or not sizes or len(sizes) > _MOST_SHARDS:
        raise DataError(
            f"{folder / 'meta.json'} is corrupt: it does not list the files of {split}",
            _again(folder),
        )
    return [dataset_file(folder, shard_name(split, number)) for number in range(len(sizes))]


def _map_shards(folder: Path, split: str, meta: _Meta) -> dict[Path, Tokens]:
    """Map the files of a split, once: what is checked is what is used."""
    paths = _shard_paths(folder, split, meta.stated.get(split, {}))
    return {path: _map_tokens(path, meta.dtype) for path in paths}


def _as_one(shards: dict[Path, Tokens], stated: dict[str, Any]) -> Tokens:
    """Return the tokens of a split. Raises DataError where a file is not as large as stated."""
    files = list(shards)
    if len(files) == 1:
        return shards[files[0]]
    for (path, shard), size in zip(shards.items(), stated["shards"], strict=True):
        _check_count(path, shard, {"tokens": size})
    if len({len(shards[path]) for path in files[:-1]}) > 1:
        raise DataError(f"{files[0]} and those after it differ in size", _again(files[0].parent))
    return cast(Tokens, ShardedTokens([*shards.values()]))


def _map_tokens(path: Path, dtype: str) -> Tokens:
    """Map a .bin file, after checking its size."""
    size = _size_of(path)
    width = np.dtype(dtype).itemsize
    if size % width:
        raise DataError(
            f"{path} has {size} bytes, which is not a multiple of {width}", _again(path.parent)
        )
    return np.memmap(path, dtype=np.dtype(dtype).newbyteorder("<"), mode="r")


def _check_tokens(path: Path, tokens: Tokens, meta: _Meta, checked: Checked) -> None:
    """Check that every id is in the vocabulary, once for each state of a large file."""
    stamp = checked.stamp(path, f"{tokens.dtype} below {meta.vocab_size}")
    if checked.holds(path, stamp):
        return
    for start in range(0, len(tokens), 1 << 24):
        top = int(tokens[start : start + (1 << 24)].max())
        if top >= meta.vocab_size:
            raise DataError(
                f"{path} holds token {top}, but the vocabulary ends at {meta.vocab_size - 1}",
                _again(path.parent),
            )
    checked.add(path, stamp)


def _check_count(path: Path, tokens: Tokens, stated: dict[str, Any]) -> None:
    """Check that there are as many tokens as meta.json says."""
    count = stated.get("tokens", len(tokens))
    if count != len(tokens):
        raise DataError(
            f"{path} holds {len(tokens)} tokens, but meta.json says {count}: it was cut or changed",
            _again(path.parent),
        )


def _sample_hash(tokens: Tokens | npt.NDArray[np.uint8]) -> bytes:
    """Hash 64 stretches spread over a file, which is fast however large it is."""
    digest = hashlib.sha256()
    for start in np.linspace(0, max(0, len(tokens) - 4096), 64).astype(int):
        digest.update(tokens[start : start + 4096].tobytes())
    return digest.digest()
