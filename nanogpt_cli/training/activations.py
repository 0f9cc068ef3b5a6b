"""Activation checkpointing: blocks whose activations are computed again in the backward pass.

Only the stream between blocks is kept (Chen et al. 2016). Nothing here knows of processes.
"""

from functools import partial

from torch.utils.checkpoint import checkpoint

from nanogpt_cli.model.gpt import GPT


def checkpoint_activations(model: GPT) -> None:
    """Let every block of ``model`` forget its activations. Names of parameters stay."""
    for block in model.transformer.h:
        block.forward = partial(checkpoint, block.forward, use_reentrant=False)
