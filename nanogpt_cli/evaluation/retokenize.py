"""The validation text of a dataset as the tokens of a model that has another tokenizer.

The text between special tokens is decoded and encoded anew. A special token is that of the same
name; a tag of dialogues that the model does not know is written as text, as such models read it,
and the end of a document is left out.
"""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nanogpt_cli.data.encode import cut_safely, reliably
from nanogpt_cli.data.store import Dataset, Tokens
from nanogpt_cli.tokenizer.base import END_OF_TEXT, Tokenizer

AT_ONCE = 1 << 16
"""Tokens that are decoded at a time."""


@dataclass(frozen=True)
class Retokenized:
    """The tokens (N,), which of them the loss counts (None: all), and what could not be said."""

    ids: npt.NDArray[np.uint32]
    counted: npt.NDArray[np.bool_] | None
    unknown: tuple[str, ...]
    """Characters that the model's tokenizer does not have."""
    left_out: tuple[str, ...]
    """Special tokens that it does not have."""


def retokenize(dataset: Dataset, tokenizer: Tokenizer) -> Retokenized:
    """Return the validation text of a dataset in the tokens of ``tokenizer``."""
    return reliably(lambda: _retokenize(dataset, tokenizer))


def _retokenize(dataset: Dataset, tokenizer: Tokenizer) -> Retokenized:
    names = {i: name for name, i in dataset.tokenizer.special_tokens.items()}
    ids: list[npt.NDArray[np.uint32]] = []
    counted: list[npt.NDArray[np.bool_]] = []
    unknown: dict[str, None] = {}
    left_out: dict[str, None] = {}

    def add(new: npt.NDArray[np.uint32], counts: bool) -> None:
        ids.append(new)
        counted.append(np.full(len(new), counts))

    for special, start, end, counts in _runs(dataset, np.array(sorted(names), dtype=np.int64)):
        if not special:
            for piece in cut_safely(_text(dataset, start, end)):
                unknown |= dict.fromkeys(tokenizer.unknown(piece))
                add(np.asarray(tokenizer.encode_array(piece), dtype=np.uint32), counts)
            continue
        name = names[int(dataset.val[start])]
        known = tokenizer.special_tokens.get(name)
        if known is not None:
            add(np.array([known], dtype=np.uint32), counts)
        elif name == END_OF_TEXT and dataset.chat_format is None:
            left_out[name] = None
        else:
            add(np.asarray(tokenizer.encode_array(name), dtype=np.uint32), counts)
    return Retokenized(
        np.concatenate(ids) if ids else np.zeros(0, dtype=np.uint32),
        None if dataset.val_mask is None else np.concatenate(counted),
        tuple(unknown),
        tuple(left_out),
    )


def _runs(
    dataset: Dataset, special_ids: npt.NDArray[np.int64]
) -> Iterator[tuple[bool, int, int, bool]]:
    """Yield stretches of the text: whether it is a special token, its ends, whether it counts.

    All tokens of a stretch count, or none.
    """
    tokens: Tokens = dataset.val
    special = np.isin(tokens, special_ids)
    places = np.arange(len(tokens))
    mask = dataset.val_mask
    counts = np.ones(len(tokens), dtype=np.bool_) if mask is None else mask.at(places)
    begins = special | np.concatenate(([True], special[:-1] | (counts[1:] != counts[:-1])))
    starts = np.flatnonzero(begins)
    for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(tokens)], strict=True):
        yield bool(special[start]), start, end, bool(counts[start])


def _text(dataset: Dataset, start: int, end: int) -> Iterator[str]:
    """Yield the text of tokens that are not special; bytes that are not UTF-8 become U+FFFD."""
    utf8 = codecs.getincrementaldecoder("utf-8")("replace")
    to_bytes = dataset.tokenizer.token_bytes
    for first in range(start, end, AT_ONCE):
        ids = dataset.val[first : min(end, first + AT_ONCE)].tolist()
        yield utf8.decode(b"".join(map(to_bytes, ids)))
    yield utf8.decode(b"", final=True)
