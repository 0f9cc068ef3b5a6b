"""Parameters rounded to bytes: a matrix as int8 with a scale for each row.

Shape letters: R rows, C columns.
"""

from dataclasses import replace

import torch
from torch import Tensor

from nanogpt_cli.checkpoint.schema import RELATIVE, Checkpoint


def is_rounded(name: str, tensor: Tensor) -> bool:
    """Whether a tensor is kept as bytes: matrices and embeddings, but no vector and no bias."""
    return tensor.dim() == 2 and name != RELATIVE


def to_int8(tensor: Tensor) -> tuple[Tensor, Tensor]:
    """Return the bytes (R, C) and the scales (R,) of a matrix (R, C).

    The largest of each row becomes 127 (absmax quantization, Dettmers et al. 2022).
    """
    tensor = tensor.float()
    scales = tensor.abs().amax(1).clamp(min=1e-30) / 127  # R
    return (tensor / scales[:, None]).round().clamp(-127, 127).to(torch.int8), scales


def rounded(checkpoint: Checkpoint) -> Checkpoint:
    """Return a checkpoint whose matrices are what their bytes stand for."""
    model = {}
    for name, tensor in checkpoint.model.items():
        if is_rounded(name, tensor):
            values, scales = to_int8(tensor)
            tensor = values.float() * scales[:, None]
        model[name] = tensor.float()
    return replace(checkpoint, model=model)
