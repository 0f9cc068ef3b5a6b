"""Prepared datasets: train.bin and val.bin as nanoGPT reads them, and batches from them.

``open_dataset`` checks everything that could go wrong later. Batches are a pure function of seed
and step, so that a run can be resumed anywhere and split over any number of processes.

Shape letters: B batch, T tokens (block_size).
"""

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from nanogpt_cli import plainpickle
from nanogpt_cli.dialogue import ChatFormat
from nanogpt_cli.errors import DataError
from nanogpt_cli.runs import COMMITTED, dataset_file
from nanogpt_cli.tokenizer import load as tokenizer

Tokens = npt.NDArray[np.uint16] | npt.NDArray[np.uint32]


@dataclass(frozen=True)
class Dataset:
    """An opened dataset folder; the token arrays are mapped, not read."""

    folder: Path
    train: Tokens
    val: Tokens
    tokenizer: tokenizer.Tokenizer
    chat_format: ChatFormat | None
    vocab_size: int
    fingerprint: str
    """Hash of both files, to tell whether the data has changed."""
    notes: tuple[str, ...] = ()
    """What had to be assumed, for the user to read."""


def open_dataset(folder: Path) -> Dataset:
    """Open and check a dataset folder, ours or nanoGPT's.

    Raises DataError where files are missing, damaged, or do not fit each other.
    """
    if not folder.is_dir():
        raise DataError(f"there is no dataset folder {folder}", "prepare it: nanogpt prepare")
    for _ in range(5):
        before = _version(folder)
        try:
            dataset = _open(folder)
        except DataError:
            if _version(folder) == before:
                raise
        else:
            if _version(folder) == before:  # what is mapped stays as it is, whatever comes
                return dataset
    raise DataError(f"{folder} was replaced while it was being opened", "try again")


def _version(folder: Path) -> tuple[bytes | None, bool]:
    """Tell one dataset from another that ``prepare --force`` puts in its place."""
    return _meta_text(folder), (folder / COMMITTED).is_dir()


def _open(folder: Path) -> Dataset:
    """Open a dataset folder, which may be replaced meanwhile."""
    notes: list[str] = []
    text = _meta_text(folder)
    meta = None if text is None else _parse_meta(text, folder / "meta.json")
    stated: dict[str, dict[str, Any]] = {}
    if meta is not None:
        stated = {split: meta.get(split, {}) for split in ("train", "val")}
        try:
            words = tokenizer.from_dict(meta["tokenizer"])
            chat = ChatFormat.from_dict(meta["chat_format"]) if meta.get("chat_format") else None
        except DataError as error:
            raise DataError(f"{folder / 'meta.json'}: {error.message}", error.hint) from error
        vocab_size, dtype = words.vocab_size, meta.get("dtype", "uint16")
        if dtype not in ("uint16", "uint32"):
            raise DataError(
                f"{folder / 'meta.json'}: its dtype is neither uint16 nor uint32", _again(folder)
            )
    else:
        words, chat, dtype = nanogpt_tokenizer(folder), None, "uint16"
        vocab_size = words.vocab_size if words.name == "char" else 50304
        notes.append(f"{folder} has no meta.json: read as nanoGPT's, tokenizer {words.name}")
    paths = {split: dataset_file(folder, f"{split}.bin") for split in ("train", "val")}
    train, val = (_map_tokens(path, dtype) for path in paths.values())
    for split, tokens in (("train", train), ("val", val)):
        _check_ids(paths[split], tokens, vocab_size)
        count = stated.get(split, {}).get("tokens", len(tokens))
        if count != len(tokens):
            raise DataError(
                f"{paths[split]} holds {len(tokens)} tokens, but meta.json says "
                f"{count}: it was cut or changed",
                _again(folder),
            )
    hashes = hashlib.sha256()
    for split, tokens in (("train", train), ("val", val)):
        claimed = str(stated.get(split, {}).get("sha256"))
        hashes.update(claimed.encode(errors="backslashreplace"))  # a stranger claims anything
        hashes.update(_sample_hash(tokens))  # the file may have changed since meta.json was written
        hashes.update(str(len(tokens)).encode())
    return Dataset(folder, train, val, words, chat, vocab_size, hashes.hexdigest(), tuple(notes))


def _again(folder: Path) -> str:
    """Say how to mend a dataset."""
    return f"prepare it again: nanogpt prepare YOUR.txt --force --out {folder}"


def _meta_text(folder: Path) -> bytes | None:
    """Read meta.json; None where there is none."""
    path = dataset_file(folder, "meta.json")
    if not path.is_file():
        return None
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataError(f"{path} is damaged: {error}", _again(folder)) from error


def _parse_meta(text: bytes, path: Path) -> dict[str, Any]:
    """Give what meta.json says."""
    try:
        meta = json.loads(text.decode())
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is damaged: {error}", _again(path.parent)) from error
    if not isinstance(meta, dict) or not isinstance(meta.get("tokenizer"), dict):
        raise DataError(f"{path} is damaged: it names no tokenizer", _again(path.parent))
    for split in ("train", "val"):
        stated = meta.get(split, {})
        if not isinstance(stated, dict) or not isinstance(stated.get("tokens", 0), int):
            raise DataError(
                f"{path} is damaged: it does not describe {split}.bin", _again(path.parent)
            )
    version = meta.get("version")
    if isinstance(version, int) and version > 1:
        raise DataError(f"{path} was made by a newer nanogpt", "update nanogpt")
    return meta


