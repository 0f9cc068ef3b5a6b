"""What nanoGPT's own train.py resumes from, and its sample.py samples: a folder with a ckpt.pt."""

from pathlib import Path
from typing import Any

import torch

from nanogpt_cli.checkpoint import torchfile
from nanogpt_cli.checkpoint.formats.base import CheckpointFormat, WriteOptions, Written
from nanogpt_cli.checkpoint.schema import Checkpoint
from nanogpt_cli.checkpoint.weights import build_model
from nanogpt_cli.config import ModelConfig
from nanogpt_cli.errors import UsageError

_SHAPE = ("n_layer", "n_head", "n_embd", "block_size", "bias", "vocab_size", "dropout")


def recognises(path: Path) -> bool:
    """Return False: what it writes is a file of torch.save, and read as such."""
    return False


def write(checkpoint: Checkpoint, folder: Path, options: WriteOptions) -> Written:
    """Write ``ckpt.pt`` with a new optimizer, whose moments training fills again.

    Raises UsageError for a model that nanoGPT's code does not compute.
    """
    config = checkpoint.config
    if problem := _problem(config):
        raise UsageError(
            f"nanoGPT has no {problem}",
            "train with --arch gpt2 --pos-embd default, or export with --to hf or safetensors",
        )
    source = checkpoint.data.get("folder")
    dataset = Path(source).name if isinstance(source, str) else options.name
    content: dict[str, Any] = {
        "model": {name: tensor.float() for name, tensor in checkpoint.model.items()},
        "optimizer": _optimizer(checkpoint),
        "model_args": {name: getattr(config, name) for name in _SHAPE},
        "iter_num": checkpoint.step,
        "best_val_loss": torch.tensor(
            checkpoint.val_loss if checkpoint.val_loss is not None else 1e9
        ),
        "config": {"dataset": dataset, "init_from": "resume"},
    }
    torchfile.write(folder / "ckpt.pt", content)
    assert checkpoint.tokenizer is not None
    command = "python train.py --init_from=resume --out_dir={} --dataset={} --block_size={}"
    notes = [
        f"resume: {command.format(folder.name, dataset, config.block_size)}, and with --max_iters "
        f"beyond its step, {checkpoint.step}"
    ]
    if checkpoint.tokenizer["kind"] != "gpt2":
        notes.append(
            "its tokenizer stays here: nanoGPT's sample.py knows those of GPT-2 and of a meta.pkl"
        )
    return Written("nanoGPT's train.py", tuple(notes))


def _problem(config: ModelConfig) -> str | None:
    """Return what of a model nanoGPT lacks; None for one that it computes."""
    if config.arch != "gpt2":
        return f"arrangement {config.arch}"
    if config.pos_embd != "default":
        return f"--pos-embd {config.pos_embd}"
    return "GELU by tanh, only by erf" if config.gelu != "erf" else None


def _optimizer(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return the state of a new AdamW over the groups that nanoGPT makes."""
    model = build_model(checkpoint)
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": 0.1},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    state = torch.optim.AdamW(groups, lr=6e-4, betas=(0.9, 0.95)).state_dict()
    return dict(state)


FORMAT = CheckpointFormat(
    "nanogpt",
    recognises,
    None,
    write,
    "-nanogpt",
    is_folder=True,
    why_not="nanoGPT's checkpoints are read as what they are: name the .pt file",
)
