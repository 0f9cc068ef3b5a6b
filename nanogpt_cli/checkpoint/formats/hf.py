"""Folders of Hugging Face: config.json, model.safetensors, a tokenizer, and what is ours besides.

Models that transformers has a class for are laid out as it expects (``hf_stock``); others bring
``modeling_nanogpt.py`` with them, and keep our names. A folder that was exported here has a
``nanogpt.json``, from which it is read with its tokenizer and its history.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Any

from torch import Tensor

from nanogpt_cli.checkpoint.formats.base import CheckpointFormat, WriteOptions, Written
from nanogpt_cli.checkpoint.formats.description import LARGEST, describe, read_description
from nanogpt_cli.checkpoint.formats.hf_stock import STOCK, NotStockError, Stock
from nanogpt_cli.checkpoint.formats.hf_tokenizer import (
    end_tokens,
    tokenizer_config,
    tokenizer_json,
)
from nanogpt_cli.checkpoint.formats.safetensors_file import (
    load_tensors,
    save_tensors,
    without_tied_head,
)
from nanogpt_cli.checkpoint.schema import Checkpoint, Content
from nanogpt_cli.config import ModelConfig
from nanogpt_cli.dialogue import ChatFormat
from nanogpt_cli.errors import CheckpointError, DataError, UsageError, raise_unrelated
from nanogpt_cli.files import atomic_write, machine_errors, open_regular, sync_folder, unfinished
from nanogpt_cli.tokenizer.load import from_dict

_HINT = "name a folder with config.json and model.safetensors of a GPT-2, GPT-NeoX or Persimmon"
_LARGEST_CONFIG = 1 << 20
"""Bytes; what is beyond is not read."""
_CONFIG, _WEIGHTS, _OURS = "config.json", "model.safetensors", "nanogpt.json"
_MODULE = "modeling_nanogpt.py"
_CUSTOM = "nanogpt"
"""The model_type of folders that bring their own module."""


def recognises(path: Path) -> bool:
    """Whether a folder holds a config.json."""
    return (path / _CONFIG).exists()


def read(folder: Path) -> Content:
    """Return what the folder holds as in a checkpoint.

    Raises CheckpointError where a file is missing or corrupt, or the model is of another kind.
    """
    settings = _json(folder / _CONFIG, folder)
    _kind(settings, folder)
    weights, _ = load_tensors(folder / _WEIGHTS, _HINT)
    return from_folder(folder, weights)


def from_folder(folder: Path, weights: dict[str, Tensor]) -> Content:
    """Return the content of a checkpoint for tensors that the folder's config.json describes."""
    settings = _json(folder / _CONFIG, folder)
    stock = _kind(settings, folder)
    about: Content = {}
    if (folder / _OURS).exists():
        try:
            with open_regular(folder / _OURS) as file:
                about = read_description(file.read(LARGEST), folder / _OURS)
        except OSError as error:
            raise CheckpointError(f"cannot read {folder / _OURS}: {error}", _HINT) from error
    if stock is None:
        names = [name for name in asdict(ModelConfig()) if name in settings]
        return about | {
            "model": weights, "model_config": {name: settings[name] for name in names}
        }  # fmt: skip
    try:
        config = stock.model_config(settings)
        model = stock.model(weights, config["n_head"])
    except NotStockError as error:
        raise CheckpointError(f"{folder}: {error}", _HINT) from error
    ours = about.pop("model_config", {})
    inert = ("dropout", "gelu") if stock.model_type == "persimmon" else ("dropout",)
    config |= {name: ours[name] for name in inert if name in ours}
    if ours.get("bias") is False:  # transformers has no such models, and ours were written with 0
        biases = [name for name in model if name.endswith(".bias")]
        if not any(model[name].any() for name in biases):
            model = {name: tensor for name, tensor in model.items() if name not in biases}
            config["bias"] = False
    if stock.model_type != "gpt2" and "tokenizer" not in about:
        about["tokenizer"] = _foreign_tokenizer(folder)
    return about | {"model": model, "model_config": config}


def _json(path: Path, folder: Path) -> dict[str, Any]:
    """Return the object in a small file. Raises CheckpointError."""
    try:
        with open_regular(path) as file:
            found = json.loads(file.read(_LARGEST_CONFIG))
    except (OSError, ValueError, RecursionError) as error:
        raise_unrelated(error)
        raise CheckpointError(f"cannot read a model from {folder}: {error}", _HINT) from error
    if not isinstance(found, dict):
        raise CheckpointError(f"{path} does not describe a model", _HINT)
    return found


def _kind(settings: Mapping[str, Any], folder: Path) -> Stock | None:
    """Return the class of a folder; None where it is our own. Raises CheckpointError."""
    name = settings.get("model_type")
    if name == _CUSTOM:
        return None
    for stock in STOCK:
        if stock.model_type == name:
            return stock
    shown = f", but {name[:40]}" if isinstance(name, str) else ""
    raise CheckpointError(f"{folder} does not hold a GPT-2, GPT-NeoX or Persimmon{shown}", _HINT)


