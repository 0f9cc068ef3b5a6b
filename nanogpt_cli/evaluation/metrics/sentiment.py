"""How often a reply has the reference's sentiment: by a lexicon, or by a classifier in a folder.

The lexicon is VADER (Hutto & Gilbert 2014), for English: positive from a compound score of 0.05,
negative to -0.05, neutral between.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from nanogpt_cli.evaluation.metrics.base import (
    Metric,
    ReplySample,
    Resources,
    Result,
    missing_package,
)
from nanogpt_cli.evaluation.metrics.encoder import check_folder, load_pretrained
from nanogpt_cli.evaluation.statistics import mean

NEUTRAL_BELOW = 0.05
BATCH = 32


def compute(sample: ReplySample) -> Result:
    """Return the share of replies whose sentiment is that of their reference, 0 to 1."""
    texts = sorted({*sample.hypotheses, *sample.references}, key=len)
    folder = sample.resources.sentiment_model
    found = _by_lexicon(texts) if folder is None else _by_model(folder, texts)
    of = dict(zip(texts, found, strict=True))
    pairs = zip(sample.hypotheses, sample.references, strict=True)
    return mean([float(of[reply] == of[reference]) for reply, reference in pairs])


def _by_lexicon(texts: Sequence[str]) -> list[int]:
    """Return 1, 0 or -1 for each text."""
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    analyzer = SentimentIntensityAnalyzer()
    scores = [analyzer.polarity_scores(text)["compound"] for text in texts]
    return [(score >= NEUTRAL_BELOW) - (score <= -NEUTRAL_BELOW) for score in scores]


def _by_model(folder: Path, texts: Sequence[str]) -> list[int]:
    """Return the number of the likeliest class for each text."""
    import torch

    tokenizer, model = load_pretrained(folder, "AutoModelForSequenceClassification", whole=True)
    longest = min(tokenizer.model_max_length, model.config.max_position_embeddings)
    classes: list[int] = []
    for first in range(0, len(texts), BATCH):
        batch = tokenizer(
            list(texts[first : first + BATCH]),
            padding=True,
            truncation=True,
            max_length=longest,
            return_tensors="pt",
        )
        with torch.no_grad():
            classes += model(**batch).logits.argmax(-1).tolist()  # B
    return classes


def check(resources: Resources) -> None:
    """Raise UsageError where the folder or a package is missing."""
    if resources.sentiment_model is not None:
        check_folder("the sentiment of replies", "--sentiment-model", resources.sentiment_model)
    elif find_spec("vaderSentiment") is None:
        raise missing_package("the sentiment of replies", "vaderSentiment")


METRIC = Metric(
    "sentiment",
    "replies",
    compute,
    "same sentiment",
    ".1%",
    about="share of replies with the reference's sentiment (VADER, English)",
    better="higher",
    by_default=False,
    of_any_pairs=True,
    requires="nanogpt-cli[eval]; --sentiment-model FOLDER for a classifier",
    asked_by="sentiment_model",
    check=check,
)
