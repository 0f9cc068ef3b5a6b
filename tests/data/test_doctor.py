"""What the doctor says of texts and datasets, and what --strict and --fix do."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from datasets import CHAT, OUT, PROSE, documents, leftovers, run, text, write

from nanogpt_cli.data import spool
from nanogpt_cli.data.doctor import diagnosis
from nanogpt_cli.data.doctor.characters import LONG_LINE, Characters
from nanogpt_cli.data.doctor.existing import check
from nanogpt_cli.data.doctor.near import Sample, Sampled, near_copies
from nanogpt_cli.data.store import open_dataset
from nanogpt_cli.errors import DataError

WORDS = [f"{a}{b}{c}" for a in "bdfgklmn" for b in "aeiou" for c in ("st", "nt", "l", "rm")]


def stories(count: int, seed: int = 0) -> list[str]:
    """Return different texts of 60 words."""
    draw = random.Random(seed)
    return [" ".join(draw.choices(WORDS, k=60)) for _ in range(count)]


def jsonl(texts: list[str]) -> str:
    return write("a.jsonl", "".join(json.dumps({"text": t}) + "\n" for t in texts))


def report(*inputs: str, **settings: Any) -> dict[str, Any]:
    found: dict[str, Any] = run(*inputs, tokenizer="byte", force=True, **settings).to_dict()
    assert found["report"] == json.loads(json.dumps(found["report"]))
    return found["report"]


def test_a_clean_text_has_no_warnings() -> None:
    found = report(jsonl(stories(60)))
    assert found["warnings"] == []
    assert (found["documents"], found["sampled"]) == (60, 60)
    assert found["bytes_per_token"] == pytest.approx(0.996, abs=0.01)
    assert found["model"]["n_layer"] == 2
    assert report(write("a.txt", PROSE))["warnings"] == []


def test_copies_and_almost_copies_are_counted() -> None:
    texts = stories(60)
    almost = [t.replace(t.split()[30], "changed", 1) for t in texts[:5]]
    found = report(jsonl([*texts, *texts[:7], *almost]))
    assert (found["exact_copies"], found["near_copies"]) == (7, 5)
    assert [w for w in found["warnings"] if "7 of 72 documents are copies" in w]
    assert [w for w in found["warnings"] if "5 of 65 documents are almost copies" in w]
    sides = set(documents("val")), set(documents("train"))
    assert found["val_copies"] == 0
    assert found["near_val_copies"] == sum(
        (one in sides[0]) != (twin in sides[0]) for one, twin in zip(almost, texts, strict=False)
    )


def test_copies_of_many_documents_are_counted_in_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "COMPARED", 100)
    monkeypatch.setattr(spool, "IN_MEMORY", 64)
    texts = [f"Document number {i} of many." for i in range(400)]
    found = report(jsonl(texts * 2))
    assert 200 < found["exact_copies"] < 600


def test_a_validation_file_that_is_in_the_training_text_is_said() -> None:
    write("val.jsonl", "".join(json.dumps({"text": t}) + "\n" for t in stories(12)))
    found = report(jsonl(stories(40)), val="val.jsonl")
    assert found["val_copies"] == 12
    assert "12 documents for validation also to train on" in " ".join(found["warnings"])


def test_copies_across_a_tail_split_are_counted() -> None:
    texts = stories(30)
    assert report(jsonl([*texts, *texts[:2]]), split="tail")["val_copies"] == 2


def test_dialogues_are_looked_at() -> None:
    broken = "<human>Hi <b>there</b><endOfText>\n\nstray\n<human>No end\n<bot>Yes<endOfText>\n\n"
    found = report(write("chat.txt", CHAT + broken))
    assert (found["unclosed_turns"], found["stray_texts"]) == (1, 1)
    assert found["without_reply"] == 1
    assert found["tags"] == {"<b>": 1, "</b>": 1}
    assert "tags that are read as text: <b> (1), </b> (1)" in found["warnings"]


def test_turns_longer_than_a_block_are_counted() -> None:
    long = f"<human>{'Tell me all. ' * 40}<endOfText>\n<bot>{'All of it. ' * 40}<endOfText>\n\n"
    found = report(write("chat.txt", CHAT + long * 2))
    assert found["long_turns"] == 4
    assert "4 of 84 turns are longer than a block of 256 tokens" in " ".join(found["warnings"])


def test_tags_of_another_format_in_plain_text_are_said() -> None:
    found = report(write("a.txt", "<|user|>Hi<|assistant|>Hello <b>you</b>\n" * 50))
    assert found["tags"] == {"<|user|>": 50, "<|assistant|>": 50}


def test_odd_characters_are_counted() -> None:
    found = report(write("a.txt", PROSE + "\x00\x07\x08\x1b caf\u00c3\u00a9 \ufffd" * 3))
    assert (found["control_characters"], found["replaced_characters"]) == (12, 3)
    assert found["twice_encoded"] == 3
    assert len(found["warnings"]) == 3


@pytest.mark.parametrize("size", [1, 7, 5000, 2**20])
def test_long_lines_are_found_however_the_text_is_cut(size: int) -> None:
    content = b"short\n" * 50 + b"x" * (LONG_LINE + 1) + b"\n" + b"y" * LONG_LINE + b"\n" + b"z" * 9
    found = Characters()
    for start in range(0, len(content), size):
        part = content[start : start + size]
        found.add(part.decode(), part, in_turn=False)
    found.end()
    assert (found.long_lines, found.long_line_bytes) == (1, LONG_LINE + 1)


def test_a_sample_is_of_a_size_and_the_same_in_any_order() -> None:
    order = [i / 1000 for i in range(1000)]
    found = []
    for _ in range(2):
        sample = Sample(size=50)
        for draw in order:
            if sample.wants(draw):
                sample.add(draw, int(draw * 1000), b"x" * 100, 100)
        found.append({draw for draw, _ in sample.items()})
        assert not sample.complete
        order.reverse()
    assert set(order[:50]) <= found[0] & found[1]
    assert all(50 <= len(one) < 100 for one in found)


def test_documents_of_one_beginning_and_other_lengths_are_not_alike() -> None:
    head = stories(1)[0].encode()
    assert list(near_copies([Sampled(0, head, 1000), Sampled(1, head, 5000)])) == []
    assert list(near_copies([Sampled(0, head, 1000), Sampled(1, head, 1001)]))


def test_strict_writes_nothing_where_there_are_warnings() -> None:
    name = jsonl(stories(30) * 2)
    with pytest.raises(DataError, match=r"30 of 60 documents are copies of others.*--strict") as e:
        run(name, tokenizer="byte", strict=True)
    assert "--fix" in e.value.hint
    assert not OUT.exists()
    assert leftovers() == []
    run(name, tokenizer="byte", strict=True, fix=True)


def test_fix_leaves_out_copies_and_control_characters_and_recognises_encodings() -> None:
    texts = stories(30)
    latin = " ".join(texts[:2]) + " déjà vu, à côté, où êtes-vous"
    Path("latin.txt").write_bytes(latin.encode("cp1252"))
    dirty = [t.replace(" ", " \x00\x1b", 1) for t in texts]
    result = run(
        jsonl([*dirty, *dirty[:3]]), "latin.txt", tokenizer="byte", fix=True, val_fraction=0.3
    )
    assert result.to_dict()["report"]["warnings"] == []
    assert set(documents("train") + documents("val")) >= set(texts)
    assert "déjà vu" in text("train") + text("val")
    assert "3 repeated documents were left out" in result.notes
    assert "66 control characters were removed" in result.notes


def test_check_says_of_a_dataset_what_prepare_said() -> None:
    made = report(write("chat.txt", CHAT + "<human>Hi <b>you</b><endOfText>\n\n"), repeats="keep")
    found = check(open_dataset(OUT)).to_dict()
    for name in ("documents", "conversations", "turns", "tokens", "exact_copies", "without_reply",
                 "tags", "val_copies", "long_turns"):  # fmt: skip
        assert found[name] == made[name], name
    made = report(write("a.txt", PROSE))
    found = check(open_dataset(OUT)).to_dict()
    assert (found["documents"], found["warnings"]) == (made["documents"], [])
    assert found["bytes_per_token"] == made["bytes_per_token"] == 1
