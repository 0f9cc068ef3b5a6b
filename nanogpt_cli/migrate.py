"""Bring checkpoints of any origin up to date, and prove that they still compute the same.

``MIGRATIONS`` is an ordered list of small named steps; each one recognises what it is for and
leaves everything else alone. A change of our own format is one more step at its end.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from nanogpt_cli import hf, tokenizer
from nanogpt_cli.checkpoint import FORMAT, VERSION, Checkpoint, from_content, read
from nanogpt_cli.dataset import nanogpt_tokenizer, open_dataset
from nanogpt_cli.dialogue import ChatFormat
from nanogpt_cli.errors import CheckpointError, DataError
from nanogpt_cli.model import GPT

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


def _wrap_bare_weights(content: Content, changes: Changes) -> Content:
    """Take a file that holds nothing but weights for what it is."""
    if "model" in content or not any(key.endswith("wte.weight") for key in content):
        return content
    changes.add("renamed", "(the whole file)", "a bare state dictionary is now `model`")
    return {"model": content}


def _strip_prefixes(content: Content, changes: Changes) -> Content:
    """Undo the names that torch.compile and DistributedDataParallel put around a model."""
    weights = {}
    for name, tensor in content["model"].items():
        bare = re.sub(r"^(?:_orig_mod\.|module\.)+", "", name)
        if bare != name:
            changes.add("renamed", name, bare)
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
    """Turn nanoGPT's model_args, iter_num and optimizer into our model_config, step, training."""
    if "model_config" in content:
        return content
    args = content.get("model_args")
    settings = content.get("config") if isinstance(content.get("config"), dict) else {}
    weights = content["model"]
    if not isinstance(args, dict) or "n_head" not in args:
        raise CheckpointError(
            "the checkpoint does not say its model_args (n_head at least)",
            "take the whole checkpoint that training wrote, not its weights alone",
        )
    config: dict[str, Any] = {
        "n_layer": len({n.split(".")[2] for n in weights if n.startswith("transformer.h.")}),
        "bias": "transformer.ln_f.bias" in weights,
        "pos_embd": settings.get("pos_embd", "default"),
    }
    if WTE in weights:
        config["vocab_size"], config["n_embd"] = weights[WTE].shape
    if WPE in weights:
        config["block_size"] = weights[WPE].shape[0]
    known = (
        "block_size",
        "n_layer",
        "n_head",
        "n_embd",
        "vocab_size",
        "bias",
        "dropout",
        "pos_embd",
    )
    config |= {k: args[k] for k in known if args.get(k) is not None}
    new = {k: v for k, v in content.items() if k not in _OLD_KEYS}
    new["model_config"] = config
    new["step"] = int(content.get("iter_num", 0))
    best = content.get("best_val_loss")
    new["val_loss"] = float(best) if best is not None else None
    if isinstance(content.get("optimizer"), dict):
        new["training"] = {"optimizers": [content["optimizer"]], "best_val_loss": new["val_loss"]}
    changes.add("renamed", "model_args", "model_config")
    new["data"] = {"folder": _old_data_folder(settings)}
    # the earlier project spelled its dialogues with tags; plain nanoGPT knows neither setting
    if "pos_embd" in {*args, *settings} or "data_dir" in settings:
        new["chat_format"] = ChatFormat().to_dict()
    return new


_OLD_KEYS = {"model_args", "iter_num", "best_val_loss", "config", "optimizer"}


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
    if HEAD in weights and not torch.equal(weights[HEAD], weights[WTE]):
        raise CheckpointError("its head is not tied to its token table", "it is no GPT-2")
    if HEAD not in weights:
        changes.add("added", HEAD, f"the same tensor as {WTE}")
        return {**content, "model": {**weights, HEAD: weights[WTE]}}
    return content


def _stamp(content: Content, changes: Changes) -> Content:
    """Write down format and version."""
    if content.get("format") != FORMAT:
        changes.add("added", "format", f"{FORMAT}, version {VERSION}")
    return {**content, "format": FORMAT, "version": VERSION}


MIGRATIONS: list[Callable[[Content, Changes], Content]] = [
    _wrap_bare_weights,
    _strip_prefixes,
    _drop_masks,
    _name_the_config,
    _drop_unused_tables,
    _tie_head,
    _stamp,
]


# --- what callers use -----------------------------------------------------------------------------


