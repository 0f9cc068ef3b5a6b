"""Whether two checkpoints are the same model: in what they compute, and in what they hold."""

import torch

from nanogpt_cli.checkpoint.schema import Checkpoint
from nanogpt_cli.checkpoint.weights import build_model

LONGEST_PROMPT = 4096
"""Tokens of the longest prompt on which logits are compared."""


@torch.no_grad()
def largest_difference(old: Checkpoint, new: Checkpoint) -> float:
    """Return the largest difference of the logits of two models on fixed prompts.

    The prompts are drawn from a fixed seed, of 1 token up to the whole block, or its first
    ``LONGEST_PROMPT`` tokens.
    """
    block = min(old.config.block_size, new.config.block_size, LONGEST_PROMPT)
    models = build_model(old), build_model(new)
    generator = torch.Generator().manual_seed(0)
    difference = 0.0
    for length in sorted({1, min(2, block), max(1, block // 2), block}):
        ids = torch.randint(old.config.vocab_size, (2, length), generator=generator)
        a, b = (model(ids) for model in models)
        difference = max(difference, float((a - b).abs().max()))
    return difference


def same_content(a: Checkpoint, b: Checkpoint) -> bool:
    """Whether two checkpoints are the same model with the same tokenizer."""
    return (
        a.config == b.config
        and a.tokenizer == b.tokenizer
        and a.model.keys() == b.model.keys()
        and all(torch.equal(tensor, b.model[name]) for name, tensor in a.model.items())
    )
