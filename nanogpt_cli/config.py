"""Every setting once: its name, type, default and help, in frozen dataclasses.

The command line, TOML files, presets, checkpoints and the reference in the documentation all take
their settings from here. This module does not know where values come from, and imports no torch.
"""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Literal

from nanogpt_cli.errors import UsageError
from nanogpt_cli.registry import ARCHITECTURES, FORMATS, POSITIONS, TRACKERS, OrAuto
from nanogpt_cli.setting import (
    LONGEST,
    MOST,
    check_device,
    check_ranges,
    parse_columns,
    parse_interval,
    setting,
)

Gelu = Literal["erf", "tanh"]
Norm = Literal["layer", "rms"]
Optimizer = Literal["adamw", "muon"]
Schedule = Literal["cosine", "linear", "wsd"]
DType = Literal["auto", "float32", "bfloat16", "float16"]
DecodeErrors = Literal["strict", "replace"]
Exchanges = Literal["conversation", "pair"]
Repeats = Literal["keep", "drop"]
How = Literal["hash", "tail"]
Backend = Literal["auto", "nccl", "gloo"]
Strategy = Literal["ddp", "fsdp"]
LossOn = Literal["auto", "replies", "all"]


@dataclass(frozen=True)
class ModelConfig:
    """The shape of a GPT; everything that must be known to rebuild it from its parameters."""

    block_size: int = setting(256, "Context length in tokens.", min=1, max=2**24)
    n_layer: int = setting(2, "Number of transformer blocks.", min=1, max=10_000)
    n_head: int = setting(4, "Attention heads per block.", min=1, max=2**16)
    n_embd: int = setting(128, "Width of the model; a multiple of the heads.", min=1, max=2**20)
    dropout: float = setting(0.0, "Dropout probability.", min=0, below=1)
    bias: bool = setting(False, "Biases in Linear and LayerNorm, as GPT-2 has them.")
    pos_embd: str = setting(
        "rope",
        "Position embedding: default (learned table), rope (rotary), relative (bias).",
        choices=POSITIONS,
    )
    arch: str = setting(
        "modern",
        "Block: gpt2 (the reference), modern (QK-norm, squared ReLU, n-gram embeddings).",
        choices=ARCHITECTURES,
    )
    ngram_rows: int = setting(
        8192,
        "With --arch modern: rows of each table of n-gram embeddings; 0 is none.",
        min=0,
        max=2**24,  # as many as their hash reaches
    )
    vocab_size: int = field(default=50304, metadata={"bounds": {"min": 1, "max": 2**31}})
    gelu: Gelu = "erf"
    norm: Norm = "layer"
    """The modern arrangement's normalisation; its first checkpoints had RMSNorm."""
    absolute_table: bool = False
    """Keep ``transformer.wpe`` beside a relative table, as migrated checkpoints do."""

    def __post_init__(self) -> None:
        """Check that such a model can be built."""
        check_ranges(self)
        unit = self.n_head * (2 if self.pos_embd == "rope" else 1)  # rope rotates pairs
        if self.n_embd % unit:
            near = max(1, round(self.n_embd / unit)) * unit
            problem = f"--n-embd {self.n_embd} is not divisible by --n-head {self.n_head}"
            if self.n_embd % self.n_head == 0:
                problem = (
                    f"--pos-embd rope rotates pairs, and --n-embd {self.n_embd} / --n-head "
                    f"{self.n_head} is odd"
                )
            raise UsageError(problem, f"try --n-head {self.n_head} --n-embd {near}")


LARGEST_RATE = 1e30
"""The largest rate for which an update of float32 can be computed; no run survives it."""


