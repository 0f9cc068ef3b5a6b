"""The sizes of models that ``--time`` chooses from, and what each costs and asks for. No torch.

Shape letters: C channels (n_embd), L layers, T tokens (block_size), V vocabulary.
"""

from dataclasses import dataclass

from nanogpt_cli.config import ModelConfig

TOKENS_PER_PARAMETER = 7
"""How many tokens a size must see per parameter to be better than the next smaller one."""

PARAMETERS_PER_TOKEN = 1.5
"""How large a model may be for its text; a larger one memorises it before it generalises."""


@dataclass(frozen=True)
class Size:
    """A size that the dial can choose."""

    n_layer: int
    n_head: int
    n_embd: int
    batch_size: int

    @property
    def parameters(self) -> int:
        """Parameters in the matrices of the blocks."""
        return 12 * self.n_layer * self.n_embd**2


LADDER = (
    Size(2, 2, 64, 8),
    Size(2, 4, 128, 8),
    Size(3, 4, 128, 8),
    Size(3, 3, 192, 8),
    Size(4, 3, 192, 8),
    Size(4, 4, 256, 8),
    Size(6, 4, 256, 8),
    Size(6, 6, 384, 16),
    Size(8, 8, 512, 32),
    Size(12, 12, 768, 32),
)


def fitting_sizes(train_tokens: int) -> list[Size]:
    """Return the sizes that so much text can carry: always the smallest."""
    room = PARAMETERS_PER_TOKEN * train_tokens
    return [size for size in LADDER if size is LADDER[0] or size.parameters <= room]


def step_flops(c: ModelConfig) -> float:
    """Estimate the floating-point operations of a training step per token.

    6 per parameter of a matrix product, 12 L C T for attention (PaLM, Chowdhery et al. 2022).
    """
    blocks = 12 * c.n_layer * c.n_embd**2
    return 6 * blocks + head_flops(c) + 12 * c.n_layer * c.n_embd * c.block_size


def head_flops(c: ModelConfig) -> float:
    """Return those of the head, which grow with the vocabulary."""
    return 6 * c.n_embd * c.vocab_size
