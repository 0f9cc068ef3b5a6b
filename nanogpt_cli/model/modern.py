"""The architecture that the quick start trains: GPT-2's parts, arranged as recent small models do.

Normalisation without gains (Groeneveld et al. 2024), also of queries and keys (Henry et al. 2020),
squared ReLU (So et al. 2021), output projections that start at zero, a head of its own, and
embeddings of short runs of tokens beside those of single ones (Huang et al. 2025). Everything else
is ``gpt.py``'s.

Shape letters: as in ``gpt.py``.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nanogpt_cli.config import ModelConfig
from nanogpt_cli.model.accounting import Role
from nanogpt_cli.model.cache import KVCache
from nanogpt_cli.model.gpt import GPT, MLP, Block, CausalSelfAttention
from nanogpt_cli.model.positions import Position


class PlainNorm(nn.Module):
    """Normalisation with nothing to learn: LayerNorm, or the RMSNorm of early checkpoints.

    On a CPU torch has one kernel for the former and a chain of seven for the latter.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.kind = config.norm

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the last dimension of (..., C) or (..., D)."""
        if self.kind == "rms":
            return F.rms_norm(x, x.shape[-1:])
        return F.layer_norm(x, x.shape[-1:])


class NgramEmbedding(nn.Module):
    """An embedding of the 2, of the 3 and of the 4 tokens that end at each position, summed.

    A hash finds the row of a run of tokens, and runs with the same hash share it (Huang et al.
    2025). A lookup costs next to nothing, and what follows most short runs need not be worked out
    by layers.
    """

    LENGTHS = (2, 3, 4)

    def __init__(self, rows: int, width: int) -> None:
        super().__init__()
        self.rows = rows
        self.tables = nn.Embedding(len(self.LENGTHS) * rows, width)

    def forward(self, idx: Tensor, T: int) -> Tensor:
        """Embed (B, T, C) the runs that end at the last T tokens of ids (B, T to T + 3).

        An id of -1 stands where there is no token, as do ids that are not given.
        """
        before = self.LENGTHS[-1] - 1
        ids = F.pad(idx + 1, (before + T - idx.size(1), 0))  # B, 3 + T; 0 where nothing was before
        code, rows = ids[:, before:], []
        for table, length in enumerate(self.LENGTHS):
            first = before - length + 1
            code = code * 1_000_003 + ids[:, first : first + T]
            # Fibonacci hashing (Knuth 1973): the upper bits of a product depend on all of the code
            rows.append(((code * -7_046_029_254_386_353_131) >> 40) % self.rows + table * self.rows)
        runs = torch.stack(rows, dim=-1)  # B, T, 3
        bag = F.embedding_bag(runs.flatten(0, 1), self.tables.weight, mode="sum")  # B T, C
        return bag.view(*runs.shape[:2], -1)


class ModernAttention(CausalSelfAttention):
    """Attention with normalised queries and keys, and without dropout of scores.

    Dropping scores costs more on a CPU than it brings.
    """

    bounded_scores = True

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__(config, layer)
        self.attention_dropout = 0.0
        self.qk_norm = PlainNorm(config)

    def heads(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Project x (B, T, C) to queries, keys and values (B, H, T, D)."""
        q, k, v = super().heads(x)
        return self.qk_norm(q), self.qk_norm(k), v


class ModernMLP(MLP):
    """An MLP with squared ReLU."""

    def activation(self, x: Tensor) -> Tensor:
        """Square what is positive; ``x * x`` is faster than ``square`` on a CPU."""
        x = F.relu(x)
        return x * x


class ModernBlock(Block):
    """GPT-2's block with the parts above."""

    norm_class = PlainNorm
    attention_class = ModernAttention
    mlp_class = ModernMLP


class ModernGPT(GPT):
    """A GPT of modern blocks, with n-gram embeddings and a head that is not tied."""

    block_class = ModernBlock
    tied_head = False
    embedding_rate = 6.0
    """Its embeddings are about 50 times as large as GPT-2's, and move faster."""

    def make_embeddings(self) -> dict[str, nn.Module]:
        """Build the embeddings of tokens, positions and n-grams."""
        parts = super().make_embeddings()
        if self.config.ngram_rows > 0:
            parts["ngram"] = NgramEmbedding(self.config.ngram_rows, self.config.n_embd)
            if "relative" in parts:  # in checkpoints and in sums over parameters it comes last
                parts["relative"] = parts.pop("relative")
        return parts

    @property
    def ngram(self) -> NgramEmbedding | None:
        """The n-gram embedding; None where ``ngram_rows`` is 0."""
        return getattr(self.transformer, "ngram", None)

    @torch.no_grad()
    def init_weights(self) -> None:
        """Draw all parameters anew; the loss then starts at ln V.

        | parameters                       | start                      |
        |----------------------------------|----------------------------|
        | matrices                         | normal, 1 / sqrt(C)        |
        | c_proj, lm_head, n-gram tables   | 0                          |
        | table of tokens                  | normal, 1                  |
        | table of positions               | normal, 0.02               |
        | biases                           | 0                          |
        | a relative table                 | see ``positions.Relative`` |
        """
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear):
                std = 0.0 if name.endswith("c_proj") else self.config.n_embd**-0.5
                nn.init.normal_(module.weight, std=std)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Embedding):
                # positions move 15 times slower than tokens, and should not have to outgrow noise
                nn.init.normal_(module.weight, std=0.02 if isinstance(module, Position) else 1.0)
        nn.init.zeros_(self.lm_head.weight)
        if self.ngram is not None:
            nn.init.zeros_(self.ngram.tables.weight)
        for position in self.positions:
            position.init_weights()

    def embed(self, idx: Tensor, cache: KVCache | None) -> Tensor:
        """Embed token ids (B, T) and the runs of tokens that end there as (B, T, C)."""
        x = super().embed(idx, cache)
        if self.ngram is None:
            return x
        known = idx if cache is None else cache.extend_ids(idx, NgramEmbedding.LENGTHS[-1] - 1)
        out: Tensor = x + self.ngram(known, idx.size(1))
        return out

    def roles(self) -> Iterator[tuple[Role, nn.Parameter]]:
        """Yield every parameter, in order, after its role for an optimizer."""
        for role, p in super().roles():
            yield "ngram" if self.ngram is not None and p is self.ngram.tables.weight else role, p
