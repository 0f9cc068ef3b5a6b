"""Decoding: from prompts to the tokens that follow them, for one sequence or many at once.

A text longer than the model's context is read through a window: the last tokens of it. A window
that is full continues with its second half, computed anew, so that the cost of a token stays about
the same however long the text grows. Nothing here knows a conversation or a file.

Shape letters: B rows, T new tokens, C channels, V vocabulary.
"""

import time
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, field

import torch
from torch import Tensor

from nanogpt_cli.config import SampleConfig
from nanogpt_cli.errors import CheckpointError
from nanogpt_cli.inference.sampling import (
    Token,
    draw_ids,
    probabilities,
    sampling_generator,
)
from nanogpt_cli.inference.text_stream import Reply, TextStream
from nanogpt_cli.model.cache import KVCache
from nanogpt_cli.model.gpt import GPT
from nanogpt_cli.tokenizer.load import Tokenizer

_READ_AT_ONCE = 4096
"""Tokens of prompts, padding included, that are read at a time."""


class Decoder:
    """A model with the keys and values of what it read last, so that nothing is read twice.

    From one turn of a conversation to the next, only the new tokens are computed.
    """

    def __init__(self, model: GPT) -> None:
        self.model = model.eval()
        self._cache = model.new_cache()
        self._cached: list[int] = []

    @torch.no_grad()
    def logits(self, ids: list[int]) -> Tensor:
        """Return the logits (V,) of the token that follows ``ids``; at most block_size of them."""
        known = common_length(self._cached, ids[:-1])
        self._cache.truncate(0, known)
        self._cached = self._cached[:known]  # all that is valid if the next line is interrupted
        device = self._cache.keys.device
        new = torch.tensor([ids[known:]], device=device)  # 1, T
        hidden = self.model.hidden(new, self._cache)  # 1, T, C
        self._cached = list(ids)
        logits: Tensor = self.model.lm_head(hidden[0, -1]).float()
        return logits


def common_length(a: Sequence[int], b: Sequence[int]) -> int:
    """Return how many ids the two have in common at their beginning."""
    differing = (i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y)
    return next(differing, min(len(a), len(b)))


def not_finite() -> CheckpointError:
    """Return the error of a model whose output has no probabilities."""
    return CheckpointError(
        "the model's output for this text is not finite",
        "its parameters are corrupt, or its training diverged; use another checkpoint",
    )


def first_window_start(length: int, block_size: int) -> int:
    """Return where the window begins through which a prompt of ``length`` ids is read."""
    return max(0, length - block_size)


