"""How the next token is drawn from a model's logits. Nothing here knows a model or a text.

Shape letters: V vocabulary; ... any number of rows.
"""

import math
from collections.abc import Sequence, Set
from dataclasses import dataclass, field

import torch
from torch import Tensor

from nanogpt_cli.config import SampleConfig


@dataclass(frozen=True, slots=True)
class Token:
    """A token that was drawn, and what the model thought of it and of the others."""

    id: int
    logits: Tensor = field(repr=False, compare=False)
    """Of the vocabulary (V,), as the model gave them; what follows is computed when asked for."""

    @property
    def logprob(self) -> float:
        """The log-probability of this token in nats: the model's, whatever the temperature."""
        return float(self.logits.log_softmax(-1)[self.id])

    def alternatives(self, count: int) -> list[tuple[int, float]]:
        """Return the ``count`` likeliest tokens with their log-probabilities, best first."""
        best = self.logits.log_softmax(-1).topk(min(count, self.logits.numel()))
        return list(zip(best.indices.tolist(), best.values.tolist(), strict=True))


def probabilities(logits: Tensor, config: SampleConfig, seen: Set[int] = frozenset()) -> Tensor:
    """Return the probabilities (..., V) that the next token is drawn from, for logits (..., V).

    Temperature 0 gives everything to the likeliest token. A top_k beyond the vocabulary takes all.
    min_p counts after the temperature, top_p among what min_p has left. The repeat penalty applies
    to the ids that were ``seen``, in all rows.
    """
    if config.repeat_penalty != 1.0 and seen:
        logits = _penalised(logits, seen, config.repeat_penalty)
    if config.temperature == 0:
        return torch.zeros_like(logits).scatter(-1, logits.argmax(-1, keepdim=True), 1.0)
    # the likeliest stays at 0 however small the temperature; float64 has room for 1e-300
    logits = (logits - logits.amax(-1, keepdim=True)).double().div_(config.temperature).float()
    if config.top_k < logits.size(-1):
        kth = logits.topk(config.top_k, sorted=False).values.amin(-1, keepdim=True)
        logits.masked_fill_(logits < kth, -torch.inf)
    if config.min_p > 0:
        # Nguyen et al. 2024: a token as likely as min_p times the likeliest, whose logit is 0 here
        logits.masked_fill_(logits < math.log(config.min_p), -torch.inf)
    probs = logits.softmax(-1)
    if config.top_p < 1:
        # Holtzman et al. 2020: the smallest set of likeliest tokens with that mass
        ranked, order = probs.sort(descending=True)
        ranked[ranked.cumsum(-1) - ranked >= config.top_p] = 0.0
        probs = torch.zeros_like(probs).scatter(-1, order, ranked)
        probs = probs / probs.sum(-1, keepdim=True)
    return probs


def _penalised(logits: Tensor, seen: Set[int], penalty: float) -> Tensor:
    """Return logits (..., V) that are lower at ``seen``, whatever their sign."""
    at = torch.tensor(sorted(seen), device=logits.device)
    old = logits[..., at]
    logits = logits.clone()
    # Keskar et al. 2019
    logits[..., at] = torch.where(old > 0, old / penalty, old * penalty)
    return logits


def row_probabilities(
    logits: Tensor, configs: Sequence[SampleConfig], seen: Sequence[Set[int]] = ()
) -> Tensor:
    """Return the probabilities (B, V) of rows of logits (B, V) that have settings of their own.

    Each row is what ``probabilities`` returns for it, with its config and its ``seen`` ids, which
    may be left out for all rows. Rows with the same settings are computed together.
    """
    groups: dict[tuple[object, ...], list[int]] = {}
    for row, config in enumerate(configs):
        known = frozenset(seen[row]) if seen and config.repeat_penalty != 1 else frozenset()
        groups.setdefault((*(getattr(config, name) for name in _SHAPING), known), []).append(row)
    if len(groups) == 1:
        return probabilities(logits, configs[0], seen[0] if seen else frozenset())
    probs = torch.empty_like(logits)
    for rows in groups.values():
        first = rows[0]
        at = torch.tensor(rows, device=logits.device)
        probs[at] = probabilities(logits[at], configs[first], seen[first] if seen else frozenset())
    return probs


_SHAPING = ("temperature", "top_k", "top_p", "min_p", "repeat_penalty")
"""The settings that change probabilities."""


def draw_ids(probs: Tensor, generators: Sequence[torch.Generator | None]) -> list[int]:
    """Draw an id from each row of probabilities (B, V), each row with a generator of its own.

    The largest ratio of a probability to an exponential number wins, as in torch.multinomial, whose
    ids these are; the rows share what does not depend on their generators.
    """
    race = torch.empty_like(probs)
    for row, generator in zip(race, generators, strict=True):
        row.exponential_(generator=generator)
    ids: list[int] = (probs / race).argmax(-1).tolist()
    return ids


def sampling_generator(seed: int | None) -> torch.Generator:
    """Return a generator for drawing tokens: seeded, or different each time."""
    generator = torch.Generator()
    if seed is None:
        generator.seed()
    else:
        generator.manual_seed(seed)
    return generator
