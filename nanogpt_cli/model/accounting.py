"""What is asked of a model besides computing: its size, its cost, and what its parameters are.

Shape letters: C channels (n_embd), L layers, T tokens (block_size), V vocabulary.
"""

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from torch import nn

from nanogpt_cli.config import ModelConfig
from nanogpt_cli.model.positions import Positions
from nanogpt_cli.sizes import step_flops

Role = Literal["matrix", "token", "ngram", "decayed", "free"]
"""What a parameter is to an optimizer: a matrix of a block, the table of tokens, one of n-grams,
another that is decayed, or one that is not (gains and biases)."""


class Accounting(nn.Module):
    """The base of every architecture: answers about its parameters, and nothing that computes."""

    config: ModelConfig
    positions: Positions
    transformer: Any
    """Embeddings, blocks and last norm, under the names that nanoGPT gave them."""
    tied_head: ClassVar[bool] = True
    """Whether the head is the table of tokens."""
    embedding_rate: ClassVar[float] = 0.25
    """How fast embeddings move beside Muon's matrices; a tied one bears less than they do."""

    def roles(self) -> Iterator[tuple[Role, nn.Parameter]]:
        """Yield every parameter, in order, after its role for an optimizer."""
        fixed = tuple(f"transformer.{part.name}." for part in self.positions if not part.decays)
        for name, p in self.named_parameters():
            if p is self.transformer.wte.weight:
                yield "token", p
            elif p.dim() == 2 and name.startswith("transformer.h."):
                yield "matrix", p
            else:
                yield "decayed" if p.dim() >= 2 and not name.startswith(fixed) else "free", p

    def parameter_count(self) -> int:
        """Count the parameters; a tied head counts once."""
        return sum(p.numel() for p in self.parameters())

    def flops_per_token(self) -> float:
        """Estimate the floating-point operations of a training step per token."""
        return step_flops(self.config)
