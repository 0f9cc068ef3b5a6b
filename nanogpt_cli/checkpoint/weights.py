"""A checkpoint's tensors: whether they fit its configuration, and the model made of them.

This module does not know files, formats or tokenizers.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nanogpt_cli.checkpoint.schema import Checkpoint
from nanogpt_cli.checkpoint.torchfile import CORRUPT_HINT
from nanogpt_cli.errors import CheckpointError, raise_unrelated
from nanogpt_cli.model.factory import make_meta_model
from nanogpt_cli.model.gpt import GPT

_REAL = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def check_weights(checkpoint: Checkpoint, path: Path) -> None:
    """Check names, shapes and values of the tensors; ``path`` is for messages.

    Raises CheckpointError naming those that are missing, unknown, misshapen or not finite.
    """
    weights: dict[str, Any] = checkpoint.model
    expected = _expected_shapes(checkpoint, path)
    usable = {n for n, t in weights.items() if isinstance(t, Tensor) and t.dtype in _REAL}
    problems = {
        "missing": expected.keys() - weights.keys(),
        "unknown": weights.keys() - expected.keys(),
        "not of real numbers": weights.keys() - usable,
        "of another shape": {
            f"{n} {tuple(weights[n].shape)} for {tuple(expected[n])}"
            for n in expected.keys() & usable
            if weights[n].shape != expected[n]
        },
    }
    found = [f"{what}: {_first_few(names)}" for what, names in problems.items() if names]
    if found:
        raise CheckpointError(
            f"{path} does not fit its own configuration; {'; '.join(found)}",
            "use the checkpoint together with the settings that it was trained with",
        )
    bad = [name for name, tensor in weights.items() if not tensor.isfinite().all()]
    if bad:
        raise CheckpointError(
            f"{path} has weights that are not finite numbers: {_first_few(bad)}",
            "its training had diverged; use an earlier checkpoint",
        )


def _expected_shapes(checkpoint: Checkpoint, path: Path) -> dict[str, torch.Size]:
    """Return the names and shapes of the tensors that the configuration asks for."""
    config = checkpoint.config
    problem = f"{path} does not fit its own configuration"
    if config.n_layer > len(checkpoint.model):  # before so many layers are made
        raise CheckpointError(f"{problem}: it has no {config.n_layer} layers", CORRUPT_HINT)
    try:
        return {name: p.shape for name, p in make_meta_model(config).state_dict().items()}
    except RuntimeError as error:  # sizes that no tensor can have
        raise_unrelated(error)
        raise CheckpointError(problem, CORRUPT_HINT) from error


def _first_few(names: Iterable[str]) -> str:
    names = sorted(names)
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def build_model(checkpoint: Checkpoint, device: torch.device | None = None) -> GPT:
    """Return the model of a checkpoint, in float32 and in evaluation mode.

    Its parameters are the checkpoint's own tensors where those are float32 and on the device.
    """
    model = make_meta_model(checkpoint.config)
    model.load_state_dict(checkpoint.model, assign=True)
    model.tie_weights()
    return model.to(device or "cpu", torch.float32).eval()


def take_model(checkpoint: Checkpoint, device: torch.device | None = None) -> GPT:
    """Return the model of a checkpoint, in float32 and in training mode, and empty the checkpoint.

    Each tensor leaves ``checkpoint.model`` as soon as it is copied, so that a resumed run never
    holds its weights twice. The copies lie in memory as torch allocates it, since the rounding of
    matrix products may depend on that.
    """
    model = make_meta_model(checkpoint.config)
    own = dict(model.named_parameters()).keys()  # without a head that is tied
    for name in list(checkpoint.model):
        stored = checkpoint.model.pop(name)
        if name in own:
            tensor = torch.empty(stored.shape, dtype=torch.float32, device=device or "cpu")
            tensor.copy_(stored)
            model.load_state_dict({name: tensor}, strict=False, assign=True)
    model.tie_weights()
    return model.train()
