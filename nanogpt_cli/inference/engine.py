"""Decoding: from a prompt's ids to the next ones, and from ids to text that can be shown.

Shape letters: B batch (1 here), T tokens, V vocabulary.
"""

import codecs
import time
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass

import torch
from torch import Tensor

from nanogpt_cli.config import SampleConfig
from nanogpt_cli.errors import CheckpointError
from nanogpt_cli.model.gpt import GPT
from nanogpt_cli.tokenizer.load import Tokenizer


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
        """Give the logits (V,) of the token that follows ``ids``; at most block_size of them."""
        known = _shared(self._cached, ids[:-1])
        self._cache.truncate(0, known)
        self._cached = self._cached[:known]  # all that is valid if the next line is interrupted
        device = self._cache.keys.device
        new = torch.tensor([ids[known:]], device=device)  # B, T
        hidden = self.model.hidden(new, self._cache)  # B, T, C
        self._cached = list(ids)
        logits: Tensor = self.model.lm_head(hidden[0, -1]).float()
        return logits

    def window(self, ids: list[int], start: int) -> int:
        """Give where the window on ``ids`` begins, if it began at ``start``.

        A window that is full goes on with its second half, read anew, so that the cost stays
        about the same for each token however long the text grows.
        """
        block = self.model.config.block_size
        return start if len(ids) - start <= block else len(ids) - max(1, block // 2)


def _shared(a: Sequence[int], b: Sequence[int]) -> int:
    """Give how many ids the two begin with alike."""
    differing = (i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y)
    return next(differing, min(len(a), len(b)))


def probabilities(logits: Tensor, config: SampleConfig, seen: Set[int] = frozenset()) -> Tensor:
    """Turn logits (V,) into the probabilities (V,) that the next token is drawn from.

    Temperature 0 gives everything to the likeliest token. A top_k beyond the vocabulary takes all.
    The repeat penalty applies to the ids that were ``seen``.
    """
    if config.repeat_penalty != 1.0 and seen:
        # Keskar et al. 2019: whatever the sign, the logit goes down
        at = torch.tensor(sorted(seen), device=logits.device)
        old = logits[at]
        logits = logits.clone()
        logits[at] = torch.where(old > 0, old / config.repeat_penalty, old * config.repeat_penalty)
    if config.temperature == 0:
        return torch.zeros_like(logits).scatter(0, logits.argmax(keepdim=True), 1.0)
    # the likeliest stays at 0 however small the temperature; float64 has room for 1e-300
    logits = ((logits - logits.max()).double() / config.temperature).float()
    if config.top_k < logits.numel():
        kth = logits.topk(config.top_k).values[-1]
        logits = logits.masked_fill(logits < kth, -torch.inf)
    probs = logits.softmax(-1)
    if config.top_p < 1:
        # Holtzman et al. 2020: the smallest set of likeliest tokens with that mass
        ranked, order = probs.sort(descending=True)
        ranked[ranked.cumsum(0) - ranked >= config.top_p] = 0.0
        probs = torch.zeros_like(probs).scatter(0, order, ranked)
        probs = probs / probs.sum()
    return probs


def generate(
    decoder: Decoder,
    prompt: Sequence[int],
    config: SampleConfig,
    *,
    vocab_size: int | None = None,
    generator: torch.Generator | None = None,
) -> Iterator[int]:
    """Yield token ids that go on from ``prompt``, ``config.max_tokens`` of them unless stopped.

    Ids from ``vocab_size`` on, which pad the model's vocabulary, are never drawn. ``generator``
    lives on the CPU. A prompt longer than the block is read from its last block_size tokens on.
    The repeat penalty knows what was generated, not the prompt. Raises CheckpointError for weights
    so large that no numbers come out.
    """
    ids = list(prompt)
    seen: set[int] = set()
    start = max(0, len(ids) - decoder.model.config.block_size)
    for _ in range(config.max_tokens):
        start = decoder.window(ids, start)
        logits = decoder.logits(ids[start:]).cpu()[:vocab_size]
        if not logits.isfinite().all():
            raise CheckpointError(
                "the model computes no finite numbers for this text",
                "its weights are damaged, or its training had diverged; take another checkpoint",
            )
        probs = probabilities(logits, config, seen)
        ids.append(int(torch.multinomial(probs, 1, generator=generator)))
        if config.repeat_penalty != 1:
            seen.add(ids[-1])
        yield ids[-1]


class TextStream:
    """Turns tokens into text as they come, and finds the end of the reply.

    Half a UTF-8 character waits for its other half, and what may be the beginning of a stop string
    waits until it is clear.
    """

    def __init__(
        self, tokenizer: Tokenizer, stop_ids: Set[int], stop_strings: Sequence[str] = ()
    ) -> None:
        self._tokenizer, self._stop_ids, self._stop_strings = tokenizer, stop_ids, stop_strings
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        self._pending = ""
        self.stopped = False

    def push(self, token: int) -> str:
        """Take one token; give the text that can be shown now."""
        if token in self._stop_ids:
            return self.finish(stopped=True)
        self._pending += self._utf8.decode(self._tokenizer.token_bytes(token))
        ends = [at for s in self._stop_strings if (at := self._pending.find(s)) >= 0]
        if ends:
            self._pending = self._pending[: min(ends)]
            return self.finish(stopped=True)
        held = max((_overlap(self._pending, s) for s in self._stop_strings), default=0)
        return self._release(len(self._pending) - held)

    def finish(self, stopped: bool = False) -> str:
        """End the text: give what was held back."""
        self.stopped = stopped
        if not stopped:
            self._pending += self._utf8.decode(b"", final=True)
        return self._release(len(self._pending))

    def _release(self, count: int) -> str:
        text, self._pending = self._pending[:count], self._pending[count:]
        return text


def _overlap(text: str, stop: str) -> int:
    """Give how many characters at the end of ``text`` begin ``stop``."""
    longest = min(len(text), len(stop) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(stop[:n])), 0)


@dataclass
class Reply:
    """A reply as far as it has come."""

    text: str = ""
    tokens: int = 0
    seconds: float = 0.0
    stop_reason: str = "length"
    """``stop`` at an end tag, ``length`` at max_tokens, ``interrupted`` by the user."""

    @property
    def tokens_per_sec(self) -> float | None:
        """Tokens per second, reading of the prompt included."""
        return self.tokens / self.seconds if self.seconds > 0 else None


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

    KeyboardInterrupt ends the reply and leaves what had come.
    """
    text = TextStream(tokenizer, stop_ids, stop_strings)
    begin = time.perf_counter()
    tokens = generate(decoder, prompt, config, vocab_size=tokenizer.vocab_size, generator=generator)
    try:
        for token in tokens:
            piece = text.push(token)
            reply.tokens += not text.stopped
            reply.seconds = time.perf_counter() - begin
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


def sampling_generator(seed: int | None) -> torch.Generator:
    """Give a generator of its own for drawing tokens: seeded, or different each time."""
    generator = torch.Generator()
    if seed is None:
        generator.seed()
    else:
        generator.manual_seed(seed)
    return generator
