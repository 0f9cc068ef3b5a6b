"""Replies to many prompts, in batches with a cache; each prompt draws from a seed of its own."""

from collections.abc import Callable, Sequence

from nanogpt_cli.checkpoint.load import LoadedModel
from nanogpt_cli.config import ModelConfig, SampleConfig
from nanogpt_cli.dialogue import encode_prompt, stops
from nanogpt_cli.errors import is_out_of_memory
from nanogpt_cli.evaluation.metrics.base import NotApplicable, ScoredReply
from nanogpt_cli.evaluation.prompts import Exchange
from nanogpt_cli.inference.engine import generate_batch
from nanogpt_cli.inference.sampling import Token, sampling_generator
from nanogpt_cli.inference.session import prompt_budget
from nanogpt_cli.inference.text_stream import TextStream

CACHE_BYTES = 1 << 29
"""Memory for the keys and values of a batch."""
LARGEST_BATCH = 128


def generate_replies(
    loaded: LoadedModel,
    exchanges: Sequence[Exchange],
    sampling: SampleConfig,
    advance: Callable[[int], None] = lambda replies: None,
    batch_size: int | None = None,
) -> list[ScoredReply]:
    """Return the model's reply to each exchange's prompt.

    The reply to a prompt is drawn with ``sampling.seed`` plus the prompt's number, whatever is
    generated beside it. ``advance`` is called with how many replies have ended, and may raise to
    stop. Raises NotApplicable for a model of plain text.
    """
    chat = loaded.chat_format
    if chat is None:
        raise NotApplicable("the model continues text, it does not reply")
    budget = prompt_budget(loaded.config, sampling)
    prompts = [encode_prompt(e.context, loaded.tokenizer, chat, budget).ids for e in exchanges]
    # alike lengths together, so that little is padding
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    size = batch_size or rows_that_fit(loaded.config)
    replies: dict[int, ScoredReply] = {}
    first = 0
    while first < len(order):
        numbers = order[first : first + size]
        try:
            batch = _generate(loaded, exchanges, prompts, numbers, sampling, advance)
        except (RuntimeError, MemoryError) as error:
            if size == 1 or not is_out_of_memory(error):
                raise
            size = max(1, size // 2)
            continue
        replies |= batch
        first += len(numbers)
    return [replies[i] for i in range(len(prompts))]


def rows_that_fit(config: ModelConfig) -> int:
    """Return how many sequences are decoded together: their cache is at most CACHE_BYTES."""
    row = 2 * config.n_layer * config.block_size * config.n_embd * 4
    return max(1, min(LARGEST_BATCH, CACHE_BYTES // row))


def _generate(
    loaded: LoadedModel,
    exchanges: Sequence[Exchange],
    prompts: Sequence[list[int]],
    numbers: Sequence[int],
    sampling: SampleConfig,
    advance: Callable[[int], None],
) -> dict[int, ScoredReply]:
    """Return the replies to the prompts with these numbers, by number."""
    tokenizer = loaded.tokenizer
    ids, strings = stops(tokenizer, loaded.chat_format)
    streams = [TextStream(tokenizer, ids, strings) for _ in numbers]
    texts, counts = [""] * len(numbers), [0] * len(numbers)

    def ended(row: int, token: Token) -> bool:
        texts[row] += streams[row].push(token.id)
        counts[row] += not streams[row].stopped
        if streams[row].stopped or counts[row] == sampling.max_tokens:
            advance(1)
        return streams[row].stopped

    tokens = generate_batch(
        loaded.model,
        [prompts[i] for i in numbers],
        sampling,
        vocab_size=tokenizer.vocab_size,
        generators=[sampling_generator((sampling.seed or 0) + i) for i in numbers],
        ended=ended,
    )
    for _ in tokens:
        pass
    replies = {}
    for row, number in enumerate(numbers):
        stopped = streams[row].stopped
        text = texts[row] if stopped else texts[row] + streams[row].finish()
        exchange = exchanges[number]
        context = tuple((turn.role, turn.text) for turn in exchange.context)
        replies[number] = ScoredReply(
            context, exchange.reference, text.strip(), counts[row], stopped, exchange.document
        )
    return replies
