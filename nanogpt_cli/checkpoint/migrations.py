"""Bring checkpoints of any origin up to date, and prove that they still compute the same.

``MIGRATIONS`` is an ordered list of small named steps; each one recognises what it is for and
leaves everything else alone. A change of our own format is one more step at its end.
"""

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from nanogpt_cli.checkpoint.formats import hf
from nanogpt_cli.checkpoint.torchfile import FORMAT, VERSION, Checkpoint, from_content, read
from nanogpt_cli.config import NANOGPT_DEFAULTS, ModelConfig, TrainConfig
from nanogpt_cli.data.store import nanogpt_tokenizer, open_dataset
from nanogpt_cli.dialogue import ChatFormat
from nanogpt_cli.errors import CheckpointError, DataError
from nanogpt_cli.model import factory
from nanogpt_cli.model.gpt import GPT
from nanogpt_cli.runs import dataset_file
from nanogpt_cli.tokenizer import load as tokenizer

RELATIVE = "transformer.relative.relative_embeddings.weight"
WTE, WPE, HEAD = "transformer.wte.weight", "transformer.wpe.weight", "lm_head.weight"

Content = dict[str, Any]


@dataclass(frozen=True)
class Change:
    """What happened to one entry of a checkpoint."""

    kind: Literal["renamed", "added", "dropped"]
    name: str
    detail: str


@dataclass
class Changes:
    """All that a migration did to a checkpoint."""

    steps: list[str] = field(default_factory=list)
    """Names of the migrations that applied."""
    entries: list[Change] = field(default_factory=list)

    def add(self, kind: Literal["renamed", "added", "dropped"], name: str, detail: str) -> None:
        """Note one change."""
        self.entries.append(Change(kind, name, detail))


# --- the migrations, in their order ---------------------------------------------------------------


def _strip_prefixes(content: Content, changes: Changes) -> Content:
    """Undo the names that torch.compile and DistributedDataParallel put around a model."""
    weights = {}
    for name, tensor in content["model"].items():
        bare = re.sub(r"^(?:_orig_mod\.|module\.)+", "", name)
        if bare != name:
            changes.add("renamed", name, bare)
        if bare in weights:
            raise CheckpointError(
                f"it has {bare} twice", "take the checkpoint as training wrote it"
            )
        weights[bare] = tensor
    return {**content, "model": weights}


def _drop_masks(content: Content, changes: Changes) -> Content:
    """Drop the causal masks that old versions stored as buffers."""
    weights = dict(content["model"])
    for name in [n for n in weights if re.search(r"\.attn\.(?:masked_)?bias$", n)]:
        changes.add("dropped", name, "a causal mask, no weight")
        del weights[name]
    return {**content, "model": weights}


