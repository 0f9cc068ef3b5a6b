"""What a chat shows: replies as they are generated, and what there is to say of a model."""

import math
import sys
from collections.abc import Generator
from typing import TYPE_CHECKING

from nanogpt_cli.cli.wrapping import WordWrap
from nanogpt_cli.runs import BEST, LAST
from nanogpt_cli.text import shell_word, without_controls

if TYPE_CHECKING:
    from nanogpt_cli.checkpoint.load import LoadedModel
    from nanogpt_cli.inference.session import Session
    from nanogpt_cli.inference.text_stream import Reply


def stream(session: "Session", pieces: Generator[str, None, None], show: bool = True) -> "Reply":
    """Print a reply of ``session`` as its pieces are generated; Ctrl-C ends it at any point.

    A terminal's lines end between words; a pipe or a file gets the text as it is.
    """
    wrap = WordWrap() if sys.stdout.isatty() else None

    def write(piece: str) -> None:
        if show:
            sys.stdout.write(wrap.push(piece) if wrap else piece)
            sys.stdout.flush()

    interrupted = False
    try:
        for piece in pieces:
            write(without_controls(piece))
    except KeyboardInterrupt:
        interrupted = True
        pieces.close()
    assert session.last is not None
    if interrupted:
        session.last.stop_reason = "interrupted"
    if session.last.stop_reason == "interrupted" and wrap:  # also inside the generator
        write(" [stopped]")
    if show and wrap:
        sys.stdout.write(wrap.finish())
    return session.last


def is_untrained(loaded: "LoadedModel") -> bool:
    """Whether a model is as it was before its first step: no better than guessing any token.

    A model that is being fine-tuned is better than that at its step 0.
    """
    loss = loaded.about["val_loss"]
    guessing = math.log(loaded.config.vocab_size)
    return loaded.about["step"] == 0 and loss is not None and loss > 0.9 * guessing


def untrained_note(loaded: "LoadedModel") -> str:
    """Return what to say about an untrained model, and how to train it."""
    path = loaded.path
    more = f" --init-from resume --out-dir {shell_word(path.parent)}"
    command = f"nanogpt train{more if path.name in (BEST, LAST) else ''}"
    return f"{path} is untrained (step 0), so its replies are noise; train it: {command}"


def describe(loaded: "LoadedModel") -> str:
    """Return a model's size, and how far it was trained where that is known."""
    facts = [f"{loaded.model.parameter_count() / 1e6:.1f} M parameters"]
    step, loss = loaded.about["step"], loaded.about["val_loss"]
    if step:
        facts.append(f"step {step:,}")
    if loss is not None and math.isfinite(loss):
        facts.append(f"validation loss {loss:.4f}")
    return ", ".join(facts)


def speed(tokens_per_sec: float | None) -> str:
    """Return a speed to be read; empty where it is not known."""
    if tokens_per_sec is None:
        return ""
    return (
        f"{tokens_per_sec:,.0f} tokens/s"
        if tokens_per_sec >= 10
        else f"{tokens_per_sec:.1f} tokens/s"
    )


def bottom_line(parts: list[str], width: int) -> str:
    """Join what fits into a terminal's line, the first parts before the others; ASCII alone."""
    parts = [part for part in parts if part]
    while len(parts) > 1 and len(" | ".join(parts)) + 1 > width:
        parts.pop()
    return " | ".join(parts)[: max(0, width - 1)]
