"""Small checkpoints of every arrangement, to export."""

from pathlib import Path

from nanogpt_cli.checkpoint.schema import Checkpoint
from nanogpt_cli.tokenizer.load import default_gpt2, train_bpe, train_char

TAGS = ("<human>", "<bot>", "<endOfText>", "<|endoftext|>")
CHAT = {"human": "<human>", "bot": "<bot>", "end": "<endOfText>"}
TEXT = "To be, or not to be: that is the question.\n\nWhether 'tis nobler, 1234 times? Ünï\t" * 9

CELLS = [
    ("gpt2", "default", {}),
    ("gpt2", "default", {"bias": True, "gelu": "tanh"}),
    ("gpt2", "rope", {}),
    ("gpt2", "rope", {"bias": True}),
    ("gpt2", "relative", {}),
    ("gpt2", "relative", {"absolute_table": True, "bias": True}),
    ("modern", "default", {}),
    ("modern", "rope", {}),
    ("modern", "rope", {"bias": True}),
    ("modern", "rope", {"norm": "rms"}),
    ("modern", "rope", {"ngram_rows": 64}),
    ("modern", "relative", {"ngram_rows": 64}),
]
"""Arrangement, position embedding and what else is set."""


def names(cells):
    """Return a name for each cell."""
    return ["-".join([arch, pos, *map(str, more)]) for arch, pos, more in cells]


def byte_tokenizer():
    """Return a description of bytes and tags."""
    return {"kind": "byte", "special_tokens": {tag: 256 + i for i, tag in enumerate(TAGS)}}


def tokenizers():
    """Return one of each kind, by name."""
    return {
        "byte": byte_tokenizer(),
        "char": train_char([TEXT]).with_special(TAGS).to_dict(),
        "bpe": train_bpe([TEXT], 320, TAGS).to_dict(),
        "gpt2": default_gpt2().with_special(TAGS).to_dict(),
    }


def checkpoint(tiny, path=Path("a.pt"), tokenizer=None, chat=CHAT, **settings):
    """Write a checkpoint of a tiny model; return it and its model."""
    settings = {"vocab_size": 260, "ngram_rows": 0, "n_embd": 32, "block_size": 24} | settings
    model = tiny(**settings)
    made = Checkpoint(
        config=model.config,
        model=dict(model.state_dict()),
        tokenizer=tokenizer or byte_tokenizer(),
        chat_format=chat,
        data={"folder": "data/old", "fingerprint": "f"},
        train_config={"max_iters": 7},
        step=3,
        val_loss=1.5,
    )
    made.save(path)
    return made, model
