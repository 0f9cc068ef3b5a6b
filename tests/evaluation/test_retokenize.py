"""A dataset's text in the tokens of a model that has another tokenizer."""

import re

import numpy as np
import pytest
from datasets import CHAT, OUT, PROSE, run, write

from nanogpt_cli.data.store import Dataset, open_dataset
from nanogpt_cli.evaluation.retokenize import retokenize
from nanogpt_cli.tokenizer.base import END_OF_TEXT
from nanogpt_cli.tokenizer.char import CharTokenizer
from nanogpt_cli.tokenizer.load import ByteTokenizer


def of(dataset: Dataset, ids) -> str:
    return dataset.tokenizer.decode(ids)


@pytest.fixture
def dialogues() -> Dataset:
    run(write("chat.txt", CHAT), tokenizer="char", loss_on="replies")
    return open_dataset(OUT)


def test_dialogues_keep_their_tags_and_what_counts(dialogues):
    other = ByteTokenizer().with_special(dialogues.tokenizer.special_tokens)
    found = retokenize(dialogues, other)
    assert other.decode(found.ids.tolist()) == of(dialogues, dialogues.val.tolist())
    assert set(other.special_tokens.values()) & set(found.ids.tolist())
    kept = dialogues.val[dialogues.val_mask.at(np.arange(len(dialogues.val)))]
    assert other.decode(found.ids[found.counted].tolist()) == of(dialogues, kept.tolist())
    assert 0 < found.counted.sum() < len(found.ids)
    assert found.unknown == found.left_out == ()


def test_a_model_without_tags_reads_them_as_text(dialogues):
    found = retokenize(dialogues, ByteTokenizer())
    assert bytes(found.ids.tolist()).decode() == of(dialogues, dialogues.val.tolist())


def test_what_a_tokenizer_lacks_is_named():
    run(write("a.txt", PROSE + "é"), write("b.txt", PROSE), tokenizer="byte")
    dataset = open_dataset(OUT)
    assert END_OF_TEXT in dataset.tokenizer.special_tokens
    letters = CharTokenizer("abcdefghijklmnopqrstuvwxyz \n")
    found = retokenize(dataset, letters)
    text = of(dataset, dataset.val.tolist()).replace(END_OF_TEXT, "")
    assert letters.decode(found.ids.tolist()) == re.sub("[^a-z \n]", "", text)
    assert found.counted is None
    assert "F" in found.unknown
    assert found.left_out in ((), (END_OF_TEXT,))


def test_characters_of_several_tokens_are_whole_wherever_the_text_is_read(monkeypatch):
    from nanogpt_cli.evaluation import retokenize as module

    run(write("a.txt", "naïve 名前 " * 200), tokenizer="byte", val_fraction=0.3)
    dataset = open_dataset(OUT)
    whole = of(dataset, dataset.val.tolist())
    monkeypatch.setattr(module, "AT_ONCE", 7)
    other = CharTokenizer("".join(sorted(set(whole))))
    assert other.decode(retokenize(dataset, other).ids.tolist()) == whole
