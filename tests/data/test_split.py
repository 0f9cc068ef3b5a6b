"""Which documents, turns and characters are for validation."""

import numpy as np
import pytest
from datasets import CHAT, documents, meta, run, text, write

from nanogpt_cli.data.formats.base import Piece
from nanogpt_cli.data.split import Scan, Split, plan_split, split, training_sample
from nanogpt_cli.dialogue import Turn
from nanogpt_cli.errors import DataError


def test_several_documents_end_in_a_separator_and_stay_whole() -> None:
    for i in range(40):
        write(f"in/{i:02}.txt", f"Document number {i}.")
    result = run("in", tokenizer="gpt2", val_fraction=0.25)
    texts = {side: documents(side) for side in ("train", "val")}
    for side in texts:
        assert meta()[side]["documents"] == len(texts[side])
    assert sorted(texts["train"] + texts["val"]) == sorted(
        f"Document number {i}." for i in range(40)
    )
    assert 3 <= len(texts["val"]) <= 17
    assert result.documents == 40
    run("in", tokenizer="gpt2", val_fraction=0.25, force=True)
    assert documents("val") == texts["val"]
    run("in", tokenizer="gpt2", val_fraction=0.25, force=True, seed=2)
    assert documents("val") != texts["val"]


def test_the_draw_is_the_same_on_every_machine() -> None:
    scan = Scan(seed=1337)
    scan.add(
        ["One text.", None, Turn("human", "Hi"), Turn("bot", "Yo"), None, "One", " text.", None]
    )
    assert list(scan.draws) == [0.32536993569797446, 0.15263457537755087, 0.32536993569797446]
    assert list(scan.lengths) == [9, 4, 9]


def test_a_copy_goes_where_the_document_goes() -> None:
    lines = [f'{{"text": "Document number {i % 30}."}}\n' for i in range(90)]
    run(write("a.jsonl", "".join(lines)), tokenizer="byte", val_fraction=0.3)
    train, val = documents("train"), documents("val")
    assert len(train) + len(val) == 90
    assert not set(train) & set(val)
    assert {val.count(text) for text in val} == {3}


def test_a_copy_of_a_conversation_goes_where_the_conversation_goes() -> None:
    chats = [f"<human>Say {i % 30}<endOfText>\n<bot>{i % 30}<endOfText>\n\n" for i in range(90)]
    run(write("a.txt", "".join(chats)), tokenizer="byte", val_fraction=0.3)
    assert len(documents("train")) + len(documents("val")) == 90
    assert not set(documents("train")) & set(documents("val"))


@pytest.mark.parametrize(("count", "kept"), [(2, 1), (9, 1), (50, 5)])
def test_copies_of_one_conversation_are_on_both_sides_and_said_to_be(count: int, kept: int) -> None:
    chat = f"<human>{'Hi ' * 20}<endOfText>\n<bot>Yo<endOfText>\n\n"
    result = run(write("a.txt", chat * count), tokenizer="byte")
    assert (len(documents("train")), len(documents("val"))) == (count - kept, kept)
    assert any(f"the {count} conversations are all the same" in note for note in result.notes)


@pytest.mark.parametrize("fraction", [0.02, 0.1, 0.3])
@pytest.mark.parametrize("sizes", [(9000, 11000), (20000, 100, 100, 100), (5000, 5000, 5000)])
def test_a_few_books_give_validation_about_its_fraction(
    sizes: tuple[int, ...], fraction: float
) -> None:
    for seed in range(4):
        for i, size in enumerate(sizes):
            write(f"in/{i}.txt", (f"Book {i} goes on and on. " * size)[:size])
        result = run("in", tokenizer="byte", val_fraction=fraction, seed=seed, force=True)
        share = result.val_tokens / (result.val_tokens + result.train_tokens)
        assert fraction / 2 <= share <= fraction * 2


def test_each_of_two_books_is_cut_where_nanogpt_would_cut_it() -> None:
    first, second = "abcdefghij" * 100, "klmnopqrst" * 200
    result = run(write("a.txt", first), write("b.txt", second), tokenizer="byte")
    assert documents("train") == [first[:900], second[:1800]]
    assert documents("val") == [first[900:], second[1800:]]
    assert meta()["documents"] == meta()["train"]["documents"] == meta()["val"]["documents"] == 2
    assert any("the end of each is kept for validation" in note for note in result.notes)


def test_two_copies_of_a_book_are_cut_at_the_same_place() -> None:
    book = "abcdefghij" * 100
    run(write("a.txt", book), write("b.txt", book), tokenizer="byte")
    assert documents("train") == [book[:900]] * 2


def test_a_document_too_short_to_be_cut_is_in_one_split() -> None:
    run(write("a.txt", "abcdefghij" * 1000), write("b.txt", "x"), tokenizer="byte")
    assert (len(documents("train")), documents("val")[1:]) == (1, ["x"])


