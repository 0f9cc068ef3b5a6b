"""BERTScore of the replies (Zhang et al. 2020): tokens matched by their contextual embeddings.

Greedy matching by cosine, every token counts alike (no idf), the encoder's last layer, without
rescaling: what the package bert-score gives for the same folder, all layers and ``idf=False``. It
pads 64 pairs to the same length, and what is padded has a similarity of 0 to everything: a token
whose best match is below 0 matches the padding. That is so here too.

Shape letters: B sentences, T tokens, C channels.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nanogpt_cli.evaluation.metrics.base import Metric, ReplySample, Resources, Result
from nanogpt_cli.evaluation.metrics.encoder import check_folder, load_pretrained
from nanogpt_cli.evaluation.statistics import mean

if TYPE_CHECKING:
    from torch import Tensor

BATCH = 32
PADDED_TOGETHER = 64
"""The pairs in a batch of bert-score."""


def compute(sample: ReplySample) -> dict[str, Result]:
    """Return mean precision, recall and F1 over all pairs."""
    folder = sample.resources.bertscore_model
    assert folder is not None
    tokenizer, model = load_pretrained(folder, "AutoModel")
    texts = sorted({text.strip() for text in [*sample.hypotheses, *sample.references]}, key=len)
    embedded = _embed(tokenizer, model, texts)
    pairs = [
        (embedded[reply.strip()], embedded[reference.strip()])
        for reply, reference in zip(sample.hypotheses, sample.references, strict=True)
    ]
    scores = []
    for first in range(0, len(pairs), PADDED_TOGETHER):
        batch = pairs[first : first + PADDED_TOGETHER]
        longest = [max(len(pair[side][1]) for pair in batch) for side in (0, 1)]
        scores += [_score(*pair, longest) for pair in batch]
    names = ("bertscore_precision", "bertscore_recall", "bertscore")
    return {
        name: mean(values) for name, values in zip(names, zip(*scores, strict=True), strict=True)
    }


def _embed(tokenizer: Any, model: Any, texts: Sequence[str]) -> dict[str, "tuple[Tensor, Tensor]"]:
    """Return, for each text, unit vectors (T, C) and which of them are words (T,)."""
    import torch

    longest = min(tokenizer.model_max_length, model.config.max_position_embeddings)
    special = torch.tensor(sorted({tokenizer.cls_token_id, tokenizer.sep_token_id} - {None}))
    found = {}
    for first in range(0, len(texts), BATCH):
        part = texts[first : first + BATCH]
        batch = tokenizer(
            part, padding=True, truncation=True, max_length=longest, return_tensors="pt"
        )
        with torch.no_grad():
            hidden = model(**batch).last_hidden_state  # B, T, C
        hidden = torch.nn.functional.normalize(hidden, dim=-1)
        for row, text in enumerate(part):
            own = batch["attention_mask"][row].bool()
            ids = batch["input_ids"][row][own]
            found[text] = hidden[row][own], ~torch.isin(ids, special)
    return found


def _score(
    reply: "tuple[Tensor, Tensor]", reference: "tuple[Tensor, Tensor]", longest: Sequence[int]
) -> tuple[float, float, float]:
    """Return precision, recall and F1; 0 where one of the two has no word.

    The marks at the ends can be matched, but do not count. A side shorter than its ``longest`` is
    padded.
    """
    (ours, our_words), (theirs, their_words) = reply, reference
    if not our_words.any() or not their_words.any():
        return 0.0, 0.0, 0.0
    similarity = ours @ theirs.T  # T, T
    best = [similarity.max(dim=1).values[our_words], similarity.max(dim=0).values[their_words]]
    if len(theirs) < longest[1]:
        best[0] = best[0].clamp(min=0)
    if len(ours) < longest[0]:
        best[1] = best[1].clamp(min=0)
    precision, recall = (float(similarities.mean()) for similarities in best)
    below = precision + recall
    return precision, recall, 2 * precision * recall / below if below else 0.0


def check(resources: Resources) -> None:
    """Raise UsageError where the folder or transformers is missing."""
    check_folder("BERTScore", "--bertscore-model", resources.bertscore_model)


METRIC = Metric(
    "bertscore",
    "replies",
    compute,
    "BERTScore",
    about="similarity of contextual embeddings, token by token",
    titles={
        "bertscore_precision": "BERTScore P",
        "bertscore_recall": "BERTScore R",
        "bertscore": "BERTScore F1",
    },
    better="higher",
    by_default=False,
    of_any_pairs=True,
    requires="--bertscore-model FOLDER and nanogpt-cli[eval]",
    asked_by="bertscore_model",
    check=check,
)
