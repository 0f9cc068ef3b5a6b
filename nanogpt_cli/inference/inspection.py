"""What a model thought of each token that it drew, computed anew from the ids of a reply.

So that decoding keeps nothing but ids. A reply that is longer than the context was read through
windows; the same windows are read here. This module knows neither a text nor a terminal.

Shape letters: B rows, T tokens, C channels, V vocabulary.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch

from nanogpt_cli.inference.engine import first_window_start, window_start
from nanogpt_cli.model.gpt import GPT

_AT_ONCE = 64
"""Positions whose logits over the vocabulary are in memory together."""


@dataclass(frozen=True)
class DrawnToken:
    """A token of a reply, and how likely it was: the model's probabilities, at temperature 1."""

    id: int
    probability: float
    rank: int
    """How many tokens were likelier, and one."""
    candidates: list[tuple[int, float]]
    """The likeliest tokens with their probabilities, best first."""


def inspect_reply(
    model: GPT, prompt: Sequence[int], ids: Sequence[int], vocab_size: int, candidates: int = 10
) -> Iterator[DrawnToken]:
    """Yield what the model thought of each token of ``ids``, which it drew after ``prompt``."""
    everything = [*prompt, *ids]
    block_size = model.config.block_size
    starts: list[int] = []  # of the window before each of ids
    start = first_window_start(len(prompt), block_size)
    for length in range(len(prompt), len(everything)):
        start = window_start(length, start, block_size)
        starts.append(start)
    number = len(prompt)
    for start, same in groupby(starts):
        count = len(list(same))
        window = everything[start : number + count - 1]
        yield from _inspect(
            model, window, everything[number : number + count], vocab_size, candidates
        )
        number += count


@torch.no_grad()
def _inspect(
    model: GPT, window: Sequence[int], drawn: Sequence[int], vocab_size: int, candidates: int
) -> Iterator[DrawnToken]:
    """Yield what the model thought of the tokens after the last ``len(drawn)`` of a window."""
    device = model.lm_head.weight.device
    hidden = model.hidden(torch.tensor([window], device=device))[0, -len(drawn) :]  # T, C
    for first in range(0, len(drawn), _AT_ONCE):
        ids = torch.tensor(drawn[first : first + _AT_ONCE])
        logits = model.lm_head(hidden[first : first + _AT_ONCE]).float().cpu()[:, :vocab_size]
        probs = logits.softmax(-1)  # T, V
        chosen = probs.gather(-1, ids[:, None])  # T, 1
        ranks = 1 + (probs > chosen).sum(-1)  # T
        best = probs.topk(min(candidates, probs.size(-1)))
        for row, id in enumerate(ids.tolist()):
            pairs = zip(best.indices[row].tolist(), best.values[row].tolist(), strict=True)
            yield DrawnToken(id, float(chosen[row]), int(ranks[row]), list(pairs))
