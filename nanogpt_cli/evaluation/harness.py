"""lm-evaluation-harness: our models under the name ``nanogpt`` (extra ``harness``).

    python -m nanogpt_cli.evaluation.harness --model nanogpt --model_args pretrained=RUN --tasks X

The options are the harness's own (``lm_eval --help``). Importing this module registers the model.

Shape letters: B rows, T tokens, V vocabulary.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from lm_eval.api.model import TemplateLM
from lm_eval.api.registry import register_model
from lm_eval.utils import get_rolling_token_windows

from nanogpt_cli.checkpoint.load import load
from nanogpt_cli.config import SampleConfig
from nanogpt_cli.inference.batch import reply_to_all
from nanogpt_cli.runs import find_checkpoint
from nanogpt_cli.tokenizer.load import END_OF_TEXT

ROWS = 32
"""Sequences that are computed together."""
LONGEST = 256
"""Tokens of an answer where a task does not say."""


@register_model("nanogpt")  # type: ignore[untyped-decorator, unused-ignore]
class NanoGPTLM(TemplateLM):  # type: ignore[misc, unused-ignore]
    """A run, checkpoint or folder, as the harness asks models."""

    def __init__(
        self, pretrained: str | None = None, device: str | None = None, **ignored: Any
    ) -> None:
        super().__init__()
        loaded = load(find_checkpoint(pretrained), device or "auto")
        self.loaded = replace(loaded, chat_format=None)

    @property
    def eot_token_id(self) -> int:
        """What stands before a text that has nothing before it."""
        known = self.loaded.tokenizer.special_tokens
        return known.get(END_OF_TEXT, (self.tok_encode("\n") or [0])[0])

    def tok_encode(
        self, string: str, add_special_tokens: bool | None = None, **ignored: Any
    ) -> list[int]:
        """Return the ids of a text."""
        return self.loaded.tokenizer.encode(string)

    def _loglikelihood_tokens(
        self, requests: Sequence[tuple[Any, list[int], list[int]]], **ignored: Any
    ) -> list[tuple[float, bool]]:
        """Return the log-likelihood of each continuation, and whether it is the likeliest.

        Of what is longer than the block, the end counts.
        """
        pairs = [(context, following) for _, context, following in requests]
        order = sorted(range(len(pairs)), key=lambda i: sum(map(len, pairs[i])))
        results: dict[int, tuple[float, bool]] = {}
        for first in range(0, len(order), ROWS):
            numbers = order[first : first + ROWS]
            results |= zip(numbers, self._score([pairs[i] for i in numbers]), strict=True)
        return [results[i] for i in range(len(pairs))]

    @torch.no_grad()
    def _score(self, pairs: Sequence[tuple[list[int], list[int]]]) -> Iterator[tuple[float, bool]]:
        model, block = self.loaded.model, self.loaded.config.block_size
        rows = [[*context, *following][-block - 1 :] for context, following in pairs]
        longest = max(map(len, rows))
        padded = [row + [0] * (longest - len(row)) for row in rows]
        ids = torch.tensor(padded, device=model.lm_head.weight.device)  # B, T
        logprobs = model(ids[:, :-1]).float().log_softmax(-1)  # B, T - 1, V
        for row, logprob, (_, following) in zip(rows, logprobs, pairs, strict=True):
            count = min(len(following), len(row) - 1)
            targets = torch.tensor(row[len(row) - count :], device=ids.device)
            own = logprob[len(row) - 1 - count : len(row) - 1]  # count, V
            total = own.gather(1, targets[:, None]).double().sum()
            yield float(total), bool((own.argmax(-1) == targets).all())

    def loglikelihood_rolling(
        self, requests: Sequence[Any], disable_tqdm: bool = False
    ) -> list[float]:
        """Return the log-likelihood of whole texts, in windows that do not overlap."""
        totals = []
        for request in requests:
            windows = get_rolling_token_windows(
                token_list=self.tok_encode(request.args[0]),
                prefix_token=self.eot_token_id,
                max_seq_len=self.loaded.config.block_size,
                context_len=1,
            )
            pairs = [(before[: len(before) - len(after) + 1], after) for before, after in windows]
            scores = self._loglikelihood_tokens([(None, *pair) for pair in pairs])
            totals.append(sum(score for score, _ in scores))
        return totals

    def generate_until(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[str]:
        """Return what the model writes after each context, until a text that ends it."""
        answers = []
        for context, options in (request.args for request in requests):
            until = options.get("until") or []
            until = [until] if isinstance(until, str) else until
            config = SampleConfig(
                temperature=options.get("temperature", 0.0) if options.get("do_sample") else 0.0,
                max_tokens=options.get("max_gen_toks", LONGEST),
            )
            ids = self.tok_encode(context) or [self.eot_token_id]
            [reply] = reply_to_all(self.loaded, [ids], config, [None], stop=until)
            answers.append(reply.text)
        return answers


def main() -> None:
    """Run the harness's command line, with our model registered."""
    from lm_eval.__main__ import cli_evaluate

    cli_evaluate()


if __name__ == "__main__":
    main()
