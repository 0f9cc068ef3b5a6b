"""How a model knows where a token stands: one class for each position embedding.

A position embedding can act in three places: on the stream, on queries and keys, and on the
attention scores. ``Position`` does nothing in any of them. To add one, write a subclass that takes
a ModelConfig and add a line to ``registry.POSITIONS``. Nothing here knows what a block is made of.

Shape letters: B batch, T new tokens, S tokens that can be attended to, C channels (n_embd), H
heads, D head size (C / H). Positions (1 or B, T) are the same for all rows, or one row's each.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial, reduce
from typing import ClassVar

import torch
from torch import Tensor, nn

from nanogpt_cli.config import ModelConfig
from nanogpt_cli.registry import POSITIONS

Transform = Callable[[Tensor], Tensor]


class Position(nn.Module):
    """A position embedding; this one does nothing. A subclass is built from a ModelConfig."""

    name: ClassVar[str] = ""
    """What it is called inside the transformer, and so in checkpoints."""
    decays: ClassVar[bool] = True
    """Whether its matrices are decayed by the optimizer."""

    def init_weights(self) -> None:
        """Set parameters that do not start as other embeddings do, which are drawn before."""

    def embed(self, x: Tensor, at: Tensor) -> Tensor:
        """Return the stream (B, T, C) of tokens at positions (1 or B, T)."""
        return x

    def turn(self, at: Tensor) -> Transform | None:
        """Return what is applied to queries and keys (B, H, T, D) at positions (1 or B, T)."""
        return None

    def bias(self, at: Tensor, S: int) -> Tensor | None:
        """Return what is added to scores (1 or B, H, T, S): queries at ``at``, keys at 0 to S-1."""
        return None

    @classmethod
    def crop(cls, table: Tensor, block_size: int) -> Tensor:
        """Return one of its parameters as a model of a shorter block has it."""
        return table

    @classmethod
    def extend(cls, table: Tensor, block_size: int) -> Tensor | None:
        """Return one of its parameters as a model of a longer block has it; None where none can."""
        return table


class Learned(nn.Embedding, Position):
    """``default``: a learned vector per position, added to the token's (Radford et al. 2018)."""

    name = "wpe"

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config.block_size, config.n_embd)

    def embed(self, x: Tensor, at: Tensor) -> Tensor:
        """Add the vectors. Raises ValueError for more tokens than the table has positions."""
        if x.size(1) > self.num_embeddings:
            raise ValueError(f"{x.size(1)} tokens do not fit a block_size of {self.num_embeddings}")
        out: Tensor = x + self(at)
        return out

    @classmethod
    def crop(cls, table: Tensor, block_size: int) -> Tensor:
        """Keep the first positions."""
        return table[:block_size].clone()

    @classmethod
    def extend(cls, table: Tensor, block_size: int) -> Tensor | None:
        """Return None: nothing is known of positions that were never trained."""
        return None


class Rotary(Position):
    """``rope``: queries and keys rotated by their position (Su et al. 2021).

    Each pair of channels rotates with the position at a speed of its own, so that the dot product
    of a query and a key depends on their distance only.
    """

    name = "rotary"

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.head_size = config.n_embd // config.n_head

    def turn(self, at: Tensor) -> Transform:
        """Return the rotation."""
        cos, sin = rotation(at, self.head_size)
        return partial(rotate, cos=cos[:, None], sin=sin[:, None])  # 1 or B, 1, T, D/2


