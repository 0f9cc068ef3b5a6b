"""Models that transformers has a class for: its names, settings and layouts of tensors, and ours.

| here                              | there                                            |
|-----------------------------------|--------------------------------------------------|
| gpt2, learned positions           | GPT2LMHeadModel: matrices transposed             |
| gpt2, rope                        | GPTNeoXForCausalLM: q, k, v of each head together |
| modern, rope, without n-grams     | PersimmonForCausalLM: likewise                   |

Shape letters: C channels (n_embd), H heads, D head size (C / H), O outputs of a layer.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nanogpt_cli.checkpoint.schema import HEAD, Checkpoint
from nanogpt_cli.config import Gelu, ModelConfig

GELUS: Mapping[str, Gelu] = {"gelu_new": "tanh", "gelu_pytorch_tanh": "tanh", "gelu": "erf"}
_GELU_NAMES = {"tanh": "gelu_new", "erf": "gelu"}
_LAYER = "transformer.h."
_GAINS = re.compile(r"(ln_1|ln_2|ln_f|q_layernorm|k_layernorm)\.weight$")
_QKV = re.compile(r"attn\.c_attn\.(weight|bias)$")
_TRANSPOSED = re.compile(r"(c_attn|c_proj|c_fc)\.weight$")
_ROPE = {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 1.0}


class NotStockError(ValueError):
    """A setting or a tensor that the model here has no place for."""


@dataclass(frozen=True)
class Stock:
    """A class of transformers, and which of our models it computes."""

    model_type: str
    class_name: str
    fits: Callable[[ModelConfig], bool]
    names: Mapping[str, str]
    """Our name of a module to theirs; of a layer's parts, without the layer."""
    layers: str
    """What precedes the number of a layer."""
    block_size: str
    """What they call the length of the context."""
    sizes: Mapping[str, str]
    """Our settings, and what they call them."""
    fixed: Mapping[str, Any]
    """Settings that must have a value for the function to be ours; it is also their default."""
    ours: Mapping[str, Any]
    """Our settings that follow from the class."""

    def config(self, model: ModelConfig) -> dict[str, Any]:
        """Return the config.json of a model, without the ids of its tokens."""
        sizes = {theirs: getattr(model, ours) for ours, theirs in self.sizes.items()}
        found: dict[str, Any] = {
            "architectures": [self.class_name],
            "model_type": self.model_type,
            self.block_size: model.block_size,
            "vocab_size": model.vocab_size,
            **sizes,
            **self.fixed,
            "torch_dtype": "float32",
            "tie_word_embeddings": model.arch == "gpt2",
        }
        if self.model_type == "gpt2":
            dropped = dict.fromkeys(("attn_pdrop", "embd_pdrop", "resid_pdrop"), model.dropout)
            own = {"activation_function": _GELU_NAMES[model.gelu], "n_ctx": model.block_size}
            return found | own | dropped
        found |= {
            "intermediate_size": 4 * model.n_embd,
            "rope_parameters": dict(_ROPE),
            "hidden_dropout": model.dropout,
            "attention_dropout": 0.0,
        }
        if self.model_type == "gpt_neox":
            found |= {"hidden_act": _GELU_NAMES[model.gelu], "attention_dropout": model.dropout}
        return found

    def tensors(self, checkpoint: Checkpoint) -> dict[str, Tensor]:
        """Return the tensors under their names and in their layout; what ours lacks is neutral."""
        model, config = checkpoint.model, checkpoint.config
        parts = {name.rpartition(".")[0] for name in model}
        found = {}
        for part in parts:
            for kind in ("weight", "bias"):
                name = f"{part}.{kind}"
                tensor = model.get(name)
                if (
                    tensor is None
                    and kind == "bias"
                    and part.endswith(("c_attn", "c_proj", "c_fc"))
                ):
                    tensor = torch.zeros(len(model[f"{part}.weight"]))
                if tensor is not None and not (name == HEAD and config.arch == "gpt2"):
                    found[self._their_name(name)] = self._to_theirs(name, tensor.float(), config)
        return found | self._norms(checkpoint)

    def _norms(self, checkpoint: Checkpoint) -> dict[str, Tensor]:
        """Return gains of 1 and biases of 0 for normalisation that has none here."""
        config = checkpoint.config
        sizes = {"ln_1": config.n_embd, "ln_2": config.n_embd}
        if "attn.q_layernorm" in self.names:
            head = config.n_embd // config.n_head
            sizes |= {"attn.q_layernorm": head, "attn.k_layernorm": head}
        parts = {
            f"{_LAYER}{layer}.{part}": size
            for layer in range(config.n_layer)
            for part, size in sizes.items()
        }
        parts["transformer.ln_f"] = config.n_embd
        made = {f"{part}.weight": torch.ones(size) for part, size in parts.items()}
        made |= {f"{part}.bias": torch.zeros(size) for part, size in parts.items()}
        missing = {name: t for name, t in made.items() if name not in checkpoint.model}
        return {self._their_name(name): tensor for name, tensor in missing.items()}

    def _their_name(self, name: str) -> str:
        part, _, kind = name.rpartition(".")
        if part.startswith(_LAYER):
            number, _, rest = part.removeprefix(_LAYER).partition(".")
            return f"{self.layers}{number}.{self.names[rest]}.{kind}"
        return f"{self.names[part]}.{kind}"

    def _to_theirs(self, name: str, tensor: Tensor, config: ModelConfig) -> Tensor:
        if self.model_type == "gpt2":  # OpenAI stored its layers input first
            return tensor.t() if _TRANSPOSED.search(name) else tensor
        return apart_to_together(tensor, config.n_head) if _QKV.search(name) else tensor

    # --- reading ------------------------------------------------------------------------------

    def model_config(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return our settings for a config.json. Raises NotStockError for another function."""
        for name, value in self.fixed.items():
            if settings.get(name, value) != value:
                raise NotStockError(f"{name} {settings[name]} is not {self.its} own")
        if self.model_type != "gpt2":
            _check_rotation(settings)
        found = {ours: _setting(settings, theirs) for ours, theirs in self.sizes.items()}
        found |= {
            "block_size": _setting(settings, self.block_size),
            "vocab_size": _setting(settings, "vocab_size"),
            **self.ours,
        }
        wide = settings.get("n_inner", settings.get("intermediate_size"))
        if wide is not None and isinstance(found["n_embd"], int) and wide != 4 * found["n_embd"]:
            raise NotStockError(f"its layers are {wide} wide, not 4 x {found['n_embd']}")
        if self.model_type != "persimmon":
            key = "activation_function" if self.model_type == "gpt2" else "hidden_act"
            name = str(settings.get(key, "gelu_new" if self.model_type == "gpt2" else "gelu"))
            if name not in GELUS:
                raise NotStockError(f"{key} {name} is not {self.its} own")
            found["gelu"] = GELUS[name]
        return found

    @property
    def its(self) -> str:
        """What the model is called in messages."""
        return {"gpt2": "GPT-2's", "gpt_neox": "GPT-NeoX's"}.get(self.model_type, "Persimmon's")

    def model(self, weights: Mapping[str, Tensor], n_head: object) -> dict[str, Tensor]:
        """Return tensors under our names and in our layout; unknown ones keep their names."""
        found = {}
        for theirs, tensor in weights.items():
            name = self._our_name(theirs)
            if self.model_type == "gpt2":
                tensor = tensor.t() if _TRANSPOSED.search(name) and tensor.dim() == 2 else tensor
            elif _QKV.search(name) and isinstance(n_head, int) and n_head > 0 and tensor.dim():
                whole = len(tensor) % (3 * n_head) == 0
                tensor = together_to_apart(tensor, n_head) if whole else tensor
            found[name] = tensor.contiguous()
        return self._without_norms(found) if self.model_type == "persimmon" else found

    def _without_norms(self, found: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Drop gains of 1 and biases of 0. Raises NotStockError for others."""
        kept = {}
        for name, tensor in found.items():
            part = name.rpartition(".")[0]
            if not _GAINS.search(f"{part}.weight"):
                kept[name] = tensor
            elif not (tensor == (1 if name.endswith("weight") else 0)).all():
                raise NotStockError(f"{name} is learned, and the modern arrangement has no such")
        return kept

    def _our_name(self, theirs: str) -> str:
        part, _, kind = theirs.rpartition(".")
        if self.model_type == "gpt2" and not theirs.startswith(("transformer.", "lm_head.")):
            part = f"transformer.{part}"
        reverse = {name: ours for ours, name in self.names.items()}
        if part.startswith(self.layers):
            number, _, rest = part.removeprefix(self.layers).partition(".")
            return f"{_LAYER}{number}.{reverse.get(rest, rest)}.{kind}"
        return f"{reverse.get(part, part)}.{kind}"


def _setting(settings: Mapping[str, Any], name: str) -> Any:
    if name not in settings:
        raise NotStockError(f"its config.json lacks {name}")
    return settings[name]


def _check_rotation(settings: Mapping[str, Any]) -> None:
    """Check that all channels rotate, at the usual speeds. Raises NotStockError."""
    given = settings.get("rope_parameters") or settings.get("rope_scaling") or {}
    rope = given if isinstance(given, dict) else {}
    part = rope.get(
        "partial_rotary_factor",
        settings.get("partial_rotary_factor", settings.get("rotary_pct", 0.25)),
    )
    base = rope.get("rope_theta", settings.get("rope_theta", settings.get("rotary_emb_base", 1e4)))
    kind = rope.get("rope_type", rope.get("type", "default"))
    if (part, base, kind) != (1, 10000, "default"):
        raise NotStockError(
            f"its rotation ({kind}, part {part}, base {base}) is not that of rope here"
        )


def apart_to_together(tensor: Tensor, n_head: int) -> Tensor:
    """Return rows q, k, v (3 C, ...) as the q, k and v of each head together (H 3 D, ...)."""
    rest = tensor.shape[1:]
    return tensor.reshape(3, n_head, -1, *rest).transpose(0, 1).reshape(-1, *rest)


def together_to_apart(tensor: Tensor, n_head: int) -> Tensor:
    """Undo ``apart_to_together``."""
    rest = tensor.shape[1:]
    return tensor.reshape(n_head, 3, -1, *rest).transpose(0, 1).reshape(-1, *rest)


_GPT2 = Stock(
    "gpt2",
    "GPT2LMHeadModel",
    lambda c: c.arch == "gpt2" and c.pos_embd == "default",
    names={
        **{f"transformer.{part}": f"transformer.{part}" for part in ("wte", "wpe", "ln_f")},
        **{part: part for part in ("ln_1", "ln_2")},
        **{part: part for part in ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")},
        "lm_head": "lm_head",
    },
    layers="transformer.h.",
    block_size="n_positions",
    sizes={name: name for name in ("n_layer", "n_head", "n_embd")},
    fixed={
        "layer_norm_epsilon": 1e-5,
        "scale_attn_weights": True,
        "scale_attn_by_inverse_layer_idx": False,
    },
    ours={"arch": "gpt2", "pos_embd": "default", "bias": True, "ngram_rows": 0},
)
_SIZES = {
    "n_layer": "num_hidden_layers", "n_head": "num_attention_heads", "n_embd": "hidden_size"
}  # fmt: skip
_NEOX = Stock(
    "gpt_neox",
    "GPTNeoXForCausalLM",
    lambda c: c.arch == "gpt2" and c.pos_embd == "rope" and not c.absolute_table,
    names={
        "transformer.wte": "gpt_neox.embed_in",
        "transformer.ln_f": "gpt_neox.final_layer_norm",
        "lm_head": "embed_out",
        "ln_1": "input_layernorm",
        "ln_2": "post_attention_layernorm",
        "attn.c_attn": "attention.query_key_value",
        "attn.c_proj": "attention.dense",
        "mlp.c_fc": "mlp.dense_h_to_4h",
        "mlp.c_proj": "mlp.dense_4h_to_h",
    },
    layers="gpt_neox.layers.",
    block_size="max_position_embeddings",
    sizes=_SIZES,
    fixed={"use_parallel_residual": False, "attention_bias": True, "layer_norm_eps": 1e-5,
           "rotary_pct": 1.0, "rotary_emb_base": 10000},
    ours={"arch": "gpt2", "pos_embd": "rope", "bias": True, "ngram_rows": 0},
)  # fmt: skip
_PERSIMMON = Stock(
    "persimmon",
    "PersimmonForCausalLM",
    lambda c: c.arch == "modern"
    and c.pos_embd == "rope"
    and not c.ngram_rows
    and not c.absolute_table
    and c.norm == "layer",
    names={
        "transformer.wte": "model.embed_tokens",
        "transformer.ln_f": "model.final_layernorm",
        "lm_head": "lm_head",
        "ln_1": "input_layernorm",
        "ln_2": "post_attention_layernorm",
        "attn.c_attn": "self_attn.query_key_value",
        "attn.c_proj": "self_attn.dense",
        "attn.q_layernorm": "self_attn.q_layernorm",
        "attn.k_layernorm": "self_attn.k_layernorm",
        "mlp.c_fc": "mlp.dense_h_to_4h",
        "mlp.c_proj": "mlp.dense_4h_to_h",
    },
    layers="model.layers.",
    block_size="max_position_embeddings",
    sizes=_SIZES,
    fixed={"hidden_act": "relu2", "qk_layernorm": True, "layer_norm_eps": 1e-5,
           "partial_rotary_factor": 1.0, "rope_theta": 10000.0},
    ours={"arch": "modern", "pos_embd": "rope", "bias": True, "ngram_rows": 0, "norm": "layer"},
)  # fmt: skip

STOCK = (_GPT2, _NEOX, _PERSIMMON)
