# mypy: ignore-errors
"""A GPT trained with nanogpt, for transformers: what no class of its own computes.

Learned, rotary and relative positions, and n-gram embeddings, in GPT-2's arrangement and in the
modern one. It needs torch and transformers alone, and keeps no cache: a token costs the whole
context. Parameter names are nanoGPT's.

Shape letters: B batch, T tokens, C channels, H heads, D head size.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F
from transformers import GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput


class NanoGPTConfig(PretrainedConfig):
    """The settings of nanogpt's ModelConfig, under their names there."""

    model_type = "nanogpt"
    attribute_map = {  # noqa: RUF012
        "hidden_size": "n_embd",
        "num_hidden_layers": "n_layer",
        "num_attention_heads": "n_head",
        "max_position_embeddings": "block_size",
    }


class Norm(nn.Module):
    """LayerNorm with what ``config`` has of gains and biases, or RMSNorm."""

    def __init__(self, config):
        super().__init__()
        learned = config.arch == "gpt2"
        self.rms = not learned and config.norm == "rms"
        self.weight = nn.Parameter(torch.ones(config.n_embd)) if learned else None
        self.bias = nn.Parameter(torch.zeros(config.n_embd)) if learned and config.bias else None

    def forward(self, x):
        """Normalise the last dimension."""
        if self.rms:
            return F.rms_norm(x, x.shape[-1:])
        return F.layer_norm(x, x.shape[-1:], self.weight, self.bias, 1e-5)


class Attention(nn.Module):
    """Causal attention."""

    def __init__(self, config):
        super().__init__()
        self.n_head, self.modern = config.n_head, config.arch == "modern"
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd, bias=config.bias)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd, bias=config.bias)
        self.qk_norm = Norm(config) if self.modern else nn.Identity()

    def forward(self, x, rotation, mask):
        """Attend within x (B, T, C)."""
        B, T, C = x.shape
        q, k, v = (
            part.view(B, T, self.n_head, -1).transpose(1, 2) for part in self.c_attn(x).split(C, 2)
        )  # B, H, T, D
        q, k = self.qk_norm(q), self.qk_norm(k)
        if rotation is not None:
            q, k = rotate(q, *rotation), rotate(k, *rotation)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.c_proj(y.transpose(1, 2).reshape(B, T, C))


def rotate(x, cos, sin):
    """Rotate the pairs of channels (i, i + D/2)."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, a * sin + b * cos), dim=-1)


class MLP(nn.Module):
    """Two layers with GELU or squared ReLU between them."""

    def __init__(self, config):
        super().__init__()
        self.kind = "relu2" if config.arch == "modern" else config.gelu
        self.c_fc = nn.Linear(config.n_embd, 4 * config.n_embd, bias=config.bias)
        self.c_proj = nn.Linear(4 * config.n_embd, config.n_embd, bias=config.bias)

    def forward(self, x):
        """Map each token by itself."""
        x = self.c_fc(x)
        if self.kind == "relu2":
            return self.c_proj(F.relu(x).square())
        return self.c_proj(F.gelu(x, approximate="tanh" if self.kind == "tanh" else "none"))


class Block(nn.Module):
    """Attention, then MLP."""

    def __init__(self, config):
        super().__init__()
        self.ln_1, self.attn = Norm(config), Attention(config)
        self.ln_2, self.mlp = Norm(config), MLP(config)

    def forward(self, x, rotation, mask):
        """Map the stream (B, T, C) to the stream."""
        x = x + self.attn(self.ln_1(x), rotation, mask)
        return x + self.mlp(self.ln_2(x))


class Ngrams(nn.Module):
    """An embedding of the 2, 3 and 4 tokens that end at each position, found by a hash."""

    def __init__(self, config):
        super().__init__()
        self.rows = config.ngram_rows
        self.tables = nn.Embedding(3 * self.rows, config.n_embd)

    def forward(self, ids):
        """Embed the runs of tokens that end at each of ids (B, T)."""
        T = ids.size(1)
        ids = F.pad(ids + 1, (3, 0))  # 0 where nothing was before
        code, found = ids[:, 3:], 0
        for table in range(3):
            code = code * 1_000_003 + ids[:, 2 - table : 2 - table + T]
            row = ((code * -7_046_029_254_386_353_131) >> 40) % self.rows
            found = found + self.tables(row + table * self.rows)
        return found


class Relative(nn.Module):
    """A bias for each distance and head."""

    def __init__(self, config):
        super().__init__()
        self.relative_embeddings = nn.Embedding(config.block_size, config.n_head)


class NanoGPTForCausalLM(PreTrainedModel, GenerationMixin):
    """Token ids to logits."""

    config_class = NanoGPTConfig
    _tied_weights_keys = {"lm_head.weight": "transformer.wte.weight"}  # noqa: RUF012

    def __init__(self, config):
        super().__init__(config)
        parts = {"wte": nn.Embedding(config.vocab_size, config.n_embd)}
        if config.pos_embd == "default" or config.absolute_table:
            parts["wpe"] = nn.Embedding(config.block_size, config.n_embd)
        if config.arch == "modern" and config.ngram_rows:
            parts["ngram"] = Ngrams(config)
        if config.pos_embd == "relative":
            parts["relative"] = Relative(config)
        parts["h"] = nn.ModuleList(Block(config) for _ in range(config.n_layer))
        parts["ln_f"] = Norm(config)
        self.transformer = nn.ModuleDict(parts)
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        self.post_init()

    def get_input_embeddings(self):
        """Return the table of tokens."""
        return self.transformer["wte"]

    def get_output_embeddings(self):
        """Return the head."""
        return self.lm_head

    def forward(self, input_ids, attention_mask=None, labels=None, **kwargs):
        """Return logits (B, T, V) of ids (B, T). Padding to the left is not supported."""
        T, parts = input_ids.size(1), self.transformer
        at = torch.arange(T, device=input_ids.device)
        x = parts["wte"](input_ids)
        if "wpe" in parts:
            x = x + parts["wpe"](at)
        if "ngram" in parts:
            x = x + parts["ngram"](input_ids)
        rotation, distance = None, at[:, None] - at
        if self.config.pos_embd == "rope":
            D = self.config.n_embd // self.config.n_head
            angles = at[:, None] * 1e4 ** -(torch.arange(0, D, 2, device=at.device) / D)
            rotation = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
        bias = torch.zeros(1, T, T, device=at.device, dtype=x.dtype)
        if "relative" in parts:
            table = parts["relative"].relative_embeddings
            bias = table(distance.clamp(0, table.num_embeddings - 1)).permute(2, 0, 1)
        mask = bias.masked_fill(distance < 0, -math.inf)[None]
        for block in parts["h"]:
            x = block(x, rotation, mask)
        logits = self.lm_head(parts["ln_f"](x))
        loss = None
        if labels is not None:
            loss = F.cross_entropy(logits[:, :-1].flatten(0, 1).float(), labels[:, 1:].flatten())
        return CausalLMOutput(loss=loss, logits=logits)

    def prepare_inputs_for_generation(self, input_ids, **kwargs):
        """Return the last tokens that fit the context."""
        return {"input_ids": input_ids[:, -self.config.block_size :]}
