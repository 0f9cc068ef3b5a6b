"""What a file or folder is: its kind, its sizes, where it comes from, whether it is whole.

Everything is read as untrusted, and nothing is written. This module knows no terminal.
"""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nanogpt_cli.checkpoint.export import parameter_count
from nanogpt_cli.checkpoint.formats import gguf, html
from nanogpt_cli.checkpoint.formats.base import find_format
from nanogpt_cli.checkpoint.formats.gguf_file import read_head
from nanogpt_cli.checkpoint.load import attach_tokenizer, read_content, upgrade
from nanogpt_cli.checkpoint.schema import FORMAT, Checkpoint, Content
from nanogpt_cli.checkpoint.torchfile import unreadable
from nanogpt_cli.data.store import open_dataset
from nanogpt_cli.errors import CheckpointError, DataError, NanoGPTError
from nanogpt_cli.files import open_regular
from nanogpt_cli.logs.curves import summary, to_curve
from nanogpt_cli.logs.load import parse
from nanogpt_cli.runs import BEST, LAST, METRICS, dataset_file, find_checkpoint, step_files
from nanogpt_cli.tokenizer.load import from_dict

_CHUNK = 1 << 20
_LARGEST_LOG = 1 << 30
"""Bytes; what is beyond is not read."""


@dataclass
class Info:
    """What is known of a file or folder; ``facts`` has what applies to its kind."""

    path: Path
    kind: str
    bytes: int = 0
    error: NanoGPTError | None = None
    """Why it is not whole; None where it is."""
    facts: dict[str, Any] = field(default_factory=dict)


def inspect(path: Path) -> Info:
    """Say what a path is. One that is corrupt has ``error`` set to what is wrong.

    Raises DataError for what nothing here reads, and CheckpointError where there is no such file.
    """
    try:
        if not path.exists():
            raise CheckpointError(f"there is no file or folder {path}", "check the path")
        kind, look = _kind(path)
        info = Info(path, kind, _size(path))
        _fill(info, look)
    except OSError as error:
        raise unreadable(path, error) from error
    return info


def _fill(info: Info, look: Callable[[Info], None]) -> None:
    """Add the facts; an error says that something is not whole."""
    try:
        look(info)
    except NanoGPTError as error:
        info.error = error


def _kind(path: Path) -> tuple[str, Callable[[Info], None]]:
    """Return what a path is called, and what finds its facts. Raises DataError for others."""
    if path.is_dir():
        if any((path / name).is_file() for name in (BEST, LAST, METRICS)):
            return "run", _run
        if dataset_file(path, "train.bin").exists():
            ours = dataset_file(path, "meta.json").exists()
            return ("dataset" if ours else "dataset of nanoGPT"), _dataset
        if (path / "config.json").exists():
            return "Hugging Face folder", _checkpoint
        raise DataError(
            f"{path} is neither a run, a dataset nor a model", "name one of these, or a file"
        )
    if path.name in ("train.bin", "val.bin"):
        return "tokens of a dataset", _tokens
    if gguf.recognises(path):
        return "GGUF", _gguf
    if html.recognises(path):
        return "page of nanogpt export", _page
    try:
        name = find_format(path).name
    except CheckpointError:
        return "log", _log
    return {"torch": "checkpoint", "safetensors": "safetensors"}.get(name, name), _checkpoint


def _size(path: Path) -> int:
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return sum(file.stat().st_size for file in files)


def _run(info: Info) -> None:
    """Add the facts of a run's model to use, its states and its log."""
    folder = info.path
    info.facts["files"] = [
        file.name for file in (folder / BEST, folder / LAST, *step_files(folder), folder / METRICS)
        if file.is_file()
    ]  # fmt: skip
    if (folder / METRICS).is_file():
        _fill(info, lambda info: _read_log(info, folder / METRICS))
    _about_checkpoint(info, find_checkpoint(str(folder.resolve())))


def _checkpoint(info: Info) -> None:
    _about_checkpoint(info, info.path)


def _about_checkpoint(info: Info, path: Path) -> None:
    """Add the facts of a checkpoint, all of whose tensors are checked."""
    content = read_content(path)
    origin = _origin(content)
    checkpoint, changes = upgrade(content, path)
    info.facts |= {
        "origin": origin,
        "migrations": [step for step in changes.steps if step != "tie_head"],
        **_model_facts(checkpoint),
    }
    checkpoint = attach_tokenizer(checkpoint, path)
    if checkpoint.tokenizer is not None:
        tokenizer = from_dict(checkpoint.tokenizer)
        info.facts |= {"tokenizer": tokenizer.name, "vocab_size": tokenizer.vocab_size}


