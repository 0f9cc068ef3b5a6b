"""``/stats``."""

import math

from nanogpt_cli.cli import ui
from nanogpt_cli.cli.chat_view import speed
from nanogpt_cli.cli.slash.base import Chat, SlashCommand
from nanogpt_cli.text import byte_size, counted

_ENDS = {"stop": "ended by itself", "length": "ended at max_tokens", "interrupted": "stopped"}


def run(chat: Chat, arguments: list[str]) -> None:
    """Show how fast and how certain the last reply was, and what the chat has taken so far."""
    session = chat.session
    last, totals = session.last, session.totals
    rows: dict[str, list[str]] = {}
    if last is not None and last.ids:
        first = last.first_token_seconds or 0.0
        rows["last reply"] = [
            counted(last.tokens, "token"), speed(last.tokens_per_sec),
            f"the first after {first:.3f} s", _ENDS[last.stop_reason],
        ]  # fmt: skip
        rows["its prompt"] = [counted(len(last.prompt), "token")]
        rows["its tokens"] = _certainty(chat)
    rows["this chat"] = [
        "1 reply" if totals.replies == 1 else f"{totals.replies} replies",
        counted(totals.tokens, "token"), speed(totals.tokens_per_sec),
    ]  # fmt: skip
    use = session.context()
    rows["context"] = [f"{use.used} of {use.limit} tokens"]
    rows["memory"] = [byte_size(_resident())]
    for name, facts in rows.items():
        ui.say(f"  {name:<12}{', '.join(filter(None, facts))}")


def _certainty(chat: Chat) -> list[str]:
    from nanogpt_cli.inference.inspection import inspect_reply

    session = chat.session
    assert session.last is not None
    tokens = list(
        inspect_reply(
            session.loaded.model, session.last.prompt, session.last.ids,
            session.loaded.tokenizer.vocab_size, candidates=1,
        )
    )  # fmt: skip
    nats = -sum(math.log(max(token.probability, 1e-300)) for token in tokens) / len(tokens)
    likeliest = sum(token.rank == 1 for token in tokens) / len(tokens)
    return [f"perplexity {math.exp(nats):.2f}", f"{likeliest:.0%} were the likeliest"]


def _resident() -> int:
    import psutil

    size: int = psutil.Process().memory_info().rss
    return size


COMMAND = SlashCommand("stats", "/stats", "speed, certainty and memory", run)