def _name_the_config(content: Content, changes: Changes) -> Content:
    """Turn nanoGPT's model_args, iter_num, config and optimizer into what we call them."""
    if "model_config" in content:
        return content
    args, weights = content.get("model_args"), content["model"]
    if not isinstance(args, dict) or "n_head" not in args:
        raise CheckpointError(
            "the checkpoint does not say its model_args (n_head at least)",
            "take the whole checkpoint that training wrote, not its weights alone",
        )
    for old, name in _OLD_NAMES.items():
        if old in content:
            changes.add("renamed", old, name)
    settings = content.get("config")
    settings = settings if isinstance(settings, dict) else {}
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
    told = {f.name for f in fields(ModelConfig)} & args.keys()
    config |= {name: args[name] for name in told if args[name] is not None}
    new = {key: value for key, value in content.items() if key not in _OLD_NAMES}
    new |= {
        "model_config": config,
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
    # the earlier project spelled its dialogues with tags; plain nanoGPT knows neither setting
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


def _old_data_folder(settings: dict[str, Any]) -> str | None:
    if isinstance(settings.get("data_dir"), str):
        return str(settings["data_dir"])
    if isinstance(settings.get("dataset"), str):
        return f"data/{settings['dataset']}"
    return None


def _drop_unused_tables(content: Content, changes: Changes) -> Content:
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


def _tie_head(content: Content, changes: Changes) -> Content:
    """Name the tied head, where only the token table is stored."""
    weights = content["model"]
    if content["model_config"].get("arch", "gpt2") != "gpt2" or WTE not in weights:
        return content
    if HEAD not in weights:
        changes.add("added", HEAD, f"the same tensor as {WTE}")
    elif not torch.equal(weights[HEAD].nan_to_num(), weights[WTE].nan_to_num()):
        raise CheckpointError(
            f"{HEAD} is not {WTE}", "only models with a tied head, as GPT-2's, can be used"
        )
    return {**content, "model": {**weights, HEAD: weights[WTE]}}


def _keep_the_first_modern_block(content: Content, changes: Changes) -> Content:
    """Say what the modern arrangement was in version 1: RMSNorm, and no n-grams."""
    if content.get("version") != 1:
        return content
    first = {"norm": "rms", "ngram_rows": 0}
    return {**content, "model_config": first | content["model_config"]}


def _stamp(content: Content, changes: Changes) -> Content:
    """Write down format and version."""
    if content.get("format") != FORMAT or content.get("version") != VERSION:
        changes.add("added", "format", f"{FORMAT}, version {VERSION}")
    return {**content, "format": FORMAT, "version": VERSION}


MIGRATIONS: list[Callable[[Content, Changes], Content]] = [
    _strip_prefixes,
    _drop_masks,
    _name_the_config,
    _drop_unused_tables,
    _tie_head,
    _keep_the_first_modern_block,
    _stamp,
]


# --- what callers use -----------------------------------------------------------------------------


_LONGEST_NAME = 200
"""Characters of a weight's name; the table of changes is as wide as the longest."""


def upgrade(content: Content, path: Path) -> tuple[Checkpoint, Changes]:
    """Bring the content of a checkpoint up to date and check it; ``path`` is for messages.

    Raises CheckpointError for a newer format, and where weights are missing, unknown or misshapen.
    """
    changes = Changes()
    version = content.get("version")
    newer = isinstance(version, int) and version > VERSION
    if content.get("format") == FORMAT and newer:
        raise CheckpointError(f"{path} was made by a newer nanogpt", "update nanogpt")
    if not isinstance(content.get("model"), dict):
        raise CheckpointError(
            f"{path} holds no model with its settings",
            "take the whole checkpoint that training wrote, not its weights alone",
        )
    if not all(isinstance(name, str) and len(name) <= _LONGEST_NAME for name in content["model"]):
        raise CheckpointError(f"{path} has weights without a proper name", "take another copy")
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
            raise CheckpointError(f"{path} is damaged or no GPT", "take another copy") from error
        if len(changes.entries) > before:
            changes.steps.append(migration.__name__.strip("_"))
    checkpoint = from_content(content, path)
    check_weights(checkpoint, path)
    return checkpoint, changes


_REAL = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def check_weights(checkpoint: Checkpoint, path: Path) -> None:
    """Check names, shapes and values of the weights. Raises CheckpointError naming the keys."""
    weights: dict[str, Any] = checkpoint.model
    wanted = _shapes(checkpoint, path)
    usable = {n for n, t in weights.items() if isinstance(t, Tensor) and t.dtype in _REAL}
    problems = {
        "missing": wanted.keys() - weights.keys(),
        "unknown": weights.keys() - wanted.keys(),
        "not of real numbers": weights.keys() - usable,
        "of another shape": {
            f"{n} {tuple(weights[n].shape)} for {tuple(wanted[n])}"
            for n in wanted.keys() & usable
            if weights[n].shape != wanted[n]
        },
    }
    told = [f"{what}: {_few(names)}" for what, names in problems.items() if names]
    if told:
        raise CheckpointError(
            f"{path} does not fit its own configuration; {'; '.join(told)}",
            "take the checkpoint together with the settings that it was trained with",
        )
    bad = [name for name, tensor in weights.items() if not tensor.isfinite().all()]
    if bad:
        raise CheckpointError(
            f"{path} has weights that are not finite numbers: {_few(bad)}",
            "the training had diverged; take an earlier checkpoint",
        )


def _shapes(checkpoint: Checkpoint, path: Path) -> dict[str, torch.Size]:
    """Give the names and shapes of the weights that the configuration asks for."""
    config = checkpoint.config
    problem = f"{path} does not fit its own configuration"
    if config.n_layer > len(checkpoint.model):  # before so many layers are made
        raise CheckpointError(f"{problem}: it has no {config.n_layer} layers", "take another copy")
    try:
        with torch.device("meta"):
            return {name: p.shape for name, p in factory.make_model(config).state_dict().items()}
    except RuntimeError as error:  # sizes that no tensor can have
        raise CheckpointError(problem, "take another copy") from error


def _few(names: Iterable[str]) -> str:
    names = sorted(names)
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def add_relative_table(checkpoint: Checkpoint, changes: Changes) -> Checkpoint:
    """Give a model of absolute positions a zero relative table beside its own: the same function.

    A model that has relative or rotary positions already is given back as it is.
    """
    config = checkpoint.config
    if config.pos_embd != "default":
        return checkpoint
    table = torch.zeros(config.block_size, config.n_head)
    changes.add("added", RELATIVE, f"zeros {tuple(table.shape)}, trained from here on")
    if checkpoint.training is not None:
        changes.add("dropped", "training", "the optimizer's state, which knows no such table")
    changes.steps.append("add_relative_table")
    return replace(
        checkpoint,
        config=replace(config, pos_embd="relative", absolute_table=True),
        model={**checkpoint.model, RELATIVE: table},
        training=None,
    )


def attach_tokenizer(
    checkpoint: Checkpoint, path: Path, data_dir: Path | None = None
) -> Checkpoint:
    """Put the tokenizer into a checkpoint that carries none, and check that it fits.

    It is ``data_dir``'s, else that of the folder the checkpoint was trained on where it still is,
    else gpt2 if the vocabulary is as large. Raises CheckpointError where it does not fit.
    """
    vocab_size = checkpoint.config.vocab_size
    folder = checkpoint.data.get("folder")
    if checkpoint.tokenizer is not None:
        words = _own_tokenizer(checkpoint.tokenizer, path)
        if data_dir is not None and _dataset_tokenizer(data_dir).to_dict() != words.to_dict():
            raise CheckpointError(
                f"{path} carries its own tokenizer, which is not that of {data_dir}",
                "leave --data-dir out",
            )
    elif data_dir is not None:
        words = _dataset_tokenizer(data_dir)
    elif isinstance(folder, str) and (Path(folder) / "meta.pkl").is_file():
        words = nanogpt_tokenizer(Path(folder))
    elif vocab_size >= 50257:
        words = tokenizer.default_gpt2()
    else:
        return checkpoint
    # a vocabulary may be padded for speed; characters are told from another text's by their number
    padded = math.ceil(words.vocab_size / 64) * 64
    if words.vocab_size > vocab_size or (
        words.name == "char" and vocab_size not in (words.vocab_size, padded)
    ):
        raise CheckpointError(
            f"{path}: the tokenizer {words.name} has {words.vocab_size} tokens, "
            f"the model {vocab_size}",
            "name the folder of the data that it was trained on: --data-dir DIR",
        )
    return replace(checkpoint, tokenizer=words.to_dict())


def _own_tokenizer(content: dict[str, Any], path: Path) -> tokenizer.Tokenizer:
    try:
        return tokenizer.from_dict(content)
    except DataError as error:
        raise CheckpointError(f"{path}: {error.message}", error.hint) from error


def _dataset_tokenizer(folder: Path) -> tokenizer.Tokenizer:
    if dataset_file(folder, "meta.json").exists():
        return open_dataset(folder).tokenizer
    return nanogpt_tokenizer(folder)


def load(path: Path, data_dir: Path | None = None) -> Checkpoint:
    """Load a checkpoint of any origin, ready for use: ours, nanoGPT's, or a Hugging Face folder.

    Raises CheckpointError where it cannot be used.
    """
    content = hf.read(path) if path.is_dir() else read(path)
    checkpoint, _ = upgrade(content, path)
    return attach_tokenizer(checkpoint, path, data_dir)


def make_model(checkpoint: Checkpoint, device: torch.device | None = None) -> GPT:
    """Build the model of a checkpoint, in float32 and in evaluation mode."""
    with torch.device("meta"):
        model = factory.make_model(checkpoint.config)
    model.load_state_dict(checkpoint.model, assign=True)
    model.tie_weights()
    return model.to(device or "cpu", torch.float32).eval()


@torch.no_grad()
def largest_difference(old: Checkpoint, new: Checkpoint) -> float:
    """Prove a migration: the largest difference of logits on fixed prompts.

    The prompts are drawn from a fixed seed, of 1 token up to the whole block, or its first 4,096.
    """
    block = min(old.config.block_size, new.config.block_size, 4096)
    models = make_model(old), make_model(new)
    generator = torch.Generator().manual_seed(0)
    difference = 0.0
    for length in sorted({1, min(2, block), max(1, block // 2), block}):
        ids = torch.randint(old.config.vocab_size, (2, length), generator=generator)
        a, b = (model(ids) for model in models)
        difference = max(difference, float((a - b).abs().max()))
    return difference


def same_content(a: Checkpoint, b: Checkpoint) -> bool:
    """Tell whether two checkpoints are the same model with the same tokenizer."""
    return (
        a.config == b.config
        and a.tokenizer == b.tokenizer
        and a.model.keys() == b.model.keys()
        and all(torch.equal(tensor, b.model[name]) for name, tensor in a.model.items())
    )
