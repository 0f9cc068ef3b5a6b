"""Read GPT-2 weights from a Hugging Face folder: config.json and model.safetensors."""

import json
from pathlib import Path
from typing import Any

from nanogpt_cli.config import Gelu
from nanogpt_cli.errors import CheckpointError

_HINT = "name a folder with config.json and model.safetensors of a GPT-2"
_TRANSPOSED = ("attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")
_GELUS: dict[str, Gelu] = {"gelu_new": "tanh", "gelu_pytorch_tanh": "tanh", "gelu": "erf"}
_FIXED = {
    "model_type": "gpt2",
    "layer_norm_epsilon": 1e-5,
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
}
"""What relatives of GPT-2 set to something that the model here does not compute."""


def read(folder: Path) -> dict[str, Any]:
    """Give ``model`` and ``model_config`` as in a checkpoint. Raises CheckpointError."""
    import safetensors
    import safetensors.torch

    try:
        settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        weights = safetensors.torch.load_file(folder / "model.safetensors")
    except (OSError, ValueError, RecursionError, safetensors.SafetensorError) as error:
        raise CheckpointError(f"cannot read a model from {folder}: {error}", _HINT) from error
    if not isinstance(settings, dict) or settings.get("model_type") != "gpt2":
        raise CheckpointError(f"{folder} holds no GPT-2", _HINT)
    model = {}
    for name, tensor in weights.items():
        full = name if name.startswith(("transformer.", "lm_head.")) else f"transformer.{name}"
        # OpenAI's layers are stored input first; torch's Linear wants output first
        turned = full.endswith(_TRANSPOSED) and tensor.dim() == 2
        model[full] = tensor.t().contiguous() if turned else tensor
    return {"model": model, "model_config": _config(settings, folder)}


def _config(settings: dict[str, Any], folder: Path) -> dict[str, Any]:
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
