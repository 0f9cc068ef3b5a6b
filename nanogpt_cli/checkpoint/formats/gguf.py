"""GGUF, which llama.cpp runs: GPT-2 with learned positions, or with rope as its gptneox.

Names of keys and tensors are those of llama.cpp's gguf-py. It is written, not read.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from nanogpt_cli.checkpoint.formats.base import CheckpointFormat, WriteOptions, Written
from nanogpt_cli.checkpoint.formats.gguf_file import (
    MAGIC,
    DType,
    Number,
    Value,
    quantizable,
    write_gguf,
)
from nanogpt_cli.checkpoint.formats.hf_tokenizer import (
    byte_characters,
    byte_pieces,
    chat_template,
    end_tokens,
    merges,
)
from nanogpt_cli.checkpoint.schema import Checkpoint
from nanogpt_cli.config import ModelConfig
from nanogpt_cli.dialogue import ChatFormat
from nanogpt_cli.errors import UsageError
from nanogpt_cli.files import open_regular
from nanogpt_cli.tokenizer.base import Tokenizer
from nanogpt_cli.tokenizer.load import from_dict
from nanogpt_cli.tokenizer.patterns import PATTERNS

_PARTS = {
    "ln_1": "attn_norm",
    "attn.c_attn": "attn_qkv",
    "attn.c_proj": "attn_output",
    "ln_2": "ffn_norm",
    "mlp.c_fc": "ffn_up",
    "mlp.c_proj": "ffn_down",
}
"""The parts of a layer here, and in the file."""
_PRE = {
    PATTERNS["gpt2"]: "gpt-2",
    PATTERNS["rustbpe"]: "llama-bpe",
    PATTERNS["cl100k_base"]: "llama-bpe",
    PATTERNS["o200k_base"]: "gpt-4o",
}
"""What llama.cpp calls a pattern that cuts text into words."""
_FILE_TYPES = {"f32": 0, "f16": 1, "q8_0": 7}
_NORMAL, _CONTROL, _UNUSED = 1, 3, 5
"""Types of tokens."""


def recognises(path: Path) -> bool:
    """Whether a file begins as GGUF does."""
    if not path.is_file():
        return False
    with open_regular(path) as file:
        return file.read(4) == MAGIC


def write(checkpoint: Checkpoint, path: Path, options: WriteOptions) -> Written:
    """Write a model for llama.cpp. Raises UsageError for one that it does not compute."""
    config = checkpoint.config
    architecture = _architecture(config)
    assert checkpoint.tokenizer is not None
    tokenizer = from_dict(checkpoint.tokenizer)
    chat = ChatFormat.from_dict(checkpoint.chat_format) if checkpoint.chat_format else None
    metadata = {
        **_model(config, architecture, options),
        **_vocabulary(tokenizer, config.vocab_size),
        **_ends(tokenizer, chat),
    }
    dtype = cast(DType, options.dtype)
    write_gguf(path, metadata, {n: (t, _dtype(n, t, dtype)) for n, t in _tensors(checkpoint)})
    notes = []
    if config.gelu == "erf":
        notes.append(
            "llama.cpp computes GELU by tanh, this model by erf: logits differ by about 0.001"
        )
    if chat is None:
        notes.append("it continues text: run it without a chat template (llama-cli -no-cnv)")
    return Written(f"llama.cpp, as {architecture}", tuple(notes))


def _architecture(config: ModelConfig) -> str:
    """Return llama.cpp's name of an architecture. Raises UsageError where it has none."""
    if config.arch == "gpt2" and not (config.absolute_table and config.pos_embd != "default"):
        if config.pos_embd == "default":
            return "gpt2"
        if config.pos_embd == "rope":
            return "gptneox"
    what = f"--arch {config.arch}" if config.arch != "gpt2" else f"--pos-embd {config.pos_embd}"
    raise UsageError(
        f"llama.cpp has no architecture like {what}",
        "train with --arch gpt2 --pos-embd rope, or export with --to html, hf or safetensors",
    )