def nanogpt_tokenizer(folder: Path) -> tokenizer.Tokenizer:
    """Give the tokenizer of a nanoGPT data folder: char where it has a meta.pkl, else gpt2.

    Raises DataError where meta.pkl holds anything but the plain tables that nanoGPT writes.
    """
    path = folder / "meta.pkl"
    if not path.is_file():
        return tokenizer.default_gpt2()
    try:
        meta = plainpickle.load_plain(path.read_bytes())
        itos = meta["itos"]
        characters = "".join(itos[i] for i in range(len(itos)))
        if len(characters) != len(itos):
            raise ValueError("its entries are not single characters")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} cannot be used: {error}", "prepare the data again") from error
    return tokenizer.from_dict({"kind": "char", "characters": characters, "special_tokens": {}})


def _map_tokens(path: Path, dtype: str) -> Tokens:
    """Map a .bin file, after checks of its size."""
    if not path.is_file():
        raise DataError(f"{path} is missing", _again(path.parent))
    size = path.stat().st_size
    width = np.dtype(dtype).itemsize
    if size == 0:
        raise DataError(f"{path} is empty", _again(path.parent))
    if size % width:
        raise DataError(
            f"{path} has {size} bytes, which is no multiple of {width}", _again(path.parent)
        )
    return np.memmap(path, dtype=np.dtype(dtype).newbyteorder("<"), mode="r")


def _check_ids(path: Path, tokens: Tokens, vocab_size: int) -> None:
    """Check that every id is in the vocabulary, a stretch at a time."""
    for start in range(0, len(tokens), 1 << 24):
        top = int(tokens[start : start + (1 << 24)].max())
        if top >= vocab_size:
            raise DataError(
                f"{path} holds token {top}, but the vocabulary ends at {vocab_size - 1}",
                _again(path.parent),
            )


def _sample_hash(tokens: Tokens) -> bytes:
    """Hash 64 stretches spread over a file, which takes no time however large it is."""
    digest = hashlib.sha256()
    for start in np.linspace(0, max(0, len(tokens) - 4096), 64).astype(int):
        digest.update(tokens[start : start + 4096].tobytes())
    return digest.digest()


def windows(tokens: Tokens, starts: npt.NDArray[np.int64], block_size: int) -> torch.Tensor:
    """Cut ids (B, T + 1), int64, out of ``tokens`` at ``starts`` (B,)."""
    return torch.from_numpy(tokens[starts[:, None] + np.arange(block_size + 1)].astype(np.int64))


def training_batch(
    tokens: Tokens, *, seed: int, index: int, batch_size: int, block_size: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Give inputs and targets (B, T) of the micro-batch number ``index``, a pure function."""
    starts = training_starts(
        tokens, seed=seed, index=index, batch_size=batch_size, block_size=block_size
    )
    ids = windows(tokens, starts, block_size)
    return ids[:, :-1], ids[:, 1:]


def training_starts(
    tokens: Tokens, *, seed: int, index: int, batch_size: int, block_size: int
) -> npt.NDArray[np.int64]:
    """Give where the windows of the micro-batch number ``index`` start (B,), a pure function.

    An epoch goes once over all windows of ``block_size`` in a shuffled order; each epoch cuts the
    windows at another place.
    """
    per_epoch = (len(tokens) - 1) // block_size
    if per_epoch < 1:
        raise DataError(
            f"the training text has {len(tokens)} tokens, too few for a block of {block_size}",
            f"use --block-size {max(1, len(tokens) - 1)} or less, or more text",
        )
    numbers = np.arange(index * batch_size, (index + 1) * batch_size)
    starts = np.empty(batch_size, dtype=np.int64)
    for epoch in np.unique(numbers // per_epoch):
        chosen = numbers // per_epoch == epoch
        order, phase = _epoch_order(seed, int(epoch), per_epoch, len(tokens), block_size)
        starts[chosen] = order[numbers[chosen] % per_epoch] * block_size + phase
    return starts


@lru_cache(maxsize=2)
def _epoch_order(
    seed: int, epoch: int, per_epoch: int, length: int, block_size: int
) -> tuple[npt.NDArray[np.int64], int]:
    """Give the shuffled window numbers of an epoch and where its first window starts."""
    rng = np.random.default_rng([seed, epoch])
    room = length - 1 - per_epoch * block_size
    return rng.permutation(per_epoch), int(rng.integers(0, room + 1))


def evaluation_starts(
    tokens: Tokens, block_size: int, limit: int | None = None
) -> npt.NDArray[np.int64]:
    """Give where the adjacent windows of an evaluation start, at most ``limit``, spread evenly.

    Without a limit these are all floor((n - 1) / block_size) windows, in order.
    """
    count = (len(tokens) - 1) // block_size
    if limit is None or limit >= count:
        return np.arange(count, dtype=np.int64) * block_size
    return np.linspace(0, count - 1, limit).astype(np.int64) * block_size
