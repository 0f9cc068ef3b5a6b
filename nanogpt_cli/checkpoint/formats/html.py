"""One page that holds a model and a decoder in plain JavaScript, for any browser and no network.

``assets/page/`` has the scripts. Matrices are rounded to bytes (``checkpoint.int8``). Every text of
the model is data in the page: it is never taken for markup or for a script.
"""

import base64
import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

import torch
from torch import Tensor

from nanogpt_cli.checkpoint.formats.base import CheckpointFormat, WriteOptions, Written
from nanogpt_cli.checkpoint.formats.hf_tokenizer import byte_pieces
from nanogpt_cli.checkpoint.formats.safetensors_file import without_tied_head
from nanogpt_cli.checkpoint.int8 import is_rounded, to_int8
from nanogpt_cli.checkpoint.schema import Checkpoint
from nanogpt_cli.config import ModelConfig, SampleConfig
from nanogpt_cli.dialogue import ChatFormat, conversation_start, stops, tags_are_special
from nanogpt_cli.errors import UsageError
from nanogpt_cli.files import atomic_write, open_regular
from nanogpt_cli.text import counted, printable
from nanogpt_cli.tokenizer.base import END_OF_TEXT, Tokenizer
from nanogpt_cli.tokenizer.load import from_dict
from nanogpt_cli.tokenizer.patterns import PATTERNS
from nanogpt_cli.version import __version__

MARK = b"<!-- nanogpt: a language model"
SCRIPTS = ("tokenizer.js", "decoder.js", "session.js", "page.js")
LARGEST = 400_000_000
"""Parameters; a longer text is more than browsers hold in one string."""


def recognises(path: Path) -> bool:
    """Whether a file is such a page."""
    if path.suffix.lower() not in (".html", ".htm") or not path.is_file():
        return False
    with open_regular(path) as file:
        return MARK in file.read(200)


def write(checkpoint: Checkpoint, path: Path, options: WriteOptions) -> Written:
    """Write the page. Raises UsageError for a model that the decoder does not know or hold."""
    assert checkpoint.tokenizer is not None
    _check(checkpoint)
    tokenizer = from_dict(checkpoint.tokenizer)
    chat = ChatFormat.from_dict(checkpoint.chat_format) if checkpoint.chat_format else None
    tensors, content = _pack(without_tied_head(checkpoint))
    about = {
        "name": printable(options.name),
        "size": _size(checkpoint),
        "config": _config(checkpoint.config),
        "tokenizer": _tokenizer(tokenizer),
        "tensors": tensors,
        **_dialogue(tokenizer, chat),
        "sampling": _sampling(),
    }
    page = Template(_asset("page.html")).substitute(
        version=__version__,
        css=_asset("page.css"),
        about=_in_script(json.dumps(about)),
        weights=base64.b64encode(content).decode(),
        scripts="\n".join(map(_asset, SCRIPTS)),
    )
    with atomic_write(path) as file:
        file.write(page.encode())
    return Written(
        "any browser",
        ("the page opens from the disk, without a network; its parameters are rounded to 8 bits",),
    )


def _check(checkpoint: Checkpoint) -> None:
    """Raise UsageError for what the page's decoder does not compute."""
    config = checkpoint.config
    known = config.arch in ("gpt2", "modern") and config.pos_embd in ("default", "rope", "relative")
    if not known:
        raise UsageError(
            f"the page does not know --arch {config.arch} with --pos-embd {config.pos_embd}",
            "export with --to safetensors",
        )
    count = sum(tensor.numel() for tensor in checkpoint.model.values())
    if count > LARGEST:
        raise UsageError(
            f"{count / 1e6:,.0f} M parameters are more than a page can hold",
            "export with --to gguf or hf",
        )


def _size(checkpoint: Checkpoint) -> str:
    """Return what is said of a model's size."""
    count = sum(tensor.numel() for tensor in without_tied_head(checkpoint).values())
    return f"{count / 1e6:.1f} M parameters" if count >= 1e5 else counted(count, "parameter")


