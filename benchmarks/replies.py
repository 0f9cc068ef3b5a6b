"""How long replies to many prompts take: in batches, one at a time, and without a cache.

Usage: python benchmarks/replies.py MODEL [--prompts 200] [--max-tokens 256] [--device cpu]

All three draw from the same seeds, so they generate about the same tokens; the first two are also
compared word for word.
"""

import argparse
import time
from pathlib import Path

import torch

from nanogpt_cli.checkpoint.load import LoadedModel, load
from nanogpt_cli.config import SampleConfig
from nanogpt_cli.dialogue import encode_prompt, stops
from nanogpt_cli.evaluation.metrics.base import ScoredReply
from nanogpt_cli.evaluation.prompts import Exchange, token_exchanges
from nanogpt_cli.evaluation.replies import generate_replies
from nanogpt_cli.evaluation.text import evaluation_text
from nanogpt_cli.inference.sampling import probabilities, sampling_generator
from nanogpt_cli.inference.session import prompt_budget
from nanogpt_cli.inference.text_stream import TextStream
from nanogpt_cli.runs import find_checkpoint


@torch.no_grad()
def without_cache(
    loaded: LoadedModel, exchanges: list[Exchange], config: SampleConfig
) -> list[tuple[str, int]]:
    """Reply to each prompt by reading all of it anew for each token."""
    tokenizer, chat = loaded.tokenizer, loaded.chat_format
    assert chat is not None
    stop_ids, stop_strings = stops(tokenizer, chat)
    replies = []
    for number, exchange in enumerate(exchanges):
        budget = prompt_budget(loaded.config, config)
        ids = list(encode_prompt(exchange.context, tokenizer, chat, budget).ids)
        generator = sampling_generator((config.seed or 0) + number)
        stream, text, count = TextStream(tokenizer, stop_ids, stop_strings), "", 0
        device = loaded.model.lm_head.weight.device
        while count < config.max_tokens and not stream.stopped:
            window = torch.tensor([ids[-loaded.config.block_size :]], device=device)
            logits = loaded.model(window)[0, -1, : tokenizer.vocab_size].float().cpu()
            ids.append(
                int(torch.multinomial(probabilities(logits, config), 1, generator=generator))
            )
            text += stream.push(ids[-1])
            count += not stream.stopped
        replies.append((text.strip(), count))
    return replies


def timed(name: str, begin: float, replies: int, tokens: int, base: float | None) -> float:
    """Print a line, and return the seconds."""
    seconds = time.perf_counter() - begin
    faster = "" if base is None else f", {seconds / base:.1f} times the batched time"
    print(
        f"{name:28} {seconds:8.2f} s for {replies} replies, "
        f"{tokens / seconds:,.0f} tokens/s{faster}"
    )
    return seconds


def main() -> None:
    """Measure, and print a line for each way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--prompts", type=int, default=200)
    parser.add_argument("--max-tokens", type=int, default=256)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    loaded = load(find_checkpoint(args.model), args.device)
    dataset = evaluation_text(loaded).dataset
    assert dataset is not None
    assert dataset.chat_format is not None
    found = token_exchanges(dataset.val, dataset.tokenizer, dataset.chat_format)
    exchanges = found.choose(args.prompts, seed=1)
    config = SampleConfig(seed=1, max_tokens=args.max_tokens)
    generate_replies(loaded, exchanges[:4], config)  # the first call compiles and allocates
    parameters = loaded.model.parameter_count() / 1e6
    print(f"{Path(args.model)}: {parameters:.1f} M parameters, {torch.get_num_threads()} threads")

    def tokens(replies: list[ScoredReply]) -> int:
        return sum(reply.tokens for reply in replies)

    begin = time.perf_counter()
    batched = generate_replies(loaded, exchanges, config)
    base = timed("in batches, with the cache", begin, len(batched), tokens(batched), None)
    begin = time.perf_counter()
    single = generate_replies(loaded, exchanges, config, batch_size=1)
    timed("one at a time, with a cache", begin, len(single), tokens(single), base)
    begin = time.perf_counter()
    naive = without_cache(loaded, exchanges, config)
    timed("one at a time, without one", begin, len(naive), sum(count for _, count in naive), base)
    same = sum(a.reply == b.reply for a, b in zip(batched, single, strict=True))
    plain = sum(a.reply == text for a, (text, _) in zip(batched, naive, strict=True))
    print(f"equal to the batched replies: {same} with a cache, {plain} without")


if __name__ == "__main__":
    main()
