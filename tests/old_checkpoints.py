"""Checkpoints as nanoGPT and the earlier project wrote them, made here by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from nanogpt_cli.config import ModelConfig
from nanogpt_cli.model.gpt import GPT

RELATIVE = "transformer.relative.relative_embeddings.weight"
SHAPE = {"vocab_size": 37, "block_size": 16, "n_layer": 2, "n_head": 2, "n_embd": 16, "bias": False}
CONFIG = {
    "out_dir": "out", "dataset": "old", "batch_size": 4, "gradient_accumulation_steps": 1,
    "learning_rate": 2e-3, "min_lr": 2e-4, "warmup_iters": 0, "max_iters": 9, "lr_decay_iters": 9,
    "device": "cuda", "dtype": "bfloat16", "compile": True, "wandb_log": False,
}  # fmt: skip


def nanogpt_content(**shape: Any) -> dict[str, Any]:
    """Return what nanoGPT's train.py puts into a ckpt.pt."""
    pos_embd = shape.pop("pos_embd", "default")
    args = SHAPE | shape
    model = GPT(ModelConfig(**args, pos_embd=pos_embd, arch="gpt2"))
    optimizer = one_step(model, args["vocab_size"])
    return {
        "model": dict(model.state_dict()),
        "optimizer": optimizer.state_dict(),
        "model_args": {**args, "dropout": 0.0},
        "iter_num": 5,
        "best_val_loss": torch.tensor(3.25),
        "config": dict(CONFIG),
    }


def one_step(model: GPT, vocab_size: int) -> torch.optim.AdamW:
    """Make nanoGPT's AdamW and let it step once, so that weights and moments vary."""
    params = list(model.parameters())
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for p in params if p.dim() >= 2], "weight_decay": 0.1},
            {"params": [p for p in params if p.dim() < 2], "weight_decay": 0.0},
        ],
        lr=0.02,
        betas=(0.9, 0.95),
    )
    ids = torch.randint(vocab_size, (4, 17))
    (model(ids[:, :-1], ids[:, 1:]) / 64).backward()
    optimizer.step()
    return optimizer


def with_masks(content: dict[str, Any]) -> dict[str, Any]:
    """Add the causal masks that nanoGPT stores where flash attention is missing."""
    masks = {
        f"transformer.h.{layer}.attn.bias": torch.ones(16, 16).tril().view(1, 1, 16, 16)
        for layer in range(2)
    }
    return content | {"model": content["model"] | masks}


def compiled(content: dict[str, Any]) -> dict[str, Any]:
    """Name the weights as torch.compile does."""
    return content | {"model": {f"_orig_mod.{k}": v for k, v in content["model"].items()}}


def save(content: object, path: Path | str = "ckpt.pt") -> Path:
    """Write a checkpoint as torch.save does."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, path)
    return path


def char_folder(characters: str, folder: Path = Path("data/old")) -> Path:
    """Write a folder as nanoGPT's prepare.py for characters leaves it."""
    import pickle

    folder.mkdir(parents=True)
    meta = {
        "vocab_size": len(characters),
        "itos": dict(enumerate(characters)),
        "stoi": {c: i for i, c in enumerate(characters)},
    }
    (folder / "meta.pkl").write_bytes(pickle.dumps(meta))
    rng = np.random.default_rng(0)
    for split, count in (("train", 2000), ("val", 300)):
        rng.integers(0, len(characters), count).astype(np.uint16).tofile(folder / f"{split}.bin")
    return folder


CHARACTERS = "\n !',.?:;-abcdefghijklmnopqrstuvwxyz&"[:37]
assert len(CHARACTERS) == len(set(CHARACTERS)) == 37