@dataclass(frozen=True)
class TrainConfig:
    """How to train: budget, batches, optimizer, evaluation and machine."""

    max_iters: int = setting(1500, "Optimizer steps in the whole run.", min=0, max=MOST)
    time: float = setting(
        0.0,
        "Wall-clock budget instead of --max-iters (90s, 20m, 1.5h): model, batch and schedule "
        "are fitted to it; 0 is none.",
        min=0,
        max=LONGEST,
    )
    seed: int = setting(1337, "Seed of parameters, batches and dropout.", min=0, max=2**63 - 1)
    batch_size: int = setting(8, "Sequences per micro-batch.", min=1, max=2**20)
    gradient_accumulation_steps: int = setting(
        1, "Micro-batches per optimizer step.", min=1, max=2**20
    )

    loss_on: LossOn = setting(
        "auto", "Of dialogues: replies (the bot's turns), all, or auto (as they were prepared)."
    )
    optimizer: Optimizer = setting("muon", "adamw, or muon (matrices by Muon, the rest by AdamW).")
    learning_rate: float = setting(
        0.011,
        "Peak learning rate; chosen automatically for optimizer, width and batch.",
        above=0,
        max=LARGEST_RATE,
    )
    min_lr: float = setting(0.0, "Learning rate at the end of the decay.", min=0, max=LARGEST_RATE)
    decay_lr: bool = setting(True, "Decay the learning rate.")
    schedule: Schedule = setting("linear", "Shape of the decay: cosine, linear or wsd.")
    warmup_iters: int = setting(10, "Steps of linear warmup.", min=0, max=MOST)
    lr_decay_iters: int = setting(0, "Steps until --min-lr; 0 is --max-iters.", min=0, max=MOST)
    weight_decay: float = setting(
        0.1, "Decay of matrices; gains and biases have none.", min=0, max=1000
    )
    beta1: float = setting(0.9, "AdamW's first moment.", min=0, below=1)
    beta2: float = setting(0.95, "AdamW's second moment.", min=0, below=1)
    grad_clip: float = setting(1.0, "Clip the gradient's norm; 0 is off.", min=0, max=1e30)

    eval_interval: int = setting(
        0, "Steps between evaluations; 0 is ten in a run, and early ones.", min=0, max=MOST
    )
    eval_tokens: int = setting(
        16_384,
        "Tokens per evaluation, always the same ones; 0 is all of val.bin.",
        min=0,
        max=MOST,
    )
    eval_iters: int | None = setting(
        None, "The same in batches, as nanoGPT counts; 0 is all of val.bin.", min=0, max=MOST
    )
    also_eval: str = setting(
        "auto",
        "A dataset whose validation loss is reported too; auto: when fine-tuning, what the model "
        "was trained on; none.",
    )
    eval_only: bool = setting(False, "Evaluate once and stop.")
    log_interval: int = setting(10, "Steps between lines of metrics.jsonl.", min=1, max=MOST)
    patience: int = setting(
        0, "Stop after this many evaluations without a better one; 0 is never.", min=0, max=MOST
    )
    sample_tokens: int = setting(
        64, "Tokens of the sample at each evaluation; 0 is none.", min=0, max=MOST
    )

    log_to: str = setting(
        "",
        "Trackers beside metrics.jsonl: tensorboard, wandb, trackio or csv; several with commas.",
        several=TRACKERS,
    )

    save_every: str = setting(
        "1m", "How often last.pt is written: steps (500) or time (30s, 5m); 0 is at the end only."
    )
    keep: int = setting(
        1,
        "How many of the newest states stay: beyond 1, also as step-N.pt beside last.pt.",
        min=1,
        max=MOST,
    )
    always_save_checkpoint: bool = setting(
        False, "Let ckpt.pt be the newest model instead of the best one."
    )

    device: str = setting("auto", "auto, cpu, mps, cuda or cuda:N.")
    dtype: DType = setting("auto", "Precision: auto, float32, bfloat16 or float16.")
    compile: bool | None = setting(None, "Use torch.compile; by default on cuda only.")
    backend: Backend = setting(
        "auto", "How several processes talk to each other: auto, nccl or gloo."
    )
    strategy: Strategy = setting(
        "ddp",
        "What each of several processes holds: ddp (the whole model), or fsdp (a part of it).",
    )
    activation_checkpointing: bool = setting(
        False, "Compute each block again in the backward pass: less memory, a third more time."
    )

    def __post_init__(self) -> None:
        """Check that the numbers fit together."""
        check_ranges(self)
        parse_interval(self.save_every)
        if self.decay_lr and self.min_lr > self.learning_rate:
            raise UsageError(
                f"--min-lr {self.min_lr:g} is above --learning-rate {self.learning_rate:g}",
                f"try --min-lr {self.learning_rate / 10:g}",
            )
        check_device(self.device)


