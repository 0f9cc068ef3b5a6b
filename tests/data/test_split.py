"""Which documents, turns and characters are for validation."""

import numpy as np
import pytest
from datasets import CHAT, documents, meta, run, text, write

from nanogpt_cli.data.formats.base import Piece
from nanogpt_cli.data.split import Split, draw, training_sample


def test_several_documents_end_in_a_separator_and_stay_whole() -> None:
    for i in range(40):
        write(f"in/{i:02}.txt", f"Document number {i}.")
    result = run("in", tokenizer="gpt2", val_fraction=0.25)
    texts = {split: documents(split) for split in ("train", "val")}
    for split in texts:
        assert meta()[split]["documents"] == len(texts[split])
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
    assert [draw(1337, i) for i in range(3)] == [
        0.5064835193878174,
        0.05303100384371362,
        0.5530551922275144,
    ]


@pytest.mark.parametrize("fraction", [0.001, 0.999])
@pytest.mark.parametrize("count", [2, 3])
def test_a_few_documents_never_leave_a_split_empty(count: int, fraction: float) -> None:
    for seed in range(5):
        for i in range(count):
            write(f"in/{i}.txt", f"Document number {i}.")
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