def window_start(length: int, start: int, block_size: int) -> int:
    """Return where the window begins, which was at ``start``, once there are ``length`` ids."""
    return length - max(1, block_size // 2) if length - start > block_size else start


@dataclass
class _Sequence:
    """A prompt and what was drawn after it."""

    ids: list[int]
    config: SampleConfig
    generator: torch.Generator | None
    block_size: int
    start: int = 0
    """Where the window begins."""
    seen: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.start = first_window_start(len(self.ids), self.block_size)

    def window(self) -> list[int]:
        """Return the ids that the model reads now."""
        self.start = window_start(len(self.ids), self.start, self.block_size)
        return self.ids[self.start :]

    def append(self, token: Token) -> None:
        """Add a token that was drawn."""
        self.ids.append(token.id)
        if self.config.repeat_penalty != 1:
            self.seen.add(token.id)


def _draw(
    sequences: Sequence[_Sequence], logits: Tensor, config: SampleConfig, vocab_size: int | None
) -> list[Token]:
    """Append a token to each sequence, drawn from its row of logits (B, V), and return them.

    Raises CheckpointError where they are not finite.
    """
    logits = logits.cpu()[:, :vocab_size]
    if not logits.isfinite().all():
        raise not_finite()
    if config.repeat_penalty == 1:
        probs = probabilities(logits, config)
    else:
        rows = zip(logits, sequences, strict=True)
        probs = torch.stack([probabilities(row, config, sequence.seen) for row, sequence in rows])
    ids = draw_ids(probs, [sequence.generator for sequence in sequences])
    tokens = [Token(token, row) for token, row in zip(ids, logits, strict=True)]
    for sequence, token in zip(sequences, tokens, strict=True):
        sequence.append(token)
    return tokens


def generate(
    decoder: Decoder,
    prompt: Sequence[int],
    config: SampleConfig,
    *,
    vocab_size: int | None = None,
    generator: torch.Generator | None = None,
) -> Iterator[Token]:
    """Yield tokens that continue ``prompt``, ``config.max_tokens`` of them unless stopped.

    Ids from ``vocab_size`` on, which pad the model's vocabulary, are never drawn. ``generator``
    lives on the CPU. The repeat penalty knows what was generated, not the prompt. Raises
    CheckpointError where the model's output is not finite.
    """
    block_size = decoder.model.config.block_size
    sequence = _Sequence(list(prompt), config, generator, block_size)
    for _ in range(config.max_tokens):
        logits = decoder.logits(sequence.window())[None]  # 1, V
        yield from _draw([sequence], logits, config, vocab_size)


def generate_batch(
    model: GPT,
    prompts: Sequence[Sequence[int]],
    config: SampleConfig,
    *,
    vocab_size: int | None = None,
    generators: Sequence[torch.Generator] | None = None,
    ended: Callable[[int, Token], bool] = lambda row, token: False,
) -> Iterator[tuple[int, Token]]:
    """Yield tokens that continue several prompts at once, each after the number of its prompt.

    A row draws from a generator of its own, seeded with ``config.seed`` plus its number where none
    are given: what it says depends on no other row. It ends when ``ended`` says so of its newest
    token, or after ``config.max_tokens``; the others continue without it, in another order. An
    empty prompt is refused with a ValueError; otherwise as ``generate``.
    """
    if not all(prompts):
        raise ValueError("a prompt needs at least one token")
    if generators is None:
        seeds = [None if config.seed is None else config.seed + row for row in range(len(prompts))]
        generators = [sampling_generator(seed) for seed in seeds]
    block_size = model.config.block_size
    active = [
        (row, _Sequence(list(prompt), config, generator, block_size))
        for row, (prompt, generator) in enumerate(zip(prompts, generators, strict=True))
    ]
    cache = model.eval().new_cache(len(active))
    for step in range(config.max_tokens):
        if not active:
            return
        lengths = cache.lengths.tolist()
        new = [
            _new_ids(cache, slot, lengths[slot], sequence)
            for slot, (_, sequence) in enumerate(active)
        ]
        logits = (_next_logits if step else _first_logits)(model, cache, new)  # B, V
        drawn = _draw([sequence for _, sequence in active], logits, config, vocab_size)
        over = []
        for slot, token in enumerate(drawn):
            row = active[slot][0]
            yield row, token
            if ended(row, token):
                over.append(slot)
        for slot in reversed(over):  # the last row takes the place of one that is over
            cache.move(len(active) - 1, slot)
            active[slot] = active[-1]
            active.pop()
        if over:
            cache = cache.head(len(active))


def _new_ids(cache: KVCache, slot: int, length: int, sequence: _Sequence) -> list[int]:
    """Return the ids that a row of the cache lacks, having emptied it where its window moved.

    It holds ``length`` of them.
    """
    start = sequence.start
    window = sequence.window()
    if sequence.start != start:
        cache.truncate(slot, 0)
        length = 0
    return window[length:]


@torch.no_grad()
def _first_logits(model: GPT, cache: KVCache, prompts: Sequence[Sequence[int]]) -> Tensor:
    """Read a prompt into each row of an empty cache; return the logits (B, V) of what follows.

    Neighbours are read together as long as that is not too many tokens, nor too much padding.
    """
    last: list[Tensor] = []
    for first, end in _neighbours([len(prompt) for prompt in prompts]):
        counts = torch.tensor([len(prompt) for prompt in prompts[first:end]])  # n
        T = int(counts.max())
        there = _padded(prompts[first:end], T).to(cache.keys.device)  # n, T
        hidden = model.hidden(there, cache.part(first, end), counts)  # n, T, C
        last.append(hidden[torch.arange(end - first), counts - 1])
    logits: Tensor = model.lm_head(torch.cat(last)).float()
    return logits


def _padded(rows: Sequence[Sequence[int]], T: int) -> Tensor:
    """Return T ids of each row (B, T); a shorter one continues with its own last id.

    What that comes to is as finite as the row is.
    """
    return torch.tensor([[*ids, *[ids[-1] if ids else 0] * T][:T] for ids in rows])


def _neighbours(lengths: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield ranges of rows that are read together, for the lengths of all."""
    first, most, used = 0, 0, 0
    for row, length in enumerate(lengths):
        padded = max(most, length) * (row + 1 - first)
        if row > first and (padded > _READ_AT_ONCE or padded > 1.25 * (used + length)):
            yield first, row
            first, most, used = row, 0, 0
        most, used = max(most, length), used + length
    yield first, len(lengths)


@torch.no_grad()
def _next_logits(model: GPT, cache: KVCache, new: Sequence[Sequence[int]]) -> Tensor:
    """Read the new ids of each row of the cache; return the logits (B, V) of what follows them.

    Rows are read together as long as no more than half of the tokens are padding; longer ones
    before them, each by itself.
    """
    device = cache.keys.device
    counts = torch.tensor([len(ids) for ids in new])  # B
    if counts.max() == 1:
        hidden = model.hidden(torch.tensor(new, device=device), cache)  # B, 1, C
        every: Tensor = model.lm_head(hidden[:, -1]).float()
        return every
    last: dict[int, Tensor] = {}  # C each
    while counts.max() * len(new) > 2 * counts.sum():
        row = int(counts.argmax())
        last[row] = model.hidden(torch.tensor([new[row]], device=device), cache.row(row))[0, -1]
        counts[row] = 0
    if T := int(counts.max()):
        hidden = model.hidden(_padded(new, T).to(device), cache, counts)  # B, T, C
        last |= {row: hidden[row, count - 1] for row, count in enumerate(counts.tolist()) if count}
    logits: Tensor = model.lm_head(torch.stack([last[row] for row in range(len(new))])).float()
    return logits


def stream_reply(
    decoder: Decoder,
    tokenizer: Tokenizer,
    prompt: Sequence[int],
    config: SampleConfig,
    reply: Reply,
    *,
    stop_ids: Set[int] = frozenset(),
    stop_strings: Sequence[str] = (),
    generator: torch.Generator | None = None,
) -> Iterator[str]:
    """Yield the reply's text in pieces; ``reply`` is kept up to date as they come.

    KeyboardInterrupt ends the reply and keeps what had come.
    """
    text = TextStream(tokenizer, stop_ids, stop_strings)
    reply.prompt = list(prompt)
    begin = time.perf_counter()
    tokens = generate(decoder, prompt, config, vocab_size=tokenizer.vocab_size, generator=generator)
    try:
        for token in tokens:
            piece = text.push(token.id)
            reply.ids.append(token.id)
            reply.tokens += not text.stopped
            reply.seconds = time.perf_counter() - begin
            if reply.first_token_seconds is None:
                reply.first_token_seconds = reply.seconds
            reply.text += piece
            if piece:
                yield piece
            if text.stopped:
                reply.stop_reason = "stop"
                return
        last = text.finish()
        reply.text += last
        if last:
            yield last
    except KeyboardInterrupt:
        reply.stop_reason = "interrupted"
        reply.text += text.finish()
