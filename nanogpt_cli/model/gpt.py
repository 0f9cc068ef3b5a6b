"""The whole model: a decoder-only GPT, from token ids to logits.

Shape letters: B batch, T tokens, S tokens seen so far (cached ones and the new T), C channels
(n_embd), H heads, D head size (C / H), V vocabulary, L layers.

`gpt2` is the reference arrangement (Radford et al. 2019), with nanoGPT's parameter names, so that
everyone's weights load. `modern` arranges the same parts as recent small models do: normalisation
without gains (Groeneveld et al. 2024), also of queries and keys (Henry et al. 2020), squared ReLU
(So et al. 2021), output projections that start at zero, a head of its own, and embeddings of short
runs of tokens beside those of single ones (Huang et al. 2025).

This file knows nothing of files, tokenizers or training.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nanogpt_cli.config import ModelConfig, Norm
from nanogpt_cli.model.kernels import head_loss


class KVCache:
    """The keys and values of the tokens seen so far, so that each token is computed once."""

    def __init__(self, model: "GPT", batch: int = 1) -> None:
        c = model.config
        weight = model.transformer.wte.weight
        shape = (c.n_layer, batch, c.n_head, c.block_size, c.n_embd // c.n_head)  # L, B, H, S, D
        # not filled: a context costs memory only as far as it is used
        self.keys = torch.empty(shape, device=weight.device, dtype=weight.dtype)
        self.values = torch.empty_like(self.keys)
        self.ids = torch.empty(batch, c.block_size, device=weight.device, dtype=torch.long)
        self.length = 0

    def extend(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Store new keys and values (B, H, T, D) of ``layer``; give all so far (B, H, S, D)."""
        end = self.length + k.size(2)
        self.keys[layer, :, :, self.length : end] = k
        self.values[layer, :, :, self.length : end] = v
        return self.keys[layer, :, :, :end], self.values[layer, :, :, :end]

    def extend_ids(self, idx: Tensor, before: int) -> Tensor:
        """Store new ids (B, T); give them with up to ``before`` earlier ones (B, <= before + T)."""
        end = self.length + idx.size(1)
        self.ids[:, self.length : end] = idx
        return self.ids[:, max(0, self.length - before) : end]