@dataclass(frozen=True)
class SampleConfig:
    """How the next token is drawn."""

    temperature: float = setting(
        0.5, "Randomness; 0 always takes the likeliest token.", min=0, max=1e30
    )
    top_k: int = setting(200, "Draw from the k likeliest tokens only.", min=1, max=MOST)
    top_p: float = setting(1.0, "Draw from the likeliest tokens of this mass.", above=0, max=1)
    min_p: float = setting(
        0.0, "Draw from tokens at least this part as likely as the likeliest.", min=0, max=1
    )
    repeat_penalty: float = setting(1.0, "Divide the odds of tokens already said.", min=0.1, max=10)
    max_tokens: int = setting(256, "Longest reply in tokens.", min=1, max=MOST)
    seed: int | None = setting(None, "Repeatable replies.", min=0, max=2**63 - 1)

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_ranges(self)


@dataclass(frozen=True, kw_only=True)
class PrepareConfig:
    """How text becomes a dataset."""

    tokenizer: str = setting(
        "auto",
        "auto (what suits the size of the text), char, bpe:N (N tokens learned from the text), "
        "gpt2, byte, cl100k_base, o200k_base, or a file that holds one: a dataset, tokenizer.json, "
        ".tiktoken.",
    )
    dataset: str = setting(
        "",
        "Download a known corpus: shakespeare, tinystories, empathetic-dialogues, openwebtext or "
        "fineweb-edu.",
    )
    format: str = setting(
        "auto",
        "auto (by the file's name and first lines), text, dialogue (<human>, <bot>), jsonl, json "
        "(an array of records), csv (also TSV), whatsapp and telegram (exports of chats), eou "
        "(DailyDialog), empathetic (Empathetic Dialogues), subtitles, html or separated (plain "
        "text with <|endoftext|> between documents).",
        choices=OrAuto(FORMATS),
    )
    me: str = setting("", "In exports of chats: whose messages the model learns to write.")
    columns: str = setting(
        "",
        "What to read of records and tables: human=Q,bot=A, or text=BODY; also context, emotion.",
    )
    loss_on: LossOn = setting(
        "auto",
        "What is learned of dialogues: replies (the bot's turns), all, or auto (replies, where "
        "there are some).",
    )
    turns: Exchanges = setting(
        "conversation",
        "What <|endoftext|> follows: the whole conversation, or each pair of question and answer.",
    )
    join: bool = setting(True, "Join turns of one speaker in a row.")
    with_context: bool = setting(
        False, "Put what a conversation is about in front of it: <context>."
    )
    with_emotion: bool = setting(False, "Put how its human feels in front of it: <emotion>.")
    repeats: Repeats = setting("keep", "Documents and conversations that occurred: keep or drop.")
    split: How = setting(
        "hash",
        "What is for validation: documents drawn by a hash of their content, or the tail of the "
        "whole text, as nanoGPT has it.",
    )
    val: str = setting("", "A file, folder or glob for validation; all else is to train on.")
    val_fraction: float = setting(0.1, "Part of the text kept for validation.", above=0, below=1)
    seed: int = setting(1337, "Which documents are kept for validation.", min=0, max=2**63 - 1)
    encoding: str = setting(
        "", "Of files that are not UTF-8: a name such as cp1252, or auto, which recognises it."
    )
    errors: DecodeErrors = setting(
        "strict", "Bytes that are not in the encoding: strict (stop) or replace (by U+FFFD)."
    )
    strict: bool = setting(False, "Stop where the report at the end has warnings.")
    fix: bool = setting(
        False,
        "Do what is safe: repeated documents and control characters are left out, encodings are "
        "recognised.",
    )
    workers: int = setting(0, "Threads that tokenize; 0 is one per core.", min=0, max=1024)
    resume: bool = setting(
        False,
        "Keep what is done when interrupted; the same command then goes on with it.",
    )
    force: bool = setting(False, "Replace the dataset that is there.")
    show: int = setting(
        0, "Show so many examples whole, with what is learned of them marked.", min=0, max=1000
    )

    def __post_init__(self) -> None:
        """Check the ranges, the format and the columns."""
        check_ranges(self)
        parse_columns(self.columns)


