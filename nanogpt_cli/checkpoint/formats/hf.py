"""A Hugging Face folder of a GPT-2: config.json and model.safetensors."""

import json
from pathlib import Path
from typing import Any

import torch

from nanogpt_cli.checkpoint.formats.base import CheckpointFormat
from nanogpt_cli.checkpoint.schema import Content
from nanogpt_cli.config import Gelu
from nanogpt_cli.errors import CheckpointError, raise_unrelated
from nanogpt_cli.files import open_regular

_HINT = "name a folder with config.json and model.safetensors of a GPT-2"
_TRANSPOSED = ("attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")
_LARGEST_CONFIG = 1 << 20
"""Bytes; what is beyond is not read."""
_GELUS: dict[str, Gelu] = {"gelu_new": "tanh", "gelu_pytorch_tanh": "tanh", "gelu": "erf"}
_FIXED = {
    "model_type": "gpt2",
    "layer_norm_epsilon": 1e-5,
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
}
"""Settings that relatives of GPT-2 change to something that the model here does not compute."""


def recognises(path: Path) -> bool:
    """Whether a folder holds a config.json."""
    return (path / "config.json").exists()


def read(folder: Path) -> Content:
    """Return ``model`` and ``model_config`` as in a checkpoint.

    Raises CheckpointError where a file is missing or corrupt, or the model is not a GPT-2.
    """
    import safetensors
    import safetensors.torch

    try:
        with open_regular(folder / "config.json") as file:
            settings = json.loads(file.read(_LARGEST_CONFIG))
        with open_regular(folder / "model.safetensors"):  # which may be read by its name, then
            weights = safetensors.torch.load_file(folder / "model.safetensors")
    except (OSError, ValueError, RecursionError, safetensors.SafetensorError) as error:
        raise_unrelated(error)
        raise CheckpointError(f"cannot read a model from {folder}: {error}", _HINT) from error
    if not isinstance(settings, dict) or settings.get("model_type") != "gpt2":
        raise CheckpointError(f"{folder} does not hold a GPT-2", _HINT)
    model = {}
    for name, tensor in weights.items():
        full = name if name.startswith(("transformer.", "lm_head.")) else f"transformer.{name}"
        # OpenAI stored its layers input first; torch's Linear has the output first
        transposed = full.endswith(_TRANSPOSED) and tensor.dim() == 2
        tensor = tensor.t() if transposed else tensor
        # the file is mapped, and may be cut or replaced meanwhile
        model[full] = tensor.clone(memory_format=torch.contiguous_format)
    return {"model": model, "model_config": _config(settings, folder)}


def _config(settings: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return the ``model_config`` of a config.json."""
    for name, value in _FIXED.items():
        if settings.get(name, value) != value:
            raise CheckpointError(f"{folder}: {name} {settings[name]} is not GPT-2's", _HINT)
    gelu = str(settings.get("activation_function", "gelu_new"))
    if gelu not in _GELUS:
        raise CheckpointError(f"{folder}: activation_function {gelu} is not GPT-2's", _HINT)
    names = ("n_positions", "n_layer", "n_head", "n_embd", "vocab_size")
    if missing := [name for name in names if name not in settings]:
        raise CheckpointError(f"{folder / 'config.json'} lacks {', '.join(missing)}", _HINT)
    shape = {name: settings[name] for name in names[1:]}
    return {
        "block_size": settings["n_positions"],
        **shape,
        "bias": True,
        "gelu": _GELUS[gelu],
        "arch": "gpt2",
        "ngram_rows": 0,
        "pos_embd": "default",
    }


FORMAT = CheckpointFormat("hf", recognises, read)
