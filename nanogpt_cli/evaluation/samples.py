"""What metrics are computed from, taken of one model, or read again from what was stored.

A kind of sample is a ``Kind``: how it is taken, and its form in eval.jsonl. Metrics name the kind
that they need.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from nanogpt_cli.checkpoint.load import LoadedModel
from nanogpt_cli.config import SampleConfig
from nanogpt_cli.data.store import open_dataset
from nanogpt_cli.dialogue import tags_are_special
from nanogpt_cli.errors import DataError, MachineError
from nanogpt_cli.evaluation.copies import training_replies
from nanogpt_cli.evaluation.labels import read_labels
from nanogpt_cli.evaluation.loss import Loss
from nanogpt_cli.evaluation.metrics.base import (
    NotApplicable,
    RankedSample,
    ReplySample,
    Resources,
    ScoredReply,
    TextSample,
)
from nanogpt_cli.evaluation.prompts import Exchange, file_exchanges, token_exchanges
from nanogpt_cli.evaluation.ranking import rank_labels, tagged
from nanogpt_cli.evaluation.replies import generate_replies
from nanogpt_cli.evaluation.scorer import ModelScorer
from nanogpt_cli.evaluation.store import Store, content_hash
from nanogpt_cli.evaluation.stretches import Stretches
from nanogpt_cli.evaluation.text import EvaluationText
from nanogpt_cli.runs import find_dataset

SEED = 1337
"""Of prompts and replies, unless one is given."""


@dataclass(frozen=True)
class Request:
    """What is to be measured."""

    metrics: tuple[str, ...] | None = None
    """Names of metrics; by default all that need nothing more."""
    prompts: int = 200
    """How many held-out prompts are replied to."""
    sampling: SampleConfig = field(default_factory=SampleConfig)
    """How replies are drawn."""
    resources: Resources = field(default_factory=Resources)
    recompute: bool = False
    """Measure again what is stored."""

    @property
    def seed(self) -> int:
        """The seed of prompts, replies and resamples."""
        return SEED if self.sampling.seed is None else self.sampling.seed

    @property
    def drawn(self) -> SampleConfig:
        """How replies are drawn, with the seed that is used."""
        return SampleConfig(**{**asdict(self.sampling), "seed": self.seed})


@dataclass
class Subject:
    """A model with the text it is measured on."""

    loaded: LoadedModel
    text: EvaluationText
    request: Request
    key: dict[str, Any]
    """By which what is stored is recognised."""
    store: Store | None = None
    advance: Callable[[str, int, int], None] = lambda what, done, total: None
    """Called with what is counted, how many are done and of how many."""
    note: Callable[[str], None] = lambda text: None

    def counter(self, what: str, total: int) -> Callable[[int], None]:
        """Return the function that counts what is done."""
        done = 0

        def count(more: int) -> None:
            nonlocal done
            done += more
            self.advance(what, done, total)

        count(0)
        return count

    def exchanges(self) -> list[Exchange]:
        """Return the held-out prompts with their references; NotApplicable where there are none."""
        request, dataset = self.request, self.text.dataset
        if dataset is None:
            found = file_exchanges(self.text.source, self.loaded.chat_format)
        elif dataset.chat_format is None or not tags_are_special(
            dataset.tokenizer, dataset.chat_format
        ):
            raise NotApplicable("the data are text, not dialogues")
        else:
            found = token_exchanges(dataset.val, dataset.tokenizer, dataset.chat_format)
        if not found.documents:
            raise NotApplicable("there is no reply to a human's turn in the data")
        if len(found.documents) < request.prompts:
            self.note(
                f"{self.text.source} has {len(found.documents)} replies to compare with, "
                f"not {request.prompts}"
            )
        return found.choose(request.prompts, request.seed)


@dataclass(frozen=True)
class Kind:
    """A kind of sample."""

    take: Callable[[Subject], Any]
    """Takes it of a model; may raise NotApplicable."""
    key: Callable[[Subject], Mapping[str, Any]]
    """What it depends on beside checkpoint and data."""
    dump: Callable[[Any], dict[str, Any]]
    load: Callable[[dict[str, Any], Subject], Any]
    """Rebuilds it; raises KeyError, TypeError or ValueError where that cannot be."""


def sample(kind: str, subject: Subject) -> Any:
    """Return a sample of a model, the stored one where there is one; may raise NotApplicable."""
    how = KINDS[kind]
    key = {**subject.key, **how.key(subject)}
    store = subject.store
    if store is not None and not subject.request.recompute:
        stored = store.find(kind, key)
        if stored is not None:
            try:
                return how.load(stored, subject)
            except (KeyError, TypeError, ValueError, AttributeError):
                pass  # it was written by hand or is damaged
    taken = how.take(subject)
    if store is not None:
        try:
            store.add(kind, key, sample=how.dump(taken))
        except MachineError as error:
            subject.note(f"the results are not stored: {error.message}")
            subject.store = None
    return taken


def _take_text(subject: Subject) -> TextSample:
    tokens, stretches = subject.text.tokens, Stretches()
    scorer = ModelScorer(
        subject.loaded,
        subject.counter("tokens", len(tokens)),
        stretches.add,
    )
    loss = scorer.nats(tokens, subject.text.mask)
    return TextSample(loss, stretches.sums)


def _dump_text(sample: TextSample) -> dict[str, Any]:
    stretches = [] if sample.stretches is None else sample.stretches.tolist()
    return {"loss": asdict(sample.loss), "stretches": stretches}


def _load_text(stored: dict[str, Any], subject: Subject) -> TextSample:
    loss = stored["loss"]
    stretches = np.array(stored["stretches"], dtype=np.float64).reshape(-1, 3)
    found = Loss(float(loss["nats"]), int(loss["tokens"]), int(loss["text_bytes"]))
    return TextSample(found, stretches)


def _take_replies(subject: Subject) -> ReplySample:
    exchanges = subject.exchanges()
    count = subject.counter("replies", len(exchanges))
    replies = generate_replies(subject.loaded, exchanges, subject.request.drawn, count)
    return _reply_sample(replies, subject)


def _reply_sample(replies: list[ScoredReply], subject: Subject) -> ReplySample:
    return ReplySample(replies, _in_training(subject), subject.request.resources)


def _in_training(subject: Subject) -> Any:
    """Return what tells copies of training replies; None where the training data are gone."""
    dataset, folder = subject.text.dataset, subject.loaded.about["data"].get("folder")
    if dataset is None:
        try:
            dataset = open_dataset(find_dataset(str(folder))) if folder else None
        except DataError:
            return None
    if dataset is None or dataset.chat_format is None:
        return None
    if not tags_are_special(dataset.tokenizer, dataset.chat_format):
        return None
    return training_replies(dataset.train, dataset.tokenizer, dataset.chat_format)


def _dump_replies(sample: ReplySample) -> dict[str, Any]:
    return {"replies": [asdict(reply) for reply in sample.replies]}


def _load_replies(stored: dict[str, Any], subject: Subject) -> ReplySample:
    replies = [
        ScoredReply(
            tuple((str(role), str(text)) for role, text in reply["prompt"]),
            str(reply["reference"]),
            str(reply["reply"]),
            int(reply["tokens"]),
            bool(reply["ended"]),
            int(reply["document"]),
        )
        for reply in stored["replies"]
    ]
    if not replies:
        raise ValueError("no replies")
    return _reply_sample(replies, subject)


def _replies_key(subject: Subject) -> dict[str, Any]:
    return {"prompts": subject.request.prompts, "sampling": asdict(subject.request.drawn)}


def _take_labels(subject: Subject) -> RankedSample:
    file = subject.request.resources.labels
    texts = tagged(subject.exchanges()) if file is None else read_labels(file)
    count = subject.counter("texts", len(texts))
    return rank_labels(subject.loaded, texts, file is not None, count)


def _labels_key(subject: Subject) -> dict[str, Any]:
    file = subject.request.resources.labels
    if file is None:
        return {"prompts": subject.request.prompts, "seed": subject.request.seed}
    try:
        return {"labels": content_hash(file)}
    except OSError:  # reading it says why
        return {"labels": None}


def _load_labels(stored: dict[str, Any], subject: Subject) -> RankedSample:
    labels = tuple(map(str, stored["labels"]))
    truth, chosen = (list(map(int, stored[name])) for name in ("truth", "chosen"))
    if not labels or not truth or len(truth) != len(chosen):
        raise ValueError("no labels")
    return RankedSample(labels, truth, chosen)


KINDS = {
    "text": Kind(_take_text, lambda subject: {}, _dump_text, _load_text),
    "replies": Kind(_take_replies, _replies_key, _dump_replies, _load_replies),
    "labels": Kind(_take_labels, _labels_key, asdict, _load_labels),
}
"""What can be taken of a model, by the name that metrics need it under."""
