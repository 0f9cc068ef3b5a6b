"""How much of what a model writes stands verbatim in its training text.

Short spans of any text do, so the same is measured for the validation text, which the model never
saw: what goes beyond that is copied. The gap between training and validation loss says the same in
another way. Shape letter: M bytes of a text.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nanogpt_cli.checkpoint.load import LoadedModel
from nanogpt_cli.config import SampleConfig
from nanogpt_cli.data.mask import LossMask
from nanogpt_cli.data.store import Dataset, Tokens
from nanogpt_cli.evaluation.loss import (
    Loss,
    evaluate_loss,
    evaluation_windows,
    token_byte_counts,
    window_length,
)
from nanogpt_cli.evaluation.progress import Working, counting, silent
from nanogpt_cli.evaluation.source_places import Place, source_place
from nanogpt_cli.evaluation.text_index import END, TextIndex
from nanogpt_cli.evaluation.token_bytes import TokenBytes
from nanogpt_cli.inference.engine import generate_batch

SPANS = (20, 50, 100, 200)
"""Lengths in characters for which it is said how much of a text lies in such spans."""
SAMPLES, PROMPT, BATCH = 32, 16, 16
"""Texts that are generated, tokens of the validation text that each continues, and how many at
once."""
SAMPLING = SampleConfig(temperature=1.0, max_tokens=256, seed=1)
"""What the model itself holds likely: a lower temperature writes the same phrases more often, and
could not be compared with the validation text."""
VALIDATION_BYTES = 1 << 20
"""Bytes of the validation text that are looked up."""

Lengths = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Verbatim:
    """The longest span of a text that stands in the training text."""

    text: str
    characters: int
    count: int
    """How often it stands there."""
    place: Place | None
    """Where it first does; None where the files that the data was made of do not show it."""

    def to_dict(self) -> dict[str, Any]:
        """Return it in JSON's types."""
        file, line = (self.place.file, self.place.line) if self.place else (None, None)
        where = {"file": file, "line": line, "count": self.count}
        return {"text": self.text, "characters": self.characters, **where}


@dataclass(frozen=True)
class Copies:
    """What of a text stands verbatim in the training text."""

    characters: int
    longest: Verbatim | None
    """None where no character of it does."""
    median: float
    """Of the longest spans that start at each character, in characters."""
    shares: dict[int, float]
    """For each of SPANS, the part of the characters that lie in spans at least as long."""

    def to_dict(self) -> dict[str, Any]:
        """Return it in JSON's types."""
        return {
            "characters": self.characters,
            "longest": self.longest.to_dict() if self.longest else None,
            "median": self.median,
            "share_in_spans": {str(length): share for length, share in self.shares.items()},
        }


def copies(
    text: bytes,
    index: TextIndex,
    dataset: Dataset,
    advance: Callable[[int], None] = lambda places: None,
) -> Copies:
    """Return what of a text (M,) stands in the training text; END separates parts of it.

    Spans start and end between characters. ``advance`` is called with the number of bytes after
    each batch of them.
    """
    found = index.longest_matches(text, advance)
    data = np.frombuffer(text, dtype=np.uint8)
    starts = (data & 0xC0) != 0x80  # M: where characters start
    counted = np.concatenate(([0], np.cumsum(starts & (data != END))))  # M + 1: characters before
    boundary = np.append(np.where(starts, np.arange(len(data)), 0), len(data))
    ends = np.maximum.accumulate(boundary)[np.arange(len(data)) + found.lengths]  # whole characters
    spans = np.where(starts, counted[np.maximum(ends, np.arange(len(data)))] - counted[:-1], 0)
    characters = int(counted[-1])
    at = int(spans.argmax()) if len(spans) else 0
    longest = None
    if len(spans) and spans[at]:
        length = int(ends[at]) - at
        exact = text[at : at + length]
        count, first = index.occurrences(exact)
        place = source_place(dataset.folder, index, first, length) if count else None
        longest = Verbatim(exact.decode(errors="replace"), int(spans[at]), count, place)
    inside = spans[starts & (data != END)]
    return Copies(
        characters,
        longest,
        float(np.median(inside)) if len(inside) else 0.0,
        {length: _covered(spans, ends, counted, length) for length in SPANS},
    )


def _covered(spans: Lengths, ends: Lengths, counted: Lengths, length: int) -> float:
    """Return the part of all characters that lie in spans of at least ``length`` characters."""
    long_enough = np.flatnonzero(spans >= length)
    edges = np.zeros(len(counted), dtype=np.int64)
    np.add.at(edges, counted[long_enough], 1)
    np.add.at(edges, counted[ends[long_enough]], -1)
    covered = (np.cumsum(edges) > 0).sum()
    return float(covered) / max(1, int(counted[-1]))


