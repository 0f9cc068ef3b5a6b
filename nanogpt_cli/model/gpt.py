"""GPT-2 from top to bottom (Radford et al. 2019): token ids in, logits out.

One thing varies, how a token knows where it stands: ``positions.py``. Attention and loss are
computed in ``kernels.py``, and ``cache.py`` holds what need not be computed twice. Parameter names
are nanoGPT's. This file knows nothing of files, tokenizers, training or other architectures.

Shape letters: B batch, T tokens, S tokens that can be attended to (cached ones and the new T), C
channels (n_embd), H heads, D head size (C / H), V vocabulary, L layers.
"""

import math
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nanogpt_cli.config import ModelConfig
from nanogpt_cli.model.accounting import Accounting
from nanogpt_cli.model.cache import KVCache
from nanogpt_cli.model.kernels import attend, head_loss, to_stream_type
from nanogpt_cli.model.positions import Positions, Transform, position_classes


class LayerNorm(nn.Module):
    """LayerNorm with a gain and, if wanted, a bias."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(config.n_embd))
        self.bias = nn.Parameter(torch.zeros(config.n_embd)) if config.bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the last dimension of (B, T, C)."""
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, 1e-5)


class CausalSelfAttention(nn.Module):
    """Multi-head attention in which no token sees a later one (Vaswani et al. 2017)."""

    bounded_scores: ClassVar[bool] = False
    """Whether scores stay small whatever is learned, and may be rounded."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.n_head, self.layer = config.n_head, layer
        self.dropout = self.attention_dropout = config.dropout
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd, bias=config.bias)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd, bias=config.bias)

    def heads(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Project x (B, T, C) to queries, keys and values (B, H, T, D)."""
        B, T, C = x.shape
        q, k, v = self.c_attn(x).split(C, dim=2)  # B, T, C
        q, k, v = (part.view(B, T, self.n_head, -1).transpose(1, 2) for part in (q, k, v))
        return q, k, v

    def forward(
        self, x: Tensor, turn: Transform, mask: Tensor | None, cache: KVCache | None
    ) -> Tensor:
        """Attend within x (B, T, C), and to what ``cache`` holds.

        ``turn`` tells queries and keys their positions. ``mask`` (1 or B, 1 or H, T, S) is added
        to the scores; without it the mask is the causal one.
        """
        q, k, v = self.heads(x)  # B, H, T, D
        q, k = turn(q), turn(k)
        if cache is not None:
            k, v = cache.extend(self.layer, k, v)  # B, H, S, D
        dropout = self.attention_dropout if self.training else 0.0
        y = attend(q, k, v, mask, dropout, self.bounded_scores)  # B, H, T, D
        y = self.c_proj(y.transpose(1, 2).reshape(x.shape))  # B, T, C
        return F.dropout(y, self.dropout, self.training)


class MLP(nn.Module):
    """Two linear layers with a nonlinearity between them, where it is four times as wide."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gelu = "tanh" if config.gelu == "tanh" else "none"
        self.dropout = config.dropout
        self.c_fc = nn.Linear(config.n_embd, 4 * config.n_embd, bias=config.bias)
        self.c_proj = nn.Linear(4 * config.n_embd, config.n_embd, bias=config.bias)

    def activation(self, x: Tensor) -> Tensor:
        """Apply GELU (Hendrycks & Gimpel 2016), with erf or its approximation by tanh."""
        return F.gelu(x, approximate=self.gelu)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, T, C) to (B, T, C), each token by itself."""
        x = self.c_proj(self.activation(self.c_fc(x)))
        return F.dropout(x, self.dropout, self.training)


class Block(nn.Module):
    """Attention, then MLP; each reads a normalised stream and adds to it."""

    norm_class: ClassVar[type[nn.Module]] = LayerNorm
    attention_class: ClassVar[type[CausalSelfAttention]] = CausalSelfAttention
    mlp_class: ClassVar[type[MLP]] = MLP

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.ln_1 = self.norm_class(config)
        self.attn = self.attention_class(config, layer)
        self.ln_2 = self.norm_class(config)
        self.mlp = self.mlp_class(config)

    def forward(
        self, x: Tensor, turn: Transform, mask: Tensor | None, cache: KVCache | None
    ) -> Tensor:
        """Map the stream (B, T, C) to the stream (B, T, C)."""
        x = x + self.attn(self.ln_1(x), turn, mask, cache)
        out: Tensor = x + self.mlp(self.ln_2(x))
        return out


