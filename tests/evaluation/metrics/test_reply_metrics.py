"""The metrics of replies: sacrebleu's own numbers, and small cases worked out by hand."""

import random

import numpy as np
import pytest
import sacrebleu

from nanogpt_cli.evaluation.metrics.base import (
    NotApplicable,
    RankedSample,
    ReplySample,
    ScoredReply,
    registered_metrics,
)
from nanogpt_cli.evaluation.metrics.rouge_l import longest_common_subsequence

WORDS = [
    "the",
    "a",
    "dog",
    "cat",
    "is",
    "was",
    "not",
    "happy",
    "sad",
    "today",
    ".",
    "!",
    "I",
    "you",
]


def sample(replies: list[str], references: list[str], **more: object) -> ReplySample:
    prompt = (("human", "hello"),)
    made = [
        ScoredReply(prompt, reference, reply, len(reply), i % 2 == 0, i)
        for i, (reply, reference) in enumerate(zip(replies, references, strict=True))
    ]
    return ReplySample(made, **more)


def numbers(name: str, of: object) -> dict[str, float | None]:
    return {k: n.value for k, n in registered_metrics()[name].numbers(of).items()}


@pytest.fixture
def pairs() -> tuple[list[str], list[str]]:
    rng = random.Random(0)
    texts = [" ".join(rng.choices(WORDS, k=rng.randint(1, 12))) for _ in range(80)]
    replies, references = texts[:40], texts[40:]
    replies[:5] = references[:5]
    replies[5] = ""
    return replies, references


def test_bleu_and_chrf_are_sacrebleus_own(pairs):
    replies, references = pairs
    found = numbers("bleu", sample(replies, references))
    for n in range(1, 5):
        theirs = sacrebleu.BLEU(max_ngram_order=n).corpus_score(replies, [references]).score
        assert found[f"bleu_{n}"] == pytest.approx(theirs, abs=1e-9)
    assert found["bleu_4"] == pytest.approx(sacrebleu.corpus_bleu(replies, [references]).score)
    theirs = sacrebleu.corpus_chrf(replies, [references]).score
    assert numbers("chrf", sample(replies, references))["chrf"] == theirs


@pytest.mark.parametrize("name", ["bleu", "chrf"])
def test_the_intervals_are_of_the_same_number_as_the_value(name, pairs):
    result = registered_metrics()[name].compute(sample(*pairs))
    for part in result.values() if isinstance(result, dict) else [result]:
        assert part.combine(part.parts.sum(axis=0, keepdims=True))[0] == pytest.approx(part.value)
        few = part.combine(part.parts[6:9].sum(axis=0, keepdims=True))[0]
        texts = [t[6:9] for t in pairs]
        if name == "chrf":
            assert few == pytest.approx(sacrebleu.corpus_chrf(texts[0], [texts[1]]).score)


def test_bleu_of_nothing_in_common_is_zero_and_of_the_same_a_hundred():
    same = ["the dog is happy today .", "it was a cat !"]
    assert numbers("bleu", sample(same, same))["bleu_4"] == pytest.approx(100)
    assert numbers("bleu", sample(["x y"], ["a b"]))["bleu_4"] == 0
    assert numbers("chrf", sample([""], ["a"]))["chrf"] == 0


def naive_lcs(a: list[str], b: list[str]) -> int:
    table = np.zeros((len(a) + 1, len(b) + 1), dtype=int)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            table[i + 1, j + 1] = table[i, j] + 1 if x == y else table[i : i + 2, j : j + 2].max()
    return int(table[-1, -1])


def test_the_longest_common_subsequence_is_that_of_the_table():
    rng = random.Random(1)
    for _ in range(50):
        a, b = (rng.choices("abcd", k=rng.randint(0, 90)) for _ in range(2))
        assert longest_common_subsequence(a, b) == naive_lcs(a, b)


def test_rouge_l_is_the_mean_f1():
    found = numbers("rouge_l", sample(["The cat sat.", "no"], ["the black cat", "yes"]))
    assert found["rouge_l"] == pytest.approx(100 * (2 / 3 + 0) / 2)


def test_distinct_counts_different_ngrams_of_all():
    found = numbers("distinct", sample(["a b a b", "a c"], ["x", "x"]))
    assert found == pytest.approx({"distinct_1": 3 / 6, "distinct_2": 3 / 4})
    assert numbers("distinct", sample(["a"], ["x"]))["distinct_2"] is None


def test_the_interval_of_distinct_is_around_it():
    texts = [f"common words {i} and {i % 7}" for i in range(60)]
    found = registered_metrics()["distinct"].numbers(sample(texts, texts))["distinct_1"]
    assert found.low <= found.value <= found.high


def test_length_repetition_and_ends():
    of = sample(["a b c d a b c d", "a"], ["x y", "x y"])
    assert numbers("length_ratio", of)["length_ratio"] == 9 / 4
    assert numbers("repetition", of)["repetition"] == pytest.approx(1 / 5)
    assert numbers("ended", of)["ended"] == 0.5
    with pytest.raises(NotApplicable, match="four words"):
        numbers("repetition", sample(["a"], ["b"]))


def test_copies_need_the_training_data():
    with pytest.raises(NotApplicable, match="training data"):
        numbers("copies", sample(["a"], ["b"]))
    known = sample(["a", "b"], ["x", "x"], in_training=lambda texts: [t == "a" for t in texts])
    assert numbers("copies", known)["copies"] == 0.5


def test_ranked_labels_stand_beside_chance_and_majority():
    found = numbers("label_ranking", RankedSample(("a", "b", "c"), [0, 0, 1, 2], [0, 1, 1, 1]))
    assert found == pytest.approx(
        {"label_chance": 1 / 3, "label_majority": 0.5, "label_ranking": 0.5}
    )


def test_sentiment_by_the_lexicon():
    of = sample(
        ["I love it!", "That is terrible.", "It is a table."],
        ["What a wonderful day", "I am happy", "There are chairs"],
    )
    assert numbers("sentiment", of)["sentiment"] == pytest.approx(2 / 3)
