"""Read GPT-2 weights from a Hugging Face folder: config.json and model.safetensors."""

import json
from pathlib import Path
from typing import Any

from nanogpt_cli import tokenizer
from nanogpt_cli.checkpoint import Checkpoint
from nanogpt_cli.config import Gelu, ModelConfig
from nanogpt_cli.errors import CheckpointError, NanoGPTError

_HINT = "name a folder with config.json and model.safetensors of a GPT-2"
_TRANSPOSED = ("attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")
_GELUS: dict[str, Gelu] = {"gelu_new": "tanh", "gelu_pytorch_tanh": "tanh", "gelu": "erf"}


def load(folder: Path) -> Checkpoint:
    """Give the checkpoint in ``folder``. Raises CheckpointError where it is no GPT-2."""
    import safetensors
    import safetensors.torch

    try:
        settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        weights = safetensors.torch.load_file(folder / "model.safetensors")
    except (OSError, ValueError, safetensors.SafetensorError) as error:
        raise CheckpointError(f"cannot read a model from {folder}: {error}", _HINT) from error
    if not isinstance(settings, dict) or settings.get("model_type") != "gpt2":
        raise CheckpointError(f"{folder} holds no GPT-2", _HINT)
    model = {}
    for name, tensor in weights.items():
        full = name if name.startswith(("transformer.", "lm_head.")) else f"transformer.{name}"
        if full.endswith((".attn.bias", ".attn.masked_bias")):
            continue  # causal masks
        # OpenAI's layers are stored input first; torch's Linear wants output first
        model[full] = tensor.t().contiguous() if full.endswith(_TRANSPOSED) else tensor
    if "transformer.wte.weight" in model:
        model.setdefault("lm_head.weight", model["transformer.wte.weight"])
    config = _config(settings, folder)
    words = tokenizer.default_gpt2() if config.vocab_size >= 50257 else None
    return Checkpoint(config=config, model=model, tokenizer=words.to_dict() if words else None)


def _config(settings: dict[str, Any], folder: Path) -> ModelConfig:
    gelu = settings.get("activation_function", "gelu_new")
    if gelu not in _GELUS:
        raise CheckpointError(f"{folder}: activation {gelu} is not GPT-2's", _HINT)
    try:
        return ModelConfig(
            block_size=settings["n_positions"],
            n_layer=settings["n_layer"],
            n_head=settings["n_head"],
            n_embd=settings["n_embd"],
            vocab_size=settings["vocab_size"],
            bias=True,
            gelu=_GELUS[gelu],
        )
    except (KeyError, TypeError, NanoGPTError) as error:
        raise CheckpointError(f"{folder / 'config.json'} is damaged: {error}", _HINT) from error
