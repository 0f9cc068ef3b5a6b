"""Anything that assigns a probability to tokens: a model, and what models are measured against.

Shape letter: V vocabulary.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from nanogpt_cli.checkpoint.load import LoadedModel
from nanogpt_cli.data.mask import LossMask
from nanogpt_cli.data.store import Tokens
from nanogpt_cli.evaluation.loss import Loss, evaluate_loss, token_byte_counts


class Scorer(Protocol):
    """Measures how well tokens are predicted."""

    def nats(self, tokens: Tokens, mask: LossMask | None = None) -> Loss:
        """Return the loss over ``tokens``, or those that ``mask`` counts.

        Raises DataError where there are too few.
        """


@dataclass(frozen=True)
class ModelScorer:
    """A loaded model as a scorer."""

    loaded: LoadedModel
    advance: Callable[[int], None] = lambda tokens: None
    """Called with the number of tokens after each batch; may raise to stop."""

    def nats(self, tokens: Tokens, mask: LossMask | None = None) -> Loss:
        """Return the loss over adjacent windows as long as the model's context."""
        byte_counts = token_byte_counts(self.loaded.tokenizer, self.loaded.config.vocab_size)
        return evaluate_loss(
            self.loaded.model, tokens, byte_counts, mask=mask, advance=self.advance
        )
