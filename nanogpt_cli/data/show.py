"""Documents of a dataset as the model will read them, with the part that the loss counts.

This module does not know where they are shown.
"""

from dataclasses import dataclass
from itertools import groupby

from nanogpt_cli.data.store import Dataset
from nanogpt_cli.tokenizer.base import END_OF_TEXT

_NEAR, _LONGEST = 2**16, 400
"""Tokens in which the beginning of a document is looked for, and of which one is shown at most."""


@dataclass(frozen=True)
class Segment:
    """A stretch of a document."""

    text: str
    trained: bool
    """Whether the loss counts it."""


def rendered(dataset: Dataset, count: int) -> list[list[Segment]]:
    """Return the beginnings of ``count`` training documents, spread evenly, as segments.

    There are fewer where the text has fewer documents.
    """
    tokens = dataset.train
    places = (i * len(tokens) // count for i in range(count))
    starts = dict.fromkeys(_document_start(dataset, place) for place in places)
    return [_segments(dataset, start) for start in starts]


def _document_start(dataset: Dataset, place: int) -> int:
    """Return where the first document after ``place`` begins, or else ``place``."""
    if place == 0:
        return 0
    end = dataset.tokenizer.special_tokens.get(END_OF_TEXT)
    near = dataset.train[place : place + _NEAR].tolist()
    after = place + near.index(end) + 1 if end in near else place
    return after if after < len(dataset.train) else place


def _segments(dataset: Dataset, start: int) -> list[Segment]:
    """Return a document from its first token, up to its end or as much as is shown."""
    import numpy as np

    ids = dataset.train[start : start + _LONGEST].tolist()
    end = dataset.tokenizer.special_tokens.get(END_OF_TEXT)
    cut = end not in ids and start + len(ids) < len(dataset.train)
    if end in ids:
        ids = ids[: ids.index(end) + 1]
    mask = dataset.train_mask
    places = np.arange(start, start + len(ids))
    counted = [True] * len(ids) if mask is None else mask.at(places).tolist()
    segments = [
        Segment(dataset.tokenizer.decode(token for token, _ in run), trained)
        for trained, run in groupby(zip(ids, counted, strict=True), lambda pair: bool(pair[1]))
    ]
    if cut:
        last = segments.pop()
        segments.append(Segment(last.text.rstrip("\ufffd") + " …", last.trained))
    return segments