def _foreign_tokenizer(folder: Path) -> dict[str, Any]:
    """Return the tokenizer of a folder that was not exported here. Raises CheckpointError."""
    from nanogpt_cli.tokenizer.huggingface import read_tokenizer_json

    path = folder / "tokenizer.json"
    try:
        with open_regular(path) as file:
            content = json.loads(file.read(LARGEST))
        if not isinstance(content, dict):
            raise ValueError("tokenizer.json is not an object")
        return read_tokenizer_json(content, folder.resolve().name).to_dict()
    except (OSError, ValueError, RecursionError, DataError) as error:
        raise_unrelated(error)
        why = error.message if isinstance(error, DataError) else error
        raise CheckpointError(
            f"{folder}: its tokenizer cannot be used here: {why}",
            "models with byte pair encoding as in GPT-2 can be read, with their tokenizer.json",
        ) from error


def write(checkpoint: Checkpoint, folder: Path, options: WriteOptions) -> Written:
    """Write a folder that transformers loads, whole or file by file over an older export.

    Raises UsageError where it would need a module of its own and that is not wanted.
    """
    stock = next((s for s in STOCK if s.fits(checkpoint.config)), None)
    notes: tuple[str, ...] = ()
    if stock is None:
        reason = _why_custom(checkpoint.config)
        if not options.custom_code:
            raise UsageError(
                f"transformers has no class for {reason}",
                "leave --no-custom-code out, or train one that it has: --arch gpt2, or "
                "--ngram-rows 0 with --pos-embd rope",
            )
        notes = (
            f"transformers has no class for {reason}: the folder brings {_MODULE}, "
            "and loads with trust_remote_code=True",
        )
    if folder.exists():
        _write_files(checkpoint, folder, stock)
        if stock is not None:
            with machine_errors(folder):
                (folder / _MODULE).unlink(missing_ok=True)
    else:
        with machine_errors(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            with unfinished(folder) as temporary:
                temporary.mkdir()
                _write_files(checkpoint, temporary, stock)
                temporary.rename(folder)
            sync_folder(folder.parent)
    return Written(stock.class_name if stock else "NanoGPTForCausalLM", notes)


def _why_custom(config: ModelConfig) -> str:
    """Return what of a model no class of transformers computes."""
    if config.arch == "modern" and config.ngram_rows:
        return "n-gram embeddings"
    if config.pos_embd == "relative":
        return "relative positions"
    if config.norm == "rms":
        return "its RMSNorm without gains"
    return f"the arrangement {config.arch} with --pos-embd {config.pos_embd}"


def _write_files(checkpoint: Checkpoint, folder: Path, stock: Stock | None) -> None:
    """Write the files, the one by which a folder is recognised last."""
    assert checkpoint.tokenizer is not None
    tokenizer = from_dict(checkpoint.tokenizer)
    chat = ChatFormat.from_dict(checkpoint.chat_format) if checkpoint.chat_format else None
    ends = [i for _, i in end_tokens(tokenizer, chat)]
    config = stock.config(checkpoint.config) if stock else _custom_config(checkpoint.config)
    ids: dict[str, Any] = {"bos_token_id": None, "eos_token_id": ends[0] if ends else None}
    tensors = stock.tensors(checkpoint) if stock else without_tied_head(checkpoint)
    save_tensors(folder / _WEIGHTS, tensors, {"format": "pt"})
    block = checkpoint.config.block_size
    texts = {
        "tokenizer.json": _dump(tokenizer_json(tokenizer)),
        "tokenizer_config.json": _dump(tokenizer_config(tokenizer, chat, block)),
        "generation_config.json": _dump(ids | {"eos_token_id": ends or None}),
        _OURS: describe(checkpoint),
        _CONFIG: _dump(config | ids),
    }
    if stock is None:
        source = resources.files("nanogpt_cli").joinpath(f"assets/{_MODULE}")
        with source.open("rb") as module, atomic_write(folder / _MODULE) as target:
            shutil.copyfileobj(module, target)
    for name, text in texts.items():
        with atomic_write(folder / name) as file:
            file.write(text.encode())


def _custom_config(config: ModelConfig) -> dict[str, Any]:
    """Return the config.json of a model that brings its own module."""
    home = _MODULE.removesuffix(".py")
    return {
        "architectures": ["NanoGPTForCausalLM"],
        "model_type": _CUSTOM,
        "auto_map": {
            "AutoConfig": f"{home}.NanoGPTConfig",
            "AutoModelForCausalLM": f"{home}.NanoGPTForCausalLM",
        },
        **asdict(config),
        "tie_word_embeddings": config.arch == "gpt2",
        "torch_dtype": "float32",
        "use_cache": False,
    }


def _dump(content: Mapping[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False, indent=1)


FORMAT = CheckpointFormat("hf", recognises, read, write, "-hf", is_folder=True)