def _config(config: ModelConfig) -> dict[str, Any]:
    """Return the settings that the decoder asks for."""
    names = ("block_size", "n_layer", "n_head", "n_embd", "vocab_size", "arch", "pos_embd",
             "ngram_rows", "gelu", "norm")  # fmt: skip
    return {name: getattr(config, name) for name in names}


def _pack(tensors: Mapping[str, Tensor]) -> tuple[list[dict[str, Any]], bytes]:
    """Return where each tensor is, and the bytes of all: floats first, so that they are aligned."""
    floats: list[Tensor] = []
    values: list[Tensor] = []
    described: list[dict[str, Any]] = []
    for name, tensor in tensors.items():
        entry: dict[str, Any] = {"name": name, "at": sum(map(len, floats)) * 4}
        entry |= {"rows": len(tensor), "columns": tensor.numel() // len(tensor)}
        if is_rounded(name, tensor):
            matrix, scales = to_int8(tensor)
            entry["scales"] = entry["at"]
            entry["at"] = sum(map(len, values))  # after the floats: see below
            values.append(matrix.flatten())
            floats.append(scales)
        else:
            floats.append(tensor.float().flatten())
        described.append(entry)
    first = torch.cat(floats).numpy().astype("<f4").tobytes()
    for entry in described:
        if "scales" in entry:
            entry["at"] += len(first)
    return described, first + torch.cat(values).numpy().tobytes()


def _tokenizer(tokenizer: Tokenizer) -> dict[str, Any]:
    """Return what the page needs of a tokenizer. Raises UsageError for a kind it does not know."""
    content = tokenizer.to_dict()
    found: dict[str, Any] = {
        "kind": content["kind"],
        "special": dict(tokenizer.special_tokens),
        "size": tokenizer.vocab_size,
    }
    if content["kind"] == "char":
        return found | {"characters": content["characters"]}
    if content["kind"] == "byte":
        return found
    names = {pattern: name for name, pattern in PATTERNS.items() if name != "o200k_base"}
    pattern = names.get(content.get("pattern", PATTERNS["gpt2"]))
    if content["kind"] not in ("gpt2", "bpe") or pattern is None:
        raise UsageError(
            f"the page does not know the tokenizer {tokenizer.name}",
            "train with --tokenizer bpe:N, gpt2, char or byte, or export with --to safetensors",
        )
    tokens = (base64.b64encode(piece).decode() for piece in byte_pieces(tokenizer))
    return found | {"kind": "bpe", "pattern": pattern, "tokens": " ".join(tokens)}


def _dialogue(tokenizer: Tokenizer, chat: ChatFormat | None) -> dict[str, Any]:
    """Return the tags of a conversation, and what ends an answer."""
    ids, strings = stops(tokenizer, chat)
    found: dict[str, Any] = {"chat": None, "stopIds": sorted(ids), "stopStrings": list(strings)}
    if chat is not None:
        special = tags_are_special(tokenizer, chat)
        ends = tokenizer.special_tokens.get(END_OF_TEXT) if chat.turns == "pair" else None
        found["chat"] = {
            "human": chat.human,
            "bot": chat.bot,
            "end": chat.end,
            "tagsAreSpecial": special,
            "before": conversation_start(tokenizer, chat),
            "endOfPair": ends,
        }
    return found


def _sampling() -> dict[str, Any]:
    """Return how the page draws tokens until it is set otherwise."""
    plain = SampleConfig()
    return {
        "temperature": plain.temperature,
        "topK": plain.top_k,
        "topP": plain.top_p,
        "maxTokens": plain.max_tokens,
    }


def _in_script(text: str) -> str:
    """Escape what would end a script, or begin a comment in one."""
    return text.replace("<", "\\u003c").replace(">", "\\u003e")


def _asset(name: str) -> str:
    return resources.files("nanogpt_cli").joinpath(f"assets/page/{name}").read_text("utf-8")


FORMAT = CheckpointFormat(
    "html",
    recognises,
    None,
    write,
    ".html",
    why_not="it is a page of `nanogpt export`, whose parameters were rounded: open it in a browser",
)
