"""Replies to many prompts, in batches with a cache; each prompt draws from a seed of its own."""

import time
from collections.abc import Callable, Sequence

from nanogpt_cli.checkpoint.load import LoadedModel
from nanogpt_cli.config import ModelConfig, SampleConfig
from nanogpt_cli.dialogue import stops
from nanogpt_cli.errors import is_out_of_memory
from nanogpt_cli.inference.engine import generate_batch
from nanogpt_cli.inference.sampling import Token, sampling_generator
from nanogpt_cli.inference.text_stream import Reply, TextStream

CACHE_BYTES = 1 << 29
"""Memory for the keys and values of a batch."""
LARGEST_BATCH = 256


def reply_to_all(
    loaded: LoadedModel,
    prompts: Sequence[Sequence[int]],
    config: SampleConfig,
    seeds: Sequence[int | None],
    *,
    stop: Sequence[str] = (),
    advance: Callable[[int], None] = lambda replies: None,
    batch_size: int | None = None,
) -> list[Reply]:
    """Return the reply to each prompt, drawn with its seed, whatever is generated beside it.

    ``stop`` are texts that end a reply, beside the tags. ``advance`` is called with how many
    replies have ended, and may raise to stop. An answer comes without white space around it. Where
    the memory does not suffice, fewer are generated at once.
    """
    # alike lengths together, so that little is padding
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    size = batch_size or rows_that_fit(loaded.config)
    replies: dict[int, Reply] = {}
    first = 0
    while first < len(order):
        numbers = order[first : first + size]
        part, their_seeds = [prompts[i] for i in numbers], [seeds[i] for i in numbers]
        try:
            batch = _generate(loaded, part, config, their_seeds, stop, advance)
        except (RuntimeError, MemoryError) as error:
            if size == 1 or not is_out_of_memory(error):
                raise
            size = max(1, size // 2)
            continue
        replies |= zip(numbers, batch, strict=True)
        first += len(numbers)
    return [replies[i] for i in range(len(prompts))]


def rows_that_fit(config: ModelConfig) -> int:
    """Return how many sequences are decoded together: their cache is at most CACHE_BYTES."""
    row = 2 * config.n_layer * config.block_size * config.n_embd * 4
    return max(1, min(LARGEST_BATCH, CACHE_BYTES // row))


def _generate(
    loaded: LoadedModel,
    prompts: Sequence[Sequence[int]],
    config: SampleConfig,
    seeds: Sequence[int | None],
    stop: Sequence[str],
    advance: Callable[[int], None],
) -> list[Reply]:
    """Return the replies to prompts that are decoded together."""
    tokenizer, chat = loaded.tokenizer, loaded.chat_format
    ids, strings = stops(tokenizer, chat)
    streams = [TextStream(tokenizer, ids, (*strings, *stop)) for _ in prompts]
    replies = [Reply(prompt=list(prompt)) for prompt in prompts]
    begin = time.perf_counter()

    def ended(row: int, token: Token) -> bool:
        stream, reply = streams[row], replies[row]
        reply.text += stream.push(token.id)
        reply.ids.append(token.id)
        reply.tokens += not stream.stopped
        reply.seconds = time.perf_counter() - begin
        if reply.first_token_seconds is None:
            reply.first_token_seconds = reply.seconds
        if stream.stopped:
            reply.stop_reason = "stop"
        elif reply.tokens == config.max_tokens:
            reply.text += stream.finish()
        else:
            return False
        if chat is not None:
            reply.text = reply.text.strip()
        advance(1)
        return True

    tokens = generate_batch(
        loaded.model,
        prompts,
        config,
        vocab_size=tokenizer.vocab_size,
        generators=[sampling_generator(seed) for seed in seeds],
        ended=ended,
    )
    for _ in tokens:
        pass
    return replies
