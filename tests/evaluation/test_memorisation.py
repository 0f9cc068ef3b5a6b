"""What stands verbatim in the training text, how long it is, and in which file and line."""

import json
from pathlib import Path

import numpy as np
import pytest

from nanogpt_cli.checkpoint.load import load
from nanogpt_cli.checkpoint.schema import Checkpoint
from nanogpt_cli.config import SampleConfig
from nanogpt_cli.data.prepare import PrepareOptions, prepare
from nanogpt_cli.data.store import Dataset, open_dataset
from nanogpt_cli.errors import MachineError
from nanogpt_cli.evaluation import index_file
from nanogpt_cli.evaluation.index_file import open_index
from nanogpt_cli.evaluation.memorisation import copies, generated_texts, measure_memorisation
from nanogpt_cli.evaluation.source_places import source_place
from nanogpt_cli.evaluation.text_index import END

BOOK = "".join(f"Line {i}: {i * 7919 % 1000} wörds of no other line.\n" for i in range(1, 301))


@pytest.fixture
def dataset() -> Dataset:
    Path("book.txt").write_text(BOOK, encoding="utf-8")
    prepare(PrepareOptions(("book.txt",), Path("data/book"), tokenizer="char"))
    return open_dataset(Path("data/book"))


def test_the_longest_span_is_found_with_its_file_and_line(dataset):
    index = open_index(dataset)
    span = "d wörds of no other line.\nLine 122: 118 wörds of no"
    assert BOOK.count(span[2:]) == 1
    text = f"Nobody wrote{span[1:]}!".encode()
    found = copies(text, index, dataset)
    assert found.longest.text == span[1:]
    assert found.longest.characters == len(span) - 1  # not bytes
    assert (found.longest.count, found.longest.place.file) == (1, "book.txt")
    assert found.longest.place.line == 121
    assert BOOK.split("\n")[120].startswith("Line 121:")
    assert found.characters == len(text.decode())
    assert found.shares[20] == pytest.approx((len(span) - 1) / found.characters)
    assert found.shares[100] == 0


def test_copies_of_copies_are_told_apart_by_what_stands_around_them(dataset):
    index = open_index(dataset)
    place = BOOK.encode().index("wörds".encode(), 5000)
    line = BOOK.encode()[:place].count(b"\n") + 1
    found = source_place(dataset.folder, index, place, 6)
    assert (found.file, found.line) == ("book.txt", line)
    Path("book.txt").write_bytes(BOOK.replace("\n", "\r\n").encode())  # the same text
    assert source_place(dataset.folder, index, place, 6).line == line
    Path("book.txt").unlink()
    assert source_place(dataset.folder, index, place, 6) is None


def test_validation_text_that_is_a_copy_is_covered(dataset):
    index = open_index(dataset)
    copied = BOOK[1000:1300].encode()
    found = copies(copied + bytes([END]) + "€€".encode(), index, dataset)
    assert found.longest.text == BOOK[1000:1300] or found.longest.text in BOOK[:1400]
    assert found.shares[200] == pytest.approx(found.shares[20])
    assert found.shares[200] > 0.9
    none = copies("€€€".encode(), index, dataset)
    assert (none.longest, none.median, none.characters) == (None, 0, 3)


def test_the_index_is_kept_and_made_anew_for_other_data(dataset):
    notes: list[str] = []
    first = open_index(dataset, notes.append)
    assert "of memory" in notes[0]
    assert "data/book/train.index" in notes[0]
    kept = open_index(dataset, notes.append)
    assert len(notes) == 1
    query = b"Line 7 and Line 250"
    assert (
        kept.longest_matches(query).lengths.tolist()
        == first.longest_matches(query).lengths.tolist()
    )
    Path("book.txt").write_text(BOOK.upper(), encoding="utf-8")
    prepare(PrepareOptions(("book.txt",), Path("data/book"), tokenizer="char", force=True))
    assert not Path("data/book/train.index").exists()
    changed = open_index(open_dataset(Path("data/book")), notes.append)
    assert len(notes) == 2
    assert changed.longest_matches(b"LINE 7").lengths[0] == 6


@pytest.mark.parametrize("damage", [b"", b"{}", b"[1]", b"\xff" * 5000, "cut", "version"])
def test_an_index_that_cannot_be_used_is_made_anew(dataset, damage):
    open_index(dataset)
    path = Path("data/book/train.index")
    whole = path.read_bytes()
    if damage == "cut":
        damage = whole[:-4]
    elif damage == "version":
        damage = whole.replace(b'"version": 1', b'"version": 9')
    path.write_bytes(damage)
    assert open_index(dataset).longest_matches(b"Line 7").lengths[0] == 6
    assert path.read_bytes() == whole


def test_too_little_memory_is_said_before_anything_is_built(dataset, monkeypatch):
    monkeypatch.setattr(index_file, "available_memory", lambda: 1000)
    with pytest.raises(MachineError, match="of memory"):
        open_index(dataset)
    assert not Path("data/book/train.index").exists()


def test_an_index_that_cannot_be_written_is_used_all_the_same(dataset):
    path = Path("data/book/train.index")
    path.mkdir()
    notes: list[str] = []
    assert open_index(dataset, notes.append).longest_matches(b"Line 7").lengths[0] == 6
    assert "is not kept" in notes[-1]


@pytest.fixture
def run(tiny, dataset) -> Path:
    model = tiny(vocab_size=dataset.vocab_size, pos_embd="rope")
    tokenizer = dataset.tokenizer.to_dict()
    about = {"folder": str(dataset.folder), "fingerprint": dataset.fingerprint}
    Checkpoint(model.config, model.state_dict(), tokenizer, data=about).save(Path("out/m/ckpt.pt"))
    return Path("out/m/ckpt.pt")


def test_generated_text_does_not_contain_its_prompt_and_is_repeatable(run, dataset):
    loaded, sampling = load(run, "cpu"), SampleConfig(temperature=1.0, max_tokens=9, seed=3)
    texts = generated_texts(loaded, dataset.val, sampling, samples=5)
    assert [len(text.decode()) for text in texts] == [9] * 5
    assert generated_texts(loaded, dataset.val, sampling, samples=5) == texts


def test_the_gap_is_between_the_losses_of_both_texts(run, dataset):
    sampling = SampleConfig(temperature=1.0, max_tokens=9, seed=3)
    found = measure_memorisation(
        load(run, "cpu"), dataset, open_index(dataset), dataset.val, sampling, samples=3
    )
    content = json.loads(json.dumps(found.to_dict()))
    assert content["gap"] == pytest.approx(content["val_loss"] - content["train_loss"])
    assert found.train.tokens == found.val.tokens == (len(dataset.val) - 1) // 16 * 16
    assert content["generated"]["characters"] == 27
    assert content["validation"]["longest"]["characters"] > 20
    assert np.isfinite(content["train_loss"])