@dataclass(frozen=True)
class Memorisation:
    """What a model has memorised of its training text."""

    generated: Copies
    validation: Copies
    samples: int
    sampling: SampleConfig
    train: Loss
    """Over as many windows of the training text, spread evenly, as the validation text has."""
    val: Loss

    def to_dict(self) -> dict[str, Any]:
        """Return it in JSON's types."""
        train, val = self.train.per_token, self.val.per_token
        settings = ("temperature", "top_k", "top_p", "seed", "max_tokens")
        return {
            "generated": self.generated.to_dict(),
            "validation": self.validation.to_dict(),
            "samples": self.samples,
            "sampling": {name: getattr(self.sampling, name) for name in settings},
            "train_loss": train,
            "val_loss": val,
            "gap": val - train,
        }


def measure_memorisation(
    loaded: LoadedModel,
    dataset: Dataset,
    index: TextIndex,
    held_out: Tokens,
    sampling: SampleConfig = SAMPLING,
    samples: int = SAMPLES,
    working: Working = silent,
    mask: LossMask | None = None,
) -> Memorisation:
    """Return what a model has memorised of the training text of the dataset.

    ``held_out`` is text that it has not seen. ``sampling`` says how texts are generated, each from
    a prompt out of that, which is not counted. ``working`` is told what is being done. ``mask``
    says which tokens of ``held_out`` the loss counts; with one, the dataset's own is that of the
    training text. Raises DataError for a text of fewer than two tokens.
    """
    most = samples * sampling.max_tokens
    advance = counting(working, "generating text", most)
    texts = generated_texts(loaded, held_out, sampling, samples, advance)
    working("looking up what was generated")
    generated = copies(bytes([END]).join(texts), index, dataset)
    rendered = _bytes(loaded).render(held_out[:VALIDATION_BYTES])[:VALIDATION_BYTES].tobytes()
    advance = counting(working, "looking up the validation text", len(rendered))
    validation = copies(rendered, index, dataset, advance)
    counts = token_byte_counts(loaded.tokenizer, loaded.config.vocab_size)
    block_size = loaded.config.block_size
    val_windows = evaluation_windows(held_out, block_size)
    train_mask = None if mask is None else dataset.train_mask
    train_windows = evaluation_windows(
        dataset.train, block_size, len(val_windows) * block_size, train_mask
    )
    total = (len(val_windows) + len(train_windows)) * window_length(held_out, block_size)
    advance = counting(working, "measuring the loss of both texts", total)
    train = evaluate_loss(
        loaded.model,
        dataset.train,
        counts,
        mask=train_mask,
        windows=train_windows,
        advance=advance,
    )
    val = evaluate_loss(
        loaded.model, held_out, counts, mask=mask, windows=val_windows, advance=advance
    )
    return Memorisation(generated, validation, len(texts), sampling, train, val)


def generated_texts(
    loaded: LoadedModel,
    held_out: Tokens,
    sampling: SampleConfig = SAMPLING,
    samples: int = SAMPLES,
    advance: Callable[[int], None] = lambda tokens: None,
) -> list[bytes]:
    """Return the bytes of texts that continue places of the validation text, spread evenly.

    They go on where a document or a reply ends: END then stands between the two. ``advance`` is
    called after each token.
    """
    prompt = min(PROMPT, loaded.config.block_size, len(held_out))
    starts = np.unique(np.linspace(0, len(held_out) - prompt, samples).astype(int))
    prompts = [held_out[at : at + prompt].tolist() for at in starts]
    render = _bytes(loaded).render
    texts: list[bytes] = []
    for first in range(0, len(prompts), BATCH):
        part = prompts[first : first + BATCH]
        written: list[list[int]] = [[] for _ in part]
        for row, token in generate_batch(
            loaded.model,
            part,
            sampling,
            vocab_size=loaded.tokenizer.vocab_size,
        ):
            written[row].append(token.id)
            advance(1)
        texts += [render(np.array(ids, dtype=np.uint32)).tobytes() for ids in written]
    return texts


def _bytes(loaded: LoadedModel) -> TokenBytes:
    """Return the bytes of each token; matches end at special tokens."""
    return TokenBytes(loaded.tokenizer, loaded.config.vocab_size, lambda number: bytes([END]))
