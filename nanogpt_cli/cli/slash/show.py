"""``/show``."""

import math
from dataclasses import fields

from nanogpt_cli.cli import ui
from nanogpt_cli.cli.slash.base import Chat, SlashCommand
from nanogpt_cli.text import printable


def run(chat: Chat, arguments: list[str]) -> None:
    """Show what answers, and how."""
    session = chat.session
    loaded, config = session.loaded, session.loaded.config
    about = loaded.about
    loss = about.get("val_loss")
    shape = f"{config.n_layer} layers, {config.n_head} heads, {config.n_embd} wide"
    tokenizer = f"{loaded.tokenizer.name}, {loaded.tokenizer.vocab_size:,} tokens"
    size = f"{loaded.model.parameter_count():,}"
    rows = {
        "model": loaded.path,
        "parameters": f"{size} ({config.arch}, {config.pos_embd}; {shape})",
        "context": f"{config.block_size:,} tokens",
        "tokenizer": tokenizer,
        "trained": f"{about['step']:,} steps" if about.get("step") else None,
        "loss": f"{loss:.4f} (validation)" if loss is not None and math.isfinite(loss) else None,
        "data": (about.get("data") or {}).get("folder"),
        "does": "answers you" if loaded.chat_format else "continues your text",
    }
    for role in ("context", "emotion"):
        rows[f"<{role}>"] = session.front(role)
    for name, value in rows.items():
        if value:
            ui.say(f"  {name:<12}{printable(value)}")
    changed = [
        f"{f.name} {value:g}"
        for f in fields(session.config)
        if (value := getattr(session.config, f.name)) != f.default
    ]
    changed += [f"stop {text!r}" for text in session.stop]
    ui.say(f"  {'settings':<12}{', '.join(changed) or 'the defaults'}")


COMMAND = SlashCommand("show", "/show", "what answers, and how", run)
