"""The changes of format since nanoGPT, as an ordered list of small named steps.

Each step of ``MIGRATIONS`` recognises what it is for and returns everything else as it was. A
change of our own format is one more step at its end. This module knows dictionaries alone: what a
checkpoint must hold in the end is checked by ``schema`` and ``weights``.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import torch

from nanogpt_cli.checkpoint.schema import FORMAT, HEAD, RELATIVE, VERSION, WPE, WTE, Content
from nanogpt_cli.checkpoint.torchfile import CORRUPT_HINT
from nanogpt_cli.config import NANOGPT_DEFAULTS, ModelConfig, TrainConfig
from nanogpt_cli.dialogue import ChatFormat
from nanogpt_cli.errors import CheckpointError, raise_unrelated

Kind = Literal["renamed", "added", "dropped"]


@dataclass(frozen=True)
class Change:
    """What happened to one entry of a checkpoint."""

    kind: Kind
    name: str
    detail: str


@dataclass
class Changes:
    """Everything that migrations did to a checkpoint."""

    steps: list[str] = field(default_factory=list)
    """Names of the migrations that applied."""
    entries: list[Change] = field(default_factory=list)

    def add(self, kind: Kind, name: str, detail: str) -> None:
        """Record one change."""
        self.entries.append(Change(kind, name, detail))


def strip_prefixes(content: Content, changes: Changes) -> Content:
    """Undo the names that torch.compile and DistributedDataParallel put around a model."""
    weights = {}
    for name, tensor in content["model"].items():
        bare = re.sub(r"^(?:_orig_mod\.|module\.)+", "", name)
        if bare != name:
            changes.add("renamed", name, bare)
        if bare in weights:
            raise CheckpointError(f"it has {bare} twice", "use the checkpoint as training wrote it")
        weights[bare] = tensor
    return {**content, "model": weights}


def drop_masks(content: Content, changes: Changes) -> Content:
    """Drop the causal masks that old versions stored as buffers."""
    weights = dict(content["model"])
    for name in [n for n in weights if re.search(r"\.attn\.(?:masked_)?bias$", n)]:
        changes.add("dropped", name, "a causal mask, not a parameter")
        del weights[name]
    return {**content, "model": weights}


def name_the_config(content: Content, changes: Changes) -> Content:
    """Rename nanoGPT's model_args, iter_num, config and optimizer to our entries."""
    if "model_config" in content:
        return content
    args = content.get("model_args")
    if not isinstance(args, dict) or "n_head" not in args:
        raise CheckpointError(
            "the checkpoint does not say its model_args (n_head at least)",
            "use the whole checkpoint that training wrote, not its weights alone",
        )
    for old, name in _OLD_NAMES.items():
        if old in content:
            changes.add("renamed", old, name)
    settings = content.get("config")
    settings = settings if isinstance(settings, dict) else {}
    new = {key: value for key, value in content.items() if key not in _OLD_NAMES}
    new |= {
        "model_config": _old_model_config(content["model"], args, settings),
        "train_config": {k: v for k, v in NANOGPT_DEFAULTS.items() if k in _TRAIN_SETTINGS}
        | {k: v for k, v in settings.items() if k in _OLD_SETTINGS},
        "step": int(content.get("iter_num", 0)),
        "data": {"folder": _old_data_folder(settings)},
    }
    best = content.get("best_val_loss")
    if best is not None:
        new["val_loss"] = float(best)
    if isinstance(content.get("optimizer"), dict):
        new["training"] = {"optimizers": [content["optimizer"]]}
        if best is not None:
            new["training"]["best_val_loss"] = float(best)
    # the earlier project marked its dialogues with tags; plain nanoGPT has neither setting
    if "pos_embd" in {*args, *settings} or "data_dir" in settings:
        new["chat_format"] = ChatFormat().to_dict()
    return new


_OLD_NAMES = {
    "model_args": "model_config",
    "config": "train_config",
    "iter_num": "step",
    "best_val_loss": "val_loss",
    "optimizer": "training",
}
_TRAIN_SETTINGS = {f.name for f in fields(TrainConfig)}
_OLD_SETTINGS = _TRAIN_SETTINGS - {
    "device", "dtype", "compile", "backend", "eval_only", "optimizer", "time",
}  # fmt: skip
"""What nanoGPT's config says about training; the machine may be another one by now."""