def _origin(content: Content) -> str:
    """Return which program a checkpoint comes from."""
    if content.get("format") == FORMAT:
        return "nanogpt"
    return "nanoGPT, or a relative of it" if "model_args" in content else "Hugging Face"


def _model_facts(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return the shape of a model, and what it was trained on and for how long."""
    training = checkpoint.training or {}
    names = ("tokens", "seconds", "best_val_loss")
    return {
        "parameters": parameter_count(checkpoint),
        "model": asdict(checkpoint.config),
        "chat": bool(checkpoint.chat_format),
        "step": checkpoint.step,
        "val_loss": checkpoint.val_loss,
        "data": checkpoint.data,
        "train_config": checkpoint.train_config,
        "resumable": checkpoint.training is not None,
        **{name: training[name] for name in names if name in training},
    }


def _dataset(info: Info) -> None:
    """Add the facts of a dataset, and compare its files with their hashes."""
    folder = info.path
    dataset = open_dataset(folder)
    info.facts |= {
        "tokenizer": dataset.tokenizer.name,
        "vocab_size": dataset.vocab_size,
        "chat": dataset.chat_format is not None,
        "train_tokens": len(dataset.train),
        "val_tokens": len(dataset.val),
        "trained_tokens": dataset.trained_tokens,
    }
    meta = dataset_file(folder, "meta.json")
    if not meta.exists():
        return
    stated = json.loads(meta.read_bytes())
    kept = ("documents", "sources", "seed", "split", "loss_on")
    info.facts |= {name: stated[name] for name in kept if name in stated}
    for split in ("train", "val"):
        expected = stated.get(split, {}).get("sha256")
        if isinstance(expected, str) and _sha256(dataset_file(folder, f"{split}.bin")) != expected:
            raise DataError(
                f"{folder / split}.bin is not what meta.json describes: its hash differs",
                "prepare the data again",
            )


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with open_regular(path) as file:
        while part := file.read(_CHUNK):
            digest.update(part)
    return digest.hexdigest()


def _tokens(info: Info) -> None:
    """Add the facts of the dataset that a file of tokens is part of."""
    folder = Info(info.path.parent, "dataset")
    _dataset(folder)
    info.facts |= folder.facts


def _gguf(info: Info) -> None:
    """Add what the head of a GGUF file says."""
    metadata, shapes = read_head(info.path)
    count = 0
    for shape in shapes.values():
        size = 1
        for length in shape:
            size *= length
        count += size
    plain = {k: v for k, v in metadata.items() if isinstance(v, str | int | float)}
    info.facts |= {
        "parameters": count,
        "tensors": len(shapes),
        "metadata": {k: v for k, v in plain.items() if not isinstance(v, str) or len(v) < 200},
    }


def _page(info: Info) -> None:
    """Add what an exported page says of its model. Raises CheckpointError where it is cut."""
    with open_regular(info.path) as file:
        text = file.read().decode(errors="replace")
    found = re.search(r'id="about">([^<]*)</script>', text)
    try:
        about = json.loads(found[1]) if found else None
    except (ValueError, RecursionError):
        about = None
    if not isinstance(about, dict) or not text.rstrip().endswith("</html>"):
        raise CheckpointError(f"{info.path} is corrupt: the page is cut", "export the model again")
    kept = {"name": "name", "size": "size", "model": "config"}
    info.facts |= {ours: about[theirs] for ours, theirs in kept.items() if theirs in about}


def _log(info: Info) -> None:
    _read_log(info, info.path)


def _read_log(info: Info, path: Path) -> None:
    """Add where the losses of a log stand. Raises DataError where it has none."""
    with open_regular(path) as file:
        log = parse(file.read(_LARGEST_LOG))
    info.facts["log"] = summary([to_curve(path.name, log)])[0]
    runs = [event for event in log.events if event["event"] == "run"]
    ends = [event.get("reason") for event in log.events if event["event"] == "end"]
    info.facts["log"] |= {"starts": len(runs), "reason": ends[-1] if ends else None}