class LayerNorm(nn.Module):
    """LayerNorm with a gain and, if wanted, a bias."""

    def __init__(self, width: int, bias: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the last dimension of (..., C)."""
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, 1e-5)


class PlainNorm(nn.Module):
    """Normalisation with nothing to learn: LayerNorm, or the RMSNorm of early checkpoints.

    On a CPU torch has one kernel for the former and a chain of seven for the latter.
    """

    def __init__(self, kind: Norm) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the last dimension of (..., C)."""
        if self.kind == "rms":
            return F.rms_norm(x, x.shape[-1:])
        return F.layer_norm(x, x.shape[-1:])


def make_norm(config: ModelConfig) -> nn.Module:
    """Give the normalisation of this arrangement."""
    if config.arch == "modern":
        return PlainNorm(config.norm)
    return LayerNorm(config.n_embd, config.bias)


def rotation(positions: Tensor, head_size: int, base: float = 10_000.0) -> tuple[Tensor, Tensor]:
    """Give cosine and sine (T, D/2) of the rotary position embedding (Su et al. 2021).

    Each pair of channels turns with the position (T,), at its own pace. The dot product of a turned
    query and a turned key depends on their distance only.
    """
    pairs = torch.arange(0, head_size, 2, device=positions.device)  # D/2
    angles = positions[:, None] * base ** -(pairs / head_size)  # T, D/2
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn the pairs (i, i + D/2) of x (B, H, T, D)."""
    cos, sin = cos.type_as(x), sin.type_as(x)
    a, b = x.chunk(2, dim=-1)  # B, H, T, D/2
    return torch.cat((a * cos - b * sin, a * sin + b * cos), dim=-1)


def _stream_type(x: Tensor) -> Tensor:
    """Let the stream be bfloat16 where the products are: half of the memory to read and write."""
    device = x.device.type
    if torch.is_autocast_enabled(device) and torch.get_autocast_dtype(device) == torch.bfloat16:
        return x.bfloat16()
    return x


class NgramEmbedding(nn.Module):
    """An embedding of the 2, of the 3 and of the 4 tokens that end at each position, added up.

    A hash finds a run's row, and runs that fall on one row share it (Huang et al. 2025). Looking
    up costs next to nothing, and what follows most short runs need not be worked out by layers.
    """

    LENGTHS = (2, 3, 4)

    def __init__(self, rows: int, width: int) -> None:
        super().__init__()
        self.rows = rows
        self.tables = nn.Embedding(len(self.LENGTHS) * rows, width)

    def forward(self, idx: Tensor, T: int) -> Tensor:
        """Embed (B, T, C) the runs that end at the last T tokens of ids (B, T to T + 3)."""
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


class RelativeBias(nn.Module):
    """A learned bias per head and distance, added to the attention scores of every layer.

    Like T5's (Raffel et al. 2020) without buckets. A zero table changes nothing. Distances beyond
    the table share its last row.
    """

    def __init__(self, distances: int, n_head: int) -> None:
        super().__init__()
        self.relative_embeddings = nn.Embedding(distances, n_head)

    def forward(self, T: int, S: int) -> Tensor:
        """Give the bias (1, H, T, S) of the last T of S tokens; -inf where the future begins."""
        at = torch.arange(S, device=self.relative_embeddings.weight.device)
        distance = at[S - T :, None] - at[None, :]  # T, S
        last = self.relative_embeddings.num_embeddings - 1
        bias: Tensor = self.relative_embeddings(distance.clamp(0, last))  # T, S, H
        # with four dimensions attention takes the same kernel as without a mask, to the last bit
        return bias.permute(2, 0, 1)[None].masked_fill(distance < 0, -math.inf)  # 1, H, T, S


def attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, dropout: float) -> Tensor:
    """Mix the values (B, H, S, D) by softmax(q k^T / sqrt(D) + bias) for queries (B, H, T, D).

    Without ``bias`` (1, H or 1, T, S) the last T of S tokens each see what is not after them.
    """
    B, H, T, D = q.shape
    S = k.size(2)
    if not _products_are_faster(q, bias):
        mask = None if bias is None else bias.to(q.dtype)
        return F.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, dropout_p=dropout, is_causal=bias is None and T > 1
        )
    if bias is None:
        bias = torch.full((1, 1, T, S), -math.inf, device=q.device).triu(S - T + 1)
    q, k, v = (part.flatten(0, 1) for part in (q, k, v))  # B H, T or S, D
    bias = bias.to(q.dtype).expand(B, H, T, S).flatten(0, 1)  # B H, T, S
    scores = torch.baddbmm(bias, q, k.mT, alpha=1 / math.sqrt(D))
    weights = F.dropout(scores.softmax(-1), dropout)
    return (weights @ v).view(B, H, T, D)


def _products_are_faster(q: Tensor, bias: Tensor | None) -> bool:
    """Tell whether plain matrix products beat torch's fused attention: in training on a CPU.

    Its backward pass in bfloat16 takes about three times as long as theirs, and it has none for a
    bias. Long contexts need the fused kernel, which never holds all scores.
    """
    trained_bias = bias is not None and bias.requires_grad
    in_training = q.device.type == "cpu" and torch.is_grad_enabled() and q.size(2) <= 512
    return in_training and (q.dtype == torch.bfloat16 or trained_bias)


class CausalSelfAttention(nn.Module):
    """Multi-head attention in which no position sees a later one."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.config, self.layer = config, layer
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd, bias=config.bias)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd, bias=config.bias)
        self.qk_norm = PlainNorm(config.norm)
        self.resid_dropout = nn.Dropout(config.dropout)

    def forward(
        self,
        x: Tensor,
        turn: tuple[Tensor, Tensor] | None,
        mask: Tensor | None,
        cache: KVCache | None,
    ) -> Tensor:
        """Attend within x (B, T, C), and to what ``cache`` holds.

        ``turn`` holds the cosine and sine (T, D/2) of rotary positions.
        ``mask`` (1, H or 1, T, S) is added to the scores; without it the mask is the causal one.
        """
        B, T, C = x.shape
        modern = self.config.arch == "modern"
        q, k, v = (
            part.view(B, T, self.config.n_head, -1).transpose(1, 2)  # B, H, T, D
            for part in self.c_attn(x).split(C, dim=2)
        )
        if modern:
            q, k = self.qk_norm(q), self.qk_norm(k)
        if turn is not None:
            q, k = rotate(q, *turn), rotate(k, *turn)
        if cache is not None:
            k, v = cache.extend(self.layer, k, v)  # B, H, S, D
        # dropping scores costs more on a CPU than it brings; the modern arrangement does without
        dropout = self.config.dropout if self.training and not modern else 0.0
        y = attend(q, k, v, mask, dropout)  # B, H, T, D
        out: Tensor = self.resid_dropout(self.c_proj(y.transpose(1, 2).reshape(B, T, C)))
        return out


class MLP(nn.Module):
    """Two linear layers, four times as wide in between."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.c_fc = nn.Linear(config.n_embd, 4 * config.n_embd, bias=config.bias)
        self.c_proj = nn.Linear(4 * config.n_embd, config.n_embd, bias=config.bias)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, T, C) to (B, T, C), each token by itself."""
        x = self.c_fc(x)  # B, T, 4C
        if self.config.arch == "modern":
            x = F.relu(x)
            x = x * x
        else:
            x = F.gelu(x, approximate="tanh" if self.config.gelu == "tanh" else "none")
        out: Tensor = self.dropout(self.c_proj(x))
        return out