def _old_model_config(
    weights: dict[str, Any], args: dict[str, Any], settings: dict[str, Any]
) -> dict[str, Any]:
    """Return the configuration that nanoGPT's model_args and the shapes of the tensors imply."""
    config: dict[str, Any] = {
        "n_layer": len({n.split(".")[2] for n in weights if n.startswith("transformer.h.")}),
        "bias": "transformer.ln_f.bias" in weights,
        "arch": "gpt2",
        "ngram_rows": 0,
        "pos_embd": settings.get("pos_embd", "default"),
    }
    if WTE in weights:
        config["vocab_size"], config["n_embd"] = weights[WTE].shape
    if WPE in weights:
        config["block_size"] = weights[WPE].shape[0]
    stated = {f.name for f in fields(ModelConfig)} & args.keys()
    return config | {name: args[name] for name in stated if args[name] is not None}


def _old_data_folder(settings: dict[str, Any]) -> str | None:
    if isinstance(settings.get("data_dir"), str):
        return str(settings["data_dir"])
    if isinstance(settings.get("dataset"), str):
        return f"data/{settings['dataset']}"
    return None


def drop_unused_tables(content: Content, changes: Changes) -> Content:
    """Drop position tables that the model's kind of position embedding does not read."""
    config, weights = content["model_config"], dict(content["model"])
    pos_embd = config.get("pos_embd", "default")
    if not isinstance(pos_embd, str):
        return content
    if pos_embd != "relative" and RELATIVE in weights:
        changes.add("dropped", RELATIVE, f"not used with --pos-embd {pos_embd}")
        del weights[RELATIVE]
    if pos_embd == "rope" and WPE in weights and not config.get("absolute_table"):
        changes.add("dropped", WPE, "not used with --pos-embd rope")
        del weights[WPE]
    return {**content, "model": weights}


def tie_head(content: Content, changes: Changes) -> Content:
    """Name the tied head where only the token table is stored."""
    weights = content["model"]
    if content["model_config"].get("arch", "gpt2") != "gpt2" or WTE not in weights:
        return content
    if HEAD not in weights:
        changes.add("added", HEAD, f"the same tensor as {WTE}")
    elif not torch.equal(weights[HEAD].nan_to_num(), weights[WTE].nan_to_num()):
        raise CheckpointError(
            f"{HEAD} is not {WTE}", "only models with a tied head, as in GPT-2, are supported"
        )
    return {**content, "model": {**weights, HEAD: weights[WTE]}}


def keep_the_first_modern_block(content: Content, changes: Changes) -> Content:
    """State what the modern arrangement was in version 1: RMSNorm, and no n-grams."""
    if content.get("version") != 1:
        return content
    first = {"norm": "rms", "ngram_rows": 0}
    return {**content, "model_config": first | content["model_config"]}


def stamp(content: Content, changes: Changes) -> Content:
    """Record format and version."""
    if content.get("format") != FORMAT or content.get("version") != VERSION:
        changes.add("added", "format", f"{FORMAT}, version {VERSION}")
    return {**content, "format": FORMAT, "version": VERSION}


Migration = Callable[[Content, Changes], Content]

MIGRATIONS: list[Migration] = [
    strip_prefixes,
    drop_masks,
    name_the_config,
    drop_unused_tables,
    tie_head,
    keep_the_first_modern_block,
    stamp,
]


def apply_migrations(content: Content, path: Path) -> tuple[Content, Changes]:
    """Return the content brought up to date, and what was changed; ``path`` is for messages.

    Raises CheckpointError where a step cannot make sense of the content.
    """
    changes = Changes()
    for migration in MIGRATIONS:
        before = len(changes.entries)
        try:
            content = migration(content, changes)
        except CheckpointError as error:
            raise CheckpointError(f"{path}: {error.message}", error.hint) from error
        except (
            TypeError,
            ValueError,
            LookupError,
            AttributeError,
            ArithmeticError,
            RuntimeError,
        ) as error:
            raise_unrelated(error)
            raise CheckpointError(
                f"{path} is corrupt, or not a GPT checkpoint", CORRUPT_HINT
            ) from error
        if len(changes.entries) > before:
            changes.steps.append(migration.__name__)
    return content, changes