NANOGPT_DEFAULTS: Mapping[str, Any] = {
    # nanoGPT's train.py without a configuration file: GPT-2 124M
    "arch": "gpt2", "ngram_rows": 0, "pos_embd": "default",
    "optimizer": "adamw", "schedule": "cosine",
    "block_size": 1024, "n_layer": 12, "n_head": 12, "n_embd": 768, "dropout": 0.0, "bias": False,
    "batch_size": 12, "gradient_accumulation_steps": 40,
    "learning_rate": 6e-4, "min_lr": 6e-5, "warmup_iters": 2000, "weight_decay": 0.1,
    "beta1": 0.9, "beta2": 0.95, "grad_clip": 1.0, "max_iters": 600_000, "lr_decay_iters": 600_000,
    "eval_interval": 2000, "eval_tokens": 200 * 12 * 1024, "log_interval": 1,
}  # fmt: skip

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "quick": {},  # the defaults: what `nanogpt train` takes on a cpu or on mps
    "gpu": {
        # what `nanogpt train` takes on cuda
        "block_size": 256, "n_layer": 6, "n_head": 6, "n_embd": 384, "dropout": 0.2,
        "batch_size": 64, "warmup_iters": 20, "max_iters": 3000, "eval_tokens": 20 * 64 * 256,
    },
    "shakespeare-char-cpu": {
        # nanoGPT's recipe for a laptop
        **NANOGPT_DEFAULTS,
        "block_size": 64, "n_layer": 4, "n_head": 4, "n_embd": 128, "batch_size": 12,
        "gradient_accumulation_steps": 1, "max_iters": 2000, "lr_decay_iters": 2000,
        "learning_rate": 1e-3, "min_lr": 1e-4, "beta2": 0.99, "warmup_iters": 100,
        "eval_interval": 250, "eval_tokens": 20 * 12 * 64, "dtype": "float32",
    },
    "shakespeare-char": {
        # nanoGPT's recipe for one GPU
        **NANOGPT_DEFAULTS,
        "block_size": 256, "n_layer": 6, "n_head": 6, "n_embd": 384, "dropout": 0.2,
        "batch_size": 64, "gradient_accumulation_steps": 1, "max_iters": 5000,
        "lr_decay_iters": 5000, "learning_rate": 1e-3, "min_lr": 1e-4, "beta2": 0.99,
        "warmup_iters": 100, "eval_interval": 250, "eval_tokens": 200 * 64 * 256,
        "log_interval": 10,
    },
    "gpt2": {**NANOGPT_DEFAULTS},
}  # fmt: skip


def tokens_per_step(model: ModelConfig, config: TrainConfig) -> int:
    """Return the tokens of one optimizer step."""
    return config.batch_size * config.gradient_accumulation_steps * model.block_size


def preset_for(device: str) -> str:
    """Name the preset that `nanogpt train` takes when none is asked for."""
    return "gpu" if device.startswith("cuda") else "quick"


def config_fields(*configs: type) -> dict[str, Any]:
    """Return the fields that are settings, as name -> default, of these config classes."""
    return {
        f.name: None if f.default is MISSING else f.default
        for config in configs
        for f in fields(config)
        if "help" in f.metadata
    }