class GPT(Accounting):
    """A GPT-2. ``factory.make_model`` builds it, or the architecture that a configuration names.

    Example:
        >>> model = GPT(ModelConfig(vocab_size=65, arch="gpt2", pos_embd="rope"))
        >>> model(torch.tensor([[1, 2, 3]])).shape
        torch.Size([1, 3, 65])

    """

    block_class: ClassVar[type[Block]] = Block

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        parts = self.make_embeddings()
        self.positions = Positions(parts.values())
        parts["drop"] = nn.Dropout(config.dropout)
        parts["h"] = nn.ModuleList(self.block_class(config, i) for i in range(config.n_layer))
        parts["ln_f"] = self.block_class.norm_class(config)
        self.transformer = nn.ModuleDict(parts)
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        self.tie_weights()
        self.init_weights()

    def make_embeddings(self) -> dict[str, nn.Module]:
        """Build what comes before the blocks, by name: the embedding of tokens, of positions."""
        wte = nn.Embedding(self.config.vocab_size, self.config.n_embd)
        positions = [position(self.config) for position in position_classes(self.config)]
        return {"wte": wte, **{position.name: position for position in positions}}

    def tie_weights(self) -> None:
        """Let the head share the table of tokens (Press & Wolf 2017), where it is tied."""
        if self.tied_head:
            self.lm_head.weight = self.transformer.wte.weight

    @torch.no_grad()
    def init_weights(self) -> None:
        """Draw all parameters anew; the loss then starts at ln V.

        | parameters                            | start                        |
        |---------------------------------------|------------------------------|
        | matrices, tables of tokens, positions | normal, 0.02                 |
        | c_proj, which adds to the stream      | normal, 0.02 / sqrt(2 L)     |
        | biases                                | 0                            |
        | gains                                 | 1, as they are built         |
        | a relative table                      | see ``positions.Relative``   |
        """
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear):
                shrink = math.sqrt(2 * self.config.n_layer) if name.endswith("c_proj") else 1.0
                nn.init.normal_(module.weight, std=0.02 / shrink)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)
        for position in self.positions:
            position.init_weights()

    def embed(self, idx: Tensor, cache: KVCache | None) -> Tensor:
        """Embed token ids (B, T) as (B, T, C), their positions aside."""
        return F.embedding(idx, self.transformer.wte.weight)

    def new_cache(self, rows: int = 1) -> KVCache:
        """Return an empty cache for sequences of this model, on its device."""
        return KVCache.empty(self.config, rows, self.transformer.wte.weight)

    def hidden(
        self, idx: Tensor, cache: KVCache | None = None, counts: Tensor | None = None
    ) -> Tensor:
        """Map token ids (B, T) to the last layer's normalised stream (B, T, C).

        With a cache its rows are continued. ``counts`` (B,) says how many of a row's T tokens are
        its own; the rest is padding, which is not stored and comes out meaningless. Raises
        ValueError for more tokens than a table or the cache has room for.
        """
        T = idx.size(1)
        if cache is None:
            at, S, alike = torch.arange(T, device=idx.device)[None], T, True  # 1, T
        else:
            at, S, alike = cache.start(T, counts)  # 1 or B, T
        x = self.positions.embed(self.embed(idx, cache), at)  # B, T, C
        x = to_stream_type(self.transformer.drop(x))
        turn, mask = self.positions.turn(at), self.positions.mask(at, S, alike)
        for block in self.transformer.h:
            x = block(x, turn, mask, cache)
        if cache is not None:
            cache.advance()
        out: Tensor = self.transformer.ln_f(x)
        return out

    def forward(self, idx: Tensor, targets: Tensor | None = None) -> Tensor:
        """Return logits (B, T, V) of ids (B, T), or with targets (B, T) the summed loss in nats.

        Targets of -1 do not count. Divide by the number of those that do for the mean.
        """
        x = self.hidden(idx)  # B, T, C
        if targets is None:
            return F.linear(x, self.lm_head.weight)  # B, T, V
        return head_loss(x.flatten(0, 1), self.lm_head.weight, targets.flatten())