def upgrade(content: Content, path: Path) -> tuple[Checkpoint, Changes]:
    """Bring the content of a checkpoint up to date and check it; ``path`` is for messages.

    Raises CheckpointError for a newer format, and where weights are missing, unknown or misshapen.
    """
    changes = Changes()
    version = content.get("version")
    if content.get("format") == FORMAT and isinstance(version, int) and version > VERSION:
        raise CheckpointError(f"{path} was made by a newer nanogpt", "update nanogpt")
    if not isinstance(content.get("model", {}), dict):
        raise CheckpointError(f"{path} holds no weights", "name a checkpoint of a GPT")
    for migration in MIGRATIONS:
        if "model" not in content and migration is not _wrap_bare_weights:
            raise CheckpointError(f"{path} holds no model", "name a checkpoint of a GPT")
        before = len(changes.entries)
        try:
            content = migration(content, changes)
        except CheckpointError as error:
            raise CheckpointError(f"{path}: {error.message}", error.hint) from error
        except (TypeError, ValueError, AttributeError, IndexError, KeyError) as error:
            raise CheckpointError(f"{path} is damaged or no GPT", "take another copy") from error
        if len(changes.entries) > before:
            changes.steps.append(migration.__name__.strip("_"))
    checkpoint = from_content(content, path)
    check_weights(checkpoint, path)
    return checkpoint, changes


def check_weights(checkpoint: Checkpoint, path: Path) -> None:
    """Check names, shapes and values of the weights. Raises CheckpointError naming the keys."""
    with torch.device("meta"):
        wanted = {name: p.shape for name, p in GPT(checkpoint.config).state_dict().items()}
    weights = checkpoint.model
    not_tensors = [n for n, t in weights.items() if not isinstance(t, Tensor)]
    problems = {
        "missing": sorted(wanted.keys() - weights.keys()),
        "unknown": sorted(weights.keys() - wanted.keys()),
        "no tensor": not_tensors,
        "of another shape": [
            f"{n} {tuple(weights[n].shape)} for {tuple(wanted[n])}"
            for n in wanted.keys() & weights.keys() - set(not_tensors)
            if weights[n].shape != wanted[n]
        ],
    }
    told = [f"{what}: {_few(names)}" for what, names in problems.items() if names]
    if told:
        raise CheckpointError(
            f"{path} does not fit its own configuration; {'; '.join(told)}",
            "take the checkpoint together with the settings that it was trained with",
        )
    bad = [n for n, t in weights.items() if not t.isfinite().all()]
    if bad:
        raise CheckpointError(
            f"{path} has weights that are not finite numbers: {_few(bad)}",
            "the training had diverged; take an earlier checkpoint",
        )


def _few(names: Iterable[str]) -> str:
    names = list(names)
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
    """Put the tokenizer into a checkpoint that carries none.

    It is ``data_dir``'s, else that of the folder the checkpoint was trained on where it still is,
    else gpt2 if the vocabulary is as large. Raises CheckpointError where it does not fit.
    """
    if checkpoint.tokenizer is not None and data_dir is None:
        try:
            words = tokenizer.from_dict(checkpoint.tokenizer)
        except DataError as error:
            raise CheckpointError(f"{path}: its tokenizer: {error.message}", error.hint) from error
    elif data_dir is not None:
        words = _dataset_tokenizer(data_dir)
    else:
        folder = checkpoint.data.get("folder")
        if folder and (Path(folder) / "meta.pkl").is_file():
            words = nanogpt_tokenizer(Path(folder))
        elif checkpoint.config.vocab_size >= 50257:
            words = tokenizer.default_gpt2()
        else:
            return checkpoint
    if words.vocab_size > checkpoint.config.vocab_size:
        raise CheckpointError(
            f"{path}: the tokenizer {words.name} has {words.vocab_size} tokens, "
            f"the model {checkpoint.config.vocab_size}",
            "name the folder of the data that it was trained on: --data-dir DIR",
        )
    return replace(checkpoint, tokenizer=words.to_dict())


def _dataset_tokenizer(folder: Path) -> tokenizer.Tokenizer:
    if (folder / "meta.json").exists():
        return open_dataset(folder).tokenizer
    return nanogpt_tokenizer(folder)


def load(path: Path, data_dir: Path | None = None) -> Checkpoint:
    """Load a checkpoint of any origin, ready for use: ours, nanoGPT's, or a Hugging Face folder.

    Raises CheckpointError where it cannot be used.
    """
    if path.is_dir():
        checkpoint = hf.load(path)
        check_weights(checkpoint, path)
    else:
        checkpoint, _ = upgrade(read(path), path)
    return attach_tokenizer(checkpoint, path, data_dir)


def make_model(checkpoint: Checkpoint, device: torch.device | None = None) -> GPT:
    """Build the model of a checkpoint, in evaluation mode."""
    with torch.device("meta"):
        model = GPT(checkpoint.config)
    model.load_state_dict(checkpoint.model, assign=True)
    model.tie_weights()
    return model.to(device or "cpu").eval()


@torch.no_grad()
def largest_difference(old: Checkpoint, new: Checkpoint) -> float:
    """Prove a migration: the largest difference of logits on fixed prompts.

    The prompts are drawn from a fixed seed, of 1 token up to the whole block.
    """
    block = min(old.config.block_size, new.config.block_size)
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
        asdict(a.config) == asdict(b.config)
        and a.tokenizer == b.tokenizer
        and a.model.keys() == b.model.keys()
        and all(torch.equal(tensor, b.model[name]) for name, tensor in a.model.items())
    )