def _model(config: ModelConfig, architecture: str, options: WriteOptions) -> dict[str, Value]:
    """Return what describes the model."""
    found: dict[str, Value] = {
        "general.architecture": architecture,
        "general.name": options.name,
        "general.quantization_version": Number("u32", 2),
        "general.file_type": Number("u32", _FILE_TYPES[options.dtype]),
    }
    sizes = {
        "context_length": config.block_size,
        "embedding_length": config.n_embd,
        "block_count": config.n_layer,
        "feed_forward_length": 4 * config.n_embd,
        "attention.head_count": config.n_head,
    }
    if architecture == "gptneox":
        sizes["rope.dimension_count"] = config.n_embd // config.n_head
        found["gptneox.use_parallel_residual"] = False
    found |= {f"{architecture}.{key}": Number("u32", size) for key, size in sizes.items()}
    return found | {f"{architecture}.attention.layer_norm_epsilon": Number("f32", 1e-5)}


def _tensors(checkpoint: Checkpoint) -> list[tuple[str, Tensor]]:
    """Return the tensors under the names of the file; biases that the model lacks are 0."""
    model, config = checkpoint.model, checkpoint.config
    wte = model["transformer.wte.weight"]
    found = [("token_embd.weight", wte)]
    if "transformer.wpe.weight" in model:
        found.append(("position_embd.weight", model["transformer.wpe.weight"]))
    for layer in range(config.n_layer):
        for ours, theirs in _PARTS.items():
            name = f"transformer.h.{layer}.{ours}"
            found += _pair(model, name, f"blk.{layer}.{theirs}")
    return [*found, *_pair(model, "transformer.ln_f", "output_norm"), ("output.weight", wte)]


def _pair(model: Mapping[str, Tensor], ours: str, theirs: str) -> list[tuple[str, Tensor]]:
    weight = model[f"{ours}.weight"]
    bias = model.get(f"{ours}.bias", torch.zeros(len(weight)))
    return [(f"{theirs}.weight", weight), (f"{theirs}.bias", bias)]


def _dtype(name: str, tensor: Tensor, wanted: DType) -> DType:
    """Return how a tensor is stored: vectors and positions in full."""
    if tensor.dim() == 1 or name == "position_embd.weight":
        return "f32"
    return "f16" if wanted == "q8_0" and not quantizable(tensor) else wanted


def _vocabulary(tokenizer: Tokenizer, size: int) -> dict[str, Value]:
    """Return the tokens and merges. Raises UsageError for a tokenizer that llama.cpp has not."""
    content = tokenizer.to_dict()
    pieces = byte_pieces(tokenizer)
    lone = content["kind"] != "char" or all(len(piece) == 1 for piece in pieces)
    pre = _PRE.get(content.get("pattern", PATTERNS["gpt2"]))
    if content["kind"] not in ("gpt2", "bpe", "byte", "char") or not lone or pre is None:
        raise UsageError(
            f"llama.cpp has no tokenizer like {tokenizer.name}"
            + (" with characters beyond ASCII" if content["kind"] == "char" else ""),
            "train with --tokenizer bpe:N or gpt2, or export with --to html, hf or safetensors",
        )
    shown = byte_characters()

    def text(piece: bytes) -> str:
        return "".join(shown[byte] for byte in piece)

    tokens = [text(piece) for piece in pieces]
    tokens += [f"[PAD{i}]" for i in range(len(pieces), size)]
    kinds = [_NORMAL] * len(pieces) + [_UNUSED] * (size - len(pieces))
    for tag, i in tokenizer.special_tokens.items():
        tokens[i], kinds[i] = tag, _CONTROL
    pairs = merges(pieces) if content["kind"] in ("gpt2", "bpe") else ()
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": pre,
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": kinds,
        "tokenizer.ggml.merges": [f"{text(a)} {text(b)}" for a, b in pairs],
        "tokenizer.ggml.add_bos_token": False,
    }


def _ends(tokenizer: Tokenizer, chat: ChatFormat | None) -> dict[str, Value]:
    """Return what ends an answer, and how a conversation is written."""
    found: dict[str, Value] = {}
    if ends := end_tokens(tokenizer, chat):
        last = Number("u32", ends[0][1])
        found |= {"tokenizer.ggml.eos_token_id": last, "tokenizer.ggml.bos_token_id": last}
    if chat is not None:
        found["tokenizer.chat_template"] = chat_template(tokenizer, chat)
    return found


FORMAT = CheckpointFormat(
    "gguf",
    recognises,
    None,
    write,
    ".gguf",
    why_not="nanogpt writes GGUF and does not read it: use the checkpoint that it was made of",
)
