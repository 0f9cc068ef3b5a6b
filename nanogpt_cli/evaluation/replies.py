"""Replies to held-out prompts, as metrics take them."""

from collections.abc import Callable, Sequence

from nanogpt_cli.checkpoint.load import LoadedModel
from nanogpt_cli.config import SampleConfig
from nanogpt_cli.dialogue import encode_prompt
from nanogpt_cli.evaluation.metrics.base import NotApplicable, ScoredReply
from nanogpt_cli.evaluation.prompts import Exchange
from nanogpt_cli.inference.batch import reply_to_all
from nanogpt_cli.inference.session import prompt_budget


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
    seeds = [(sampling.seed or 0) + number for number in range(len(prompts))]
    replies = reply_to_all(loaded, prompts, sampling, seeds, advance=advance, batch_size=batch_size)
    return [
        ScoredReply(
            tuple((turn.role, turn.text) for turn in exchange.context),
            exchange.reference,
            reply.text,
            reply.tokens,
            reply.stop_reason == "stop",
            exchange.document,
        )
        for exchange, reply in zip(exchanges, replies, strict=True)
    ]