class Block(nn.Module):
    """Attention, then MLP; each reads a normalised stream and adds to it."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.ln_1 = make_norm(config)
        self.attn = CausalSelfAttention(config, layer)
        self.ln_2 = make_norm(config)
        self.mlp = MLP(config)

    def forward(
        self,
        x: Tensor,
        turn: tuple[Tensor, Tensor] | None,
        mask: Tensor | None,
        cache: KVCache | None,
    ) -> Tensor:
        """Map the stream (B, T, C) to the stream (B, T, C)."""
        x = x + self.attn(self.ln_1(x), turn, mask, cache)
        out: Tensor = x + self.mlp(self.ln_2(x))
        return out


class Transformer(nn.Module):
    """Everything but the head, under the names that nanoGPT gave its parts."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        if config.has_wpe:
            self.wpe = nn.Embedding(config.block_size, config.n_embd)
        if config.has_ngrams:
            self.ngram = NgramEmbedding(config.ngram_rows, config.n_embd)
        if config.pos_embd == "relative":
            self.relative = RelativeBias(config.block_size, config.n_head)
        self.drop = nn.Dropout(config.dropout)
        self.h = nn.ModuleList(Block(config, layer) for layer in range(config.n_layer))
        self.ln_f = make_norm(config)


class GPT(nn.Module):
    """A GPT language model.

    Example:
        >>> model = GPT(ModelConfig(vocab_size=65, pos_embd="rope"))
        >>> model(torch.tensor([[1, 2, 3]])).shape
        torch.Size([1, 3, 65])

    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.transformer = Transformer(config)
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        self.tie_weights()
        self.init_weights()

    def tie_weights(self) -> None:
        """Let GPT-2's head share the token table (Press & Wolf 2017)."""
        if self.config.arch == "gpt2":
            self.lm_head.weight = self.transformer.wte.weight

    @torch.no_grad()
    def init_weights(self) -> None:
        """Draw all weights anew; the loss then starts at ln V."""
        c = self.config
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear):
                std = 0.02 if c.arch == "gpt2" else c.n_embd**-0.5
                if name.endswith("c_proj"):
                    std = std / math.sqrt(2 * c.n_layer) if c.arch == "gpt2" else 0.0
                nn.init.normal_(module.weight, std=std)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=0.02 if c.arch == "gpt2" else 1.0)
        if c.arch == "modern":
            nn.init.zeros_(self.lm_head.weight)
        if c.has_ngrams:
            nn.init.zeros_(self.transformer.ngram.tables.weight)
        if c.pos_embd == "relative":
            # nearer tokens count more, each head at its own pace (ALiBi, Press et al. 2022)
            table = self.transformer.relative.relative_embeddings.weight  # S, H
            slopes = 2.0 ** (-8.0 * torch.arange(1, c.n_head + 1) / c.n_head)  # H
            table.copy_(-torch.arange(c.block_size)[:, None] * slopes)

    def hidden(self, idx: Tensor, cache: KVCache | None = None) -> Tensor:
        """Map token ids (B, T) to the last layer's normalised stream (B, T, C).

        With a cache the T tokens go on where it ends, and are stored in it.
        """
        c = self.config
        past = cache.length if cache is not None else 0
        T, S = idx.size(1), past + idx.size(1)
        if (c.has_wpe or cache is not None) and c.block_size < S:
            raise ValueError(f"{S} tokens do not fit a block_size of {c.block_size}")

        positions = torch.arange(past, S, device=idx.device)  # T
        x = self.transformer.wte(idx)  # B, T, C
        if c.has_ngrams:
            known = idx if cache is None else cache.extend_ids(idx, NgramEmbedding.LENGTHS[-1] - 1)
            x = x + self.transformer.ngram(known, T)
        if c.has_wpe:
            x = x + self.transformer.wpe(positions)
        x = _stream_type(self.transformer.drop(x))

        turn = rotation(positions, c.n_embd // c.n_head) if c.pos_embd == "rope" else None
        mask = None
        if c.pos_embd == "relative":
            mask = self.transformer.relative(T, S)  # 1, H, T, S
        elif past and T > 1:
            mask = torch.zeros(T, S, device=x.device).masked_fill(
                torch.arange(S, device=x.device) > positions[:, None], -math.inf
            )[None, None]  # 1, 1, T, S
        for block in self.transformer.h:
            x = block(x, turn, mask, cache)
        if cache is not None:
            cache.length = S
        out: Tensor = self.transformer.ln_f(x)
        return out

    def forward(self, idx: Tensor, targets: Tensor | None = None) -> Tensor:
        """Return logits (B, T, V) of ids (B, T), or with targets (B, T) the summed loss in nats.

        Targets of -1 do not count. Divide by the number of those that do for the mean.
        """
        x = self.hidden(idx)  # B, T, C
        if targets is None:
            logits: Tensor = self.lm_head(x)  # B, T, V
            return logits
        return head_loss(x.flatten(0, 1), self.lm_head.weight, targets.flatten())

    def parameter_count(self) -> int:
        """Count the weights; a tied head counts once."""
        return sum(p.numel() for p in self.parameters())

    def flops_per_token(self) -> float:
        """Estimate the floating-point operations of a training step per token.

        6 per weight in a matrix product, 12 L C T for attention (PaLM, Chowdhery et al. 2022).
        """
        c = self.config
        matrices = 12 * c.n_layer * c.n_embd**2 + c.n_embd * c.vocab_size
        return 6 * matrices + 12 * c.n_layer * c.n_embd * c.block_size
