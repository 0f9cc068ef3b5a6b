"""Labels ranked by their likelihood: which of several the model itself prefers after a text.

No classifier is trained or loaded: the model's own probability of each label decides (as GPT-2 and
its successors are tested, Radford et al. 2019). A label counts as a whole reply, its end included.

Shape letters: B rows, T tokens, C channels, V vocabulary.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nanogpt_cli.checkpoint.load import LoadedModel
from nanogpt_cli.dialogue import Turn, encode_prompt, tags_are_special
from nanogpt_cli.evaluation.metrics.base import NotApplicable, RankedSample
from nanogpt_cli.evaluation.prompts import Exchange

ROWS = 32
"""Sequences that are computed together."""
MOST_LABELS = 64
_TAG = re.compile(r"\s*([\[(<{][^\W\d_]{2,24}[\])>}])")
"""A word in brackets that opens a reply."""


@dataclass(frozen=True)
class Labelled:
    """A text and what is true of it."""

    context: tuple[Turn, ...]
    label: str


def tagged(exchanges: Sequence[Exchange]) -> list[Labelled]:
    """Return the exchanges whose reply begins with a tag such as ``[joy]``.

    Raises NotApplicable where the data have no such tags.
    """
    found = [(e, match[1]) for e in exchanges if (match := _TAG.match(e.reference))]
    labels = Counter(label for _, label in found)
    if len(found) < len(exchanges) / 2 or not 2 <= len(labels) <= MOST_LABELS:
        raise NotApplicable("the data have no emotion tags; name a labelled file with --labels")
    return [Labelled(e.context, label) for e, label in found]


def rank_labels(
    loaded: LoadedModel,
    texts: Sequence[Labelled],
    whole_reply: bool,
    advance: Callable[[int], None] = lambda texts: None,
) -> RankedSample:
    """Return the label that the model thinks likeliest for each text.

    ``whole_reply``: a label is all of the reply, so that its end counts too; else its beginning.
    ``advance`` is called with how many texts are done. Raises NotApplicable where the model knows
    no token of a label.
    """
    labels = tuple(sorted({text.label for text in texts}))
    endings = [_label_ids(loaded, label, whole_reply) for label in labels]
    room = max(1, loaded.config.block_size - max(map(len, endings)))
    chosen = []
    for text in texts:
        prompt = _prompt_ids(loaded, text.context, room)
        scores = torch.cat(
            [
                _scores(loaded, prompt, endings[first : first + ROWS])
                for first in range(0, len(endings), ROWS)
            ]
        )
        chosen.append(int(scores.argmax()))
        advance(1)
    truth = [labels.index(text.label) for text in texts]
    return RankedSample(labels, truth, chosen)


def _prompt_ids(loaded: LoadedModel, context: Sequence[Turn], room: int) -> list[int]:
    """Return the ids before a label, at most ``room`` of them."""
    if loaded.chat_format is not None:
        return encode_prompt(context, loaded.tokenizer, loaded.chat_format, room).ids
    ids = loaded.tokenizer.encode("\n".join(turn.text for turn in context) + "\n")
    return (ids or [0])[-room:]


def _label_ids(loaded: LoadedModel, label: str, whole_reply: bool) -> list[int]:
    tokenizer, chat = loaded.tokenizer, loaded.chat_format
    ids = tokenizer.encode(label)
    if not ids or tokenizer.unknown(label):
        raise NotApplicable(f"the model's tokenizer cannot write the label {label}")
    if not whole_reply:
        return ids
    if chat is None:
        return [*ids, *tokenizer.encode("\n")]
    if tags_are_special(tokenizer, chat):
        return [*ids, tokenizer.special_tokens[chat.end]]
    return tokenizer.encode(label + chat.end)


@torch.no_grad()
def _scores(loaded: LoadedModel, prompt: Sequence[int], endings: Sequence[list[int]]) -> Tensor:
    """Return the log-probability in nats of each ending after ``prompt`` (B,)."""
    model = loaded.model
    device = model.lm_head.weight.device
    T = max(map(len, endings))
    rows = [[*prompt, *ending, *[0] * T][: len(prompt) + T - 1] for ending in endings]
    hidden = model.hidden(torch.tensor(rows, device=device))[:, len(prompt) - 1 :]  # B, T, C
    logprobs = model.lm_head(hidden).float().log_softmax(-1)  # B, T, V
    padded = torch.tensor([[*ending, *[0] * T][:T] for ending in endings], device=device)
    of_tokens = logprobs.gather(2, padded[..., None])[..., 0]  # B, T
    lengths = torch.tensor([len(ending) for ending in endings], device=device)
    own = torch.arange(T, device=device) < lengths[:, None]  # B, T
    scores: Tensor = (of_tokens * own).sum(dim=1).cpu()
    return scores