def test_an_input_that_grows_while_it_is_read_is_refused() -> None:
    scan = Scan(seed=0)
    scan.add(["a", None, "b", None])
    for fraction in (0.1, 0.5):
        plan = plan_split(scan, fraction)
        with pytest.raises(DataError, match="grew"):
            list(split(["a", None, "b", None, "c", None], scan, plan))


@pytest.mark.parametrize("fraction", [0.01, 0.999])
@pytest.mark.parametrize("count", [2, 3])
def test_a_few_documents_never_leave_a_split_empty(count: int, fraction: float) -> None:
    for seed in range(5):
        for i in range(count):
            write(f"in/{i}.txt", f"Document number {i}. " * 20)
        run("in", tokenizer="byte", val_fraction=fraction, seed=seed, force=True)
        assert meta()["train"]["documents"] >= 1
        assert meta()["val"]["documents"] >= 1


def test_one_endless_conversation_is_cut_between_turns() -> None:
    run(write("chat.txt", CHAT.replace("\n\n", "\n")), tokenizer="byte", val_fraction=0.25)
    assert text("train").endswith("Still fine.<endOfText><|endoftext|>")
    assert text("val").startswith("<human>How are you?<endOfText>")
    assert text("train").count("<endOfText>") == 60


def test_a_sample_is_spread_over_the_training_text() -> None:
    pieces: list[tuple[Split, Piece]] = [("train", f"{i:0100}") for i in range(100)]
    pieces.insert(50, ("val", "validation" * 10))
    taken = [int(piece) for piece in training_sample(pieces, 10_000, limit=1000)]
    assert 10 <= len(taken) <= 11
    assert max(np.diff(taken)) <= 11


def test_the_tail_is_that_of_the_whole_text() -> None:
    texts = [f"Document {i} " + "x" * i for i in range(1, 60)]
    write("a.jsonl", "".join(f'{{"text": "{text}"}}\n' for text in texts))
    run("a.jsonl", tokenizer="char", split="tail", val_fraction=0.25)
    train, val = documents("train"), documents("val")
    whole = "".join(texts)
    assert "".join(train) == whole[: int(len(whole) * 0.75)]
    assert "".join(train + val) == whole
    assert meta()["split"] == "tail"


def test_the_tail_of_conversations_keeps_them_whole() -> None:
    chats = [f"<human>Say {i}<endOfText>\n<bot>{i}<endOfText>\n\n" for i in range(20)]
    run(write("a.txt", "".join(chats)), tokenizer="byte", split="tail", val_fraction=0.3)
    assert len(documents("train")) in (13, 14)
    assert documents("train")[0].startswith("<human>Say 0<")
    assert documents("val")[-1].startswith("<human>Say 19<")
    assert len(documents("train")) + len(documents("val")) == 20
    run("a.txt", tokenizer="byte", split="tail", val_fraction=0.001, force=True)
    assert len(documents("val")) == 1


def test_a_file_for_validation() -> None:
    lines = [f'{{"text": "Document number {i}."}}\n' for i in range(40)]
    write("train.jsonl", "".join(lines))
    write("val.jsonl", "".join(lines[35:]) + '{"text": "And another one."}\n')
    result = run("train.jsonl", val="val.jsonl", tokenizer="byte")
    assert documents("train") == [f"Document number {i}." for i in range(40)]
    assert documents("val") == [*(f"Document number {i}." for i in range(35, 40)),
                                "And another one."]  # fmt: skip
    assert any("5 documents to train on also in val.jsonl" in note for note in result.notes)
    assert meta()["split"] == "file"
    result = run("train.jsonl", val="val.jsonl", tokenizer="byte", repeats="drop", force=True)
    assert documents("train") == [f"Document number {i}." for i in range(35)]
    assert len(documents("val")) == 6
    assert not any("also in" in note for note in result.notes)
    write("empty.txt", "\n")
    for missing in ("empty.txt", "nowhere.txt"):
        with pytest.raises(DataError, match=missing):
            run("train.jsonl", val=missing, force=True)


def test_adding_files_moves_no_document() -> None:
    def chats(first: int, last: int) -> str:
        return "".join(
            f"<human>Say {i}<endOfText>\n<bot>{i}<endOfText>\n\n" for i in range(first, last)
        )

    run(write("a.txt", chats(0, 200)), tokenizer="byte")
    before = {side: set(documents(side)) for side in ("train", "val")}
    run("a.txt", write("b.txt", chats(150, 500)), tokenizer="byte", force=True)
    for side in ("train", "val"):
        assert before[side] <= set(documents(side))
    assert not set(documents("train")) & set(documents("val"))
