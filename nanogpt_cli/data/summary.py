"""What there is to say of a dataset that was written: examples, what is odd, what is refused.

This module knows neither what was asked for nor where anything is shown.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nanogpt_cli.config import LossOn, PrepareConfig
from nanogpt_cli.data.output import Part
from nanogpt_cli.data.split import FEWEST, Scan, Split, plan_split, too_little
from nanogpt_cli.data.write import token_dtype
from nanogpt_cli.dialogue import ChatFormat
from nanogpt_cli.errors import DataError
from nanogpt_cli.text import byte_size, counted
from nanogpt_cli.tokenizer.base import END_OF_TEXT, Tokenizer
from nanogpt_cli.tokenizer.choice import suited_tokenizer

if TYPE_CHECKING:
    import numpy.typing as npt

_LONG_CONVERSATION = 100_000
"""Bytes of a conversation that may be several without anything between them."""

_NEAR, _SHOWN = 2**16, 300
"""Tokens around the middle in which an example may begin, and of which it consists at most."""


def examples(path: Path, tokenizer: Tokenizer) -> list[str]:
    """Return how the tokens of a file begin, and how a document near the middle does."""
    import numpy as np

    middle = path.stat().st_size // token_dtype(tokenizer).itemsize // 2
    first = max(0, middle - _NEAR)
    near = _ids(path, first, 2 * _NEAR, tokenizer)
    ends = first + 1 + np.flatnonzero(near == tokenizer.special_tokens.get(END_OF_TEXT, -1))
    turns = first + np.flatnonzero(near == tokenizer.special_tokens.get(ChatFormat().human, -1))
    begins = next((b[(b > 0) & (b < 2 * middle)] for b in (ends, turns) if len(b)), ends)
    first_text = _document(path, 0, tokenizer)
    if len(begins):
        other = _document(path, int(begins[abs(begins - middle).argmin()]), tokenizer)
    else:  # plain text: from the next line or word
        text = _document(path, middle, tokenizer)
        line, rest = text.partition("\n")[2], text.partition(" ")[2]
        other = (line if len(line) > len(text) // 2 else rest).strip()
    return [first_text] if other in first_text else [first_text, other]


def _document(path: Path, start: int, tokenizer: Tokenizer) -> str:
    """Return the text from a token on, to the end of its document at most."""
    ids = _ids(path, start, _SHOWN, tokenizer).tolist()
    end = tokenizer.special_tokens.get(END_OF_TEXT)
    text = tokenizer.decode(ids[: ids.index(end) + 1] if end in ids else ids)
    return text.strip("\ufffd")[:_SHOWN]


def _ids(path: Path, start: int, count: int, tokenizer: Tokenizer) -> "npt.NDArray[Any]":
    """Return the tokens of a file from ``start`` on, ``count`` at most."""
    import numpy as np

    dtype = token_dtype(tokenizer)
    with path.open("rb") as file:
        file.seek(start * dtype.itemsize)
        return np.frombuffer(file.read(count * dtype.itemsize), dtype)


def check_lengths(
    parts: Mapping[Split, Part], label: str, numbers: Mapping[str, int] | None = None
) -> None:
    """Raise DataError where there is too little to learn from, or to measure by.

    ``numbers`` are those that formats counted: text that was left out may be why.
    """
    train, val = parts["train"].tokens, parts["val"].tokens
    if problem := too_little(train, val):
        if stray := (numbers or {}).get("stray_texts", 0):
            outside = counted(stray, "stretch", "stretches")
            raise DataError(
                f"{label}: {problem}; it was read as tagged dialogue, and {outside} of text "
                "outside of turns left out",
                "read all of it as text: --format text",
            )
        share = "raise --val-fraction, or " if train >= FEWEST["train"] else ""
        raise DataError(
            f"{label}: {problem}", f"{share}give more text, at least some thousand words"
        )


def choose_loss_on(
    asked: LossOn, parts: Mapping[Split, Part], label: str
) -> Literal["replies", "all"]:
    """Return what the loss counts: by default replies, where there are enough of them.

    Raises DataError where replies are asked for and there are too few.
    """
    train, val = parts["train"], parts["val"]
    enough = train.mask is not None and not too_little(train.reply_tokens, val.reply_tokens)
    if asked == "auto":
        return "replies" if enough else "all"
    if asked == "replies" and not enough:
        found = train.reply_tokens + val.reply_tokens if train.mask else 0
        raise DataError(
            f"{label} has {counted(found, 'token')} of replies, too few to learn from",
            "train on everything: --loss-on all",
        )
    return asked


def conversation_notes(scan: Scan) -> Iterator[str]:
    """Say where conversations may be stuck together."""
    if scan.longest_conversation < _LONG_CONVERSATION:
        return
    size = byte_size(scan.longest_conversation)
    what = (
        f"all {scan.turns:,} turns are one conversation of {size}"
        if scan.documents == 1
        else f"the longest conversation has {size}"
    )
    yield f"{what}; in tagged text, a blank line between turns separates conversations"


def split_notes(train: Part, val: Part, scan: Scan, config: PrepareConfig) -> Iterator[str]:
    """Say where documents were cut, and where validation is far from what was asked for."""
    val_fraction = config.val_fraction
    if scan.overlap:
        yield (
            f"{counted(scan.overlap, 'document')} to train on also in {config.val}: "
            "--repeats drop leaves such documents out of training"
        )
    if config.val or config.split == "tail":
        return
    if scan.documents > 1 and plan_split(scan, val_fraction).train is not None:
        yield (
            f"the {scan.documents:,} conversations are all the same: validation cannot tell "
            "learning from memorising"
            if scan.turns
            else f"the {scan.documents:,} documents are few or unequal: the end of each is kept "
            "for validation, rather than whole documents"
        )
        return
    share = val.tokens / (train.tokens + val.tokens)
    if not val_fraction / 2 <= share <= val_fraction * 2:
        yield (
            f"validation got {share:.0%} of the tokens, because documents stay whole; "
            "another --seed draws others"
        )


def size_notes(tokenizer: Tokenizer, train: Part) -> Iterator[str]:
    """Say where the vocabulary is too large for the text."""
    if tokenizer.name in ("char", "byte") or train.tokens >= 100 * tokenizer.vocab_size:
        return
    better = suited_tokenizer(train.bytes)
    if better != tokenizer.name:
        yield (
            f"{tokenizer.name}'s vocabulary of {tokenizer.vocab_size:,} is large for "
            f"{train.tokens:,} tokens: --tokenizer {better} trains faster and better"
        )
