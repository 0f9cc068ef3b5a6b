"""Models that chat, made without training: what they say does not matter, that they do does."""

from pathlib import Path

import torch

from nanogpt_cli.checkpoint.schema import Checkpoint
from nanogpt_cli.config import ModelConfig
from nanogpt_cli.data.prepare import PrepareOptions, prepare
from nanogpt_cli.data.store import open_dataset
from nanogpt_cli.model.factory import make_model
from nanogpt_cli.tokenizer.load import CharTokenizer

TALK = (
    "<context>A day {0}<endOfText>\n<human>How was day {0}?<endOfText>\n"
    "<bot>It was a fine day.<endOfText>\n\n"
)


def write_models(folder: Path) -> None:
    """Write dialogues as a dataset, models of them (a.pt, b.pt), and a model of text (text.pt)."""
    source = folder / "chats.txt"
    source.write_text("".join(TALK.format(i) for i in range(60)))
    prepare(PrepareOptions((str(source),), folder / "data", tokenizer="char", with_context=True))
    data = open_dataset(folder / "data")
    assert data.chat_format is not None
    for seed, name in enumerate(("a.pt", "b.pt", "text.pt")):
        torch.manual_seed(seed)
        tags, tokenizer = data.chat_format.to_dict(), data.tokenizer
        if name == "text.pt":  # without a tag that could end what it writes
            tags, tokenizer = None, CharTokenizer("".join(sorted(set(source.read_text()))))
        config = ModelConfig(
            vocab_size=tokenizer.vocab_size,
            block_size=96,
            n_layer=1,
            n_head=2,
            n_embd=16,
            arch="gpt2",
        )
        model = make_model(config)
        with torch.no_grad():
            for p in model.parameters():
                p.add_(torch.randn_like(p) * 0.3)
        about = {"folder": str(data.folder), "fingerprint": data.fingerprint}
        state = model.state_dict()
        Checkpoint(config, state, tokenizer.to_dict(), tags, about, step=3, val_loss=2.5).save(
            folder / name
        )