def rotation(at: Tensor, head_size: int, base: float = 10_000.0) -> tuple[Tensor, Tensor]:
    """Return cosine and sine (..., T, D/2) of the angles at positions (..., T)."""
    pairs = torch.arange(0, head_size, 2, device=at.device)  # D/2
    angles = at[..., None] * base ** -(pairs / head_size)  # ..., T, D/2
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate the pairs of channels (i, i + D/2) of x (B, H, T, D)."""
    cos, sin = cos.type_as(x), sin.type_as(x)
    a, b = x.chunk(2, dim=-1)  # B, H, T, D/2
    return torch.cat((a * cos - b * sin, a * sin + b * cos), dim=-1)


class Relative(Position):
    """``relative``: a learned bias per head and distance, added to the scores of every layer.

    Like T5's (Raffel et al. 2020) without buckets. A zero table changes nothing. Distances beyond
    the table share its last row.
    """

    name = "relative"
    decays = False

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.relative_embeddings = nn.Embedding(config.block_size, config.n_head)

    def init_weights(self) -> None:
        """Start with nearer tokens weighing more, at a rate per head (ALiBi, Press et al. 2022)."""
        table = self.relative_embeddings.weight  # distances, H
        distances, H = table.shape
        slopes = 2.0 ** (-8.0 * torch.arange(1, H + 1) / H)  # H
        table.copy_(-torch.arange(distances)[:, None] * slopes)

    def bias(self, at: Tensor, S: int) -> Tensor:
        """Look up the bias of each distance; of keys after the query it is that of distance 0."""
        distance = at[..., None] - torch.arange(S, device=at.device)  # 1 or B, T, S
        last = self.relative_embeddings.num_embeddings - 1
        bias: Tensor = self.relative_embeddings(distance.clamp(0, last))  # 1 or B, T, S, H
        return bias.permute(0, 3, 1, 2)

    @classmethod
    def crop(cls, table: Tensor, block_size: int) -> Tensor:
        """Keep the nearest distances."""
        return table[:block_size].clone()

    @classmethod
    def extend(cls, table: Tensor, block_size: int) -> Tensor | None:
        """Give farther distances the bias of the last, which they had before."""
        return torch.cat([table, table[-1:].expand(block_size - len(table), -1)])


def position_classes(config: ModelConfig) -> list[type[Position]]:
    """Return the classes a model uses: one, or a learned table beside it in migrated models."""
    names = ["default", config.pos_embd] if config.absolute_table else [config.pos_embd]
    return [POSITIONS.get(name) for name in dict.fromkeys(names)]


def fit_tables(
    config: ModelConfig, state: Mapping[str, Tensor], block_size: int
) -> dict[str, Tensor]:
    """Return the state dict of a model with ``config``, its tables fitted to another block.

    Raises ValueError where one cannot be extended to a longer block.
    """
    fitted = dict(state)
    for position in position_classes(config):
        fit = position.extend if block_size > config.block_size else position.crop
        for name in state:
            if name.startswith(f"transformer.{position.name}."):
                table = fit(state[name], block_size)
                if table is None:
                    raise ValueError(f"{name} has no more than {config.block_size} positions")
                fitted[name] = table
    return fitted


class Positions(list[Position]):
    """The position embeddings of one model, applied one after another."""

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        super().__init__(module for module in modules if isinstance(module, Position))

    def embed(self, x: Tensor, at: Tensor) -> Tensor:
        """Return the stream (B, T, C) of tokens at positions (1 or B, T)."""
        return reduce(lambda x, position: position.embed(x, at), self, x)

    def turn(self, at: Tensor) -> Transform:
        """Return what is applied to queries and keys (B, H, T, D), computed once for all layers."""
        turns = [turn for position in self if (turn := position.turn(at)) is not None]
        return lambda x: reduce(lambda x, turn: turn(x), turns, x)

    def mask(self, at: Tensor, S: int, alike: bool) -> Tensor | None:
        """Return what is added to the scores (1 or B, 1 or H, T, S), -inf where a key comes later.

        ``alike``: in all rows the T tokens are the last of S. None where attention needs no mask
        but the causal one that is its own.
        """
        biases = [bias for position in self if (bias := position.bias(at, S)) is not None]
        if not biases and alike and at.size(1) in (1, S):
            return None
        later = torch.arange(S, device=at.device) > at[:, None, :, None]  # 1 or B, 1, T, S
        # four dimensions: attention then takes the same kernel as without a mask, to the last bit
        bias = reduce(torch.add, biases) if biases else torch.zeros(later.shape, device=at.device)
        return bias.masked_fill(later, -math.inf)
