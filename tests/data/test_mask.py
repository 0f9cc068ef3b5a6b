"""What the loss counts: the mask of a dataset, in training, in evaluation and on the screen."""

import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import CHAT, OUT, PROSE, ids, meta, run, tokenizer, write
from hypothesis import given
from hypothesis import strategies as st

from nanogpt_cli.data.batches import training_batch
from nanogpt_cli.data.formats.base import Piece
from nanogpt_cli.data.mask import LossMask, MaskWriter
from nanogpt_cli.data.split import Split
from nanogpt_cli.data.store import open_dataset
from nanogpt_cli.data.write import write_tokens
from nanogpt_cli.dialogue import ChatFormat, Turn
from nanogpt_cli.errors import DataError
from nanogpt_cli.evaluation.loss import evaluate_loss, evaluation_windows

MIXED = CHAT.replace("Fine.", "Fine. And you?\nReally?")


def replies(split: str) -> list[bool]:
    """Say of each token of OUT whether it is in a reply, read from the tags alone."""
    special = tokenizer().special_tokens
    human, bot, end, text_end = (
        special[tag] for tag in ("<human>", "<bot>", "<endOfText>", "<|endoftext|>")
    )
    found, inside = [], False
    for token in ids(split):
        found.append(inside and token not in (human, text_end))
        inside = token == bot or (inside and token != end)
    return found


def mask(split: str) -> list[bool]:
    """Read the mask of OUT without the code under test."""
    bits = np.fromfile(OUT / f"{split}.mask", np.uint8)
    return np.unpackbits(bits, bitorder="little", count=len(ids(split))).astype(bool).tolist()


@given(st.lists(st.lists(st.booleans(), max_size=20), max_size=20))
def test_stretches_of_any_length_are_one_mask(stretches: list[list[bool]]) -> None:
    file = BytesIO()
    writer = MaskWriter(file)
    for stretch in stretches:
        writer.add(np.array(stretch, dtype=np.bool_))
    writer.finish()
    whole = np.array([bit for stretch in stretches for bit in stretch], dtype=np.bool_)
    read = LossMask(np.frombuffer(file.getvalue(), np.uint8), len(whole))
    assert read.at(np.arange(len(whole))).tolist() == whole.tolist()
    assert read.count() == writer.counted == whole.sum()
    assert read.ends_in_zeros()


@pytest.mark.parametrize("name", ["byte", "char", "bpe:300"])
def test_replies_and_their_end_count(name: str) -> None:
    result = run(write("chat.txt", MIXED), tokenizer=name, val_fraction=0.4)
    for split in ("train", "val"):
        assert mask(split) == replies(split)
        assert meta()[split]["reply_tokens"] == sum(replies(split)) > 0
    assert result.loss_on == meta()["loss_on"] == "replies"
    assert result.trained_tokens == open_dataset(OUT).trained_tokens == sum(replies("train"))


@pytest.mark.parametrize(("batch", "workers"), [(1, 1), (50, 3)])
def test_batches_of_any_size_and_workers_change_nothing(batch: int, workers: int) -> None:
    run(write("chat.txt", MIXED), tokenizer="byte")
    texts: list[Piece] = [Turn("human", "a"), Turn("bot", "b c"), None, "some text", " here", None]
    pieces: list[tuple[Split, Piece]] = [("train", piece) for piece in texts * 9]
    written = [Path("whole"), Path("cut")]
    for folder, size, threads in zip(written, (2**20, batch), (1, workers), strict=True):
        folder.mkdir()
        settings = {"separated": True, "chat": ChatFormat(), "batch": size, "workers": threads}
        write_tokens(folder, pieces, tokenizer(), **settings)
    whole, cut = ((folder / "train.mask").read_bytes() for folder in written)
    assert whole == cut
    bits = np.unpackbits(np.frombuffer(whole, np.uint8), bitorder="little")
    document = "000" + "01111" + "0" + "1" * 15  # each with its tags or its end
    assert "".join(map(str, bits)).startswith(document * 9)


def test_plain_text_beside_dialogues_counts_with_its_end() -> None:
    write("all/chat.txt", CHAT)
    write("all/prose.txt", PROSE)
    run("all", tokenizer="byte", val_fraction=0.3)
    split = "train" if "First Citizen" in tokenizer().decode(ids("train")) else "val"
    start = tokenizer().decode(ids(split)).index("First Citizen")
    shown = [len(tokenizer().token_bytes(i).decode()) for i in ids(split)]
    first = int(np.searchsorted(np.cumsum([0, *shown]), start))
    counted = mask(split)[first : first + len(PROSE) + 1]
    assert all(counted)
    assert ids(split)[first + len(PROSE)] == tokenizer().special_tokens["<|endoftext|>"]


def test_plain_text_has_no_mask_and_all_can_be_asked_for() -> None:
    run(write("a.txt", PROSE), tokenizer="byte")
    assert open_dataset(OUT).train_mask is None
    assert "loss_on" not in meta() or meta()["loss_on"] == "all"
    assert not list(OUT.glob("*.mask"))
    result = run(write("chat.txt", CHAT), tokenizer="byte", loss_on="all", force=True)
    data = open_dataset(OUT)
    assert (data.train_mask, data.val_mask) == (None, None)
    assert result.trained_tokens == data.trained_tokens == len(data.train)
    fingerprint = data.fingerprint
    run("chat.txt", tokenizer="byte", loss_on="replies", force=True)
    assert open_dataset(OUT).fingerprint != fingerprint  # a run of the one is not resumed on this
    run("a.txt", tokenizer="byte", force=True)
    assert sorted(p.name for p in OUT.iterdir() if p.suffix) == [
        "meta.json",
        "train.bin",
        "val.bin",
    ]


def test_without_replies_everything_counts_unless_replies_are_asked_for() -> None:
    write("chat.txt", "<human>Is anybody there?<endOfText>\n\n<human>Hello?<endOfText>\n\n" * 20)
    assert run("chat.txt", tokenizer="byte").loss_on == "all"
    with pytest.raises(DataError, match="0 tokens of replies") as error:
        run("chat.txt", tokenizer="byte", loss_on="replies", force=True)
    assert "--loss-on all" in error.value.hint
    with pytest.raises(DataError, match="replies"):
        run(write("a.txt", PROSE), tokenizer="byte", loss_on="replies", force=True)


def test_a_dataset_of_an_earlier_version_counts_everything() -> None:
    run(write("chat.txt", CHAT), tokenizer="byte", loss_on="all")
    before = open_dataset(OUT)
    content = meta()
    del content["loss_on"]
    for split in ("train", "val"):
        (OUT / f"{split}.mask").unlink()
        del content[split]["reply_tokens"], content[split]["mask_sha256"]
    (OUT / "meta.json").write_text(json.dumps(content))
    old = open_dataset(OUT)
    assert old.train_mask is None
    assert old.fingerprint == before.fingerprint


@pytest.mark.parametrize("name", ["train.mask", "val.mask"])
@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda data: data[:-1], "bytes, but the mask of"),
        (lambda data: data + b"\0", "bytes, but the mask of"),
        (lambda data: b"", "is empty"),
        (lambda data: b"\0" * len(data), "is not the mask"),
        (lambda data: bytes([data[0] ^ 1]) + data[1:], "is not the mask"),
        (lambda data: data[:-1] + b"\xff", "is not the mask"),
        (None, "is missing"),
    ],
)
def test_a_mask_is_checked_when_it_is_opened(name, spoil, said) -> None:
    run(write("chat.txt", CHAT + "<human>a<endOfText>\n<bot>b<endOfText>"), tokenizer="byte")
    path = OUT / name
    if spoil:
        path.write_bytes(spoil(path.read_bytes()))
    else:
        path.unlink()
    with pytest.raises(DataError, match=rf"{name} .*{said}") as error:
        open_dataset(OUT)
    assert "prepare it again" in error.value.hint


@pytest.mark.parametrize("value", ["some", 1, None])
def test_another_loss_on_is_corrupt(value) -> None:
    run(write("chat.txt", CHAT), tokenizer="byte")
    (OUT / "meta.json").write_text(json.dumps(meta() | {"loss_on": value}))
    with pytest.raises(DataError, match="neither all nor replies"):
        open_dataset(OUT)


def test_targets_that_do_not_count_are_minus_one() -> None:
    run(write("chat.txt", MIXED), tokenizer="byte")
    data = open_dataset(OUT)
    place = {"seed": 5, "numbers": range(12, 16), "block_size": 32}
    inputs, targets = training_batch(data.train, mask=data.train_mask, **place)
    plain, whole = training_batch(data.train, **place)
    assert (inputs == plain).all()
    assert (targets >= 0).any()
    positions, expected = np.arange(len(data.train)), np.array(replies("train"))
    _, indices = training_batch(positions, **place)
    assert (targets == torch.from_numpy(np.where(expected[indices], whole, -1))).all()


def test_an_evaluation_counts_the_same_positions(tiny) -> None:
    rng = np.random.default_rng(0)
    tokens, counts = rng.integers(0, 37, 16 * 9 + 1).astype(np.uint16), np.arange(37)
    counted = rng.random(len(tokens)) < 0.3
    model = tiny().requires_grad_(False)
    batches = []
    loss = evaluate_loss(
        model, tokens, counts, mask=LossMask.of(counted), each=lambda *both: batches.append(both)
    )
    each, sizes = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    assert (each.sum(), len(each)) == (pytest.approx(loss.nats, rel=1e-5), loss.tokens)
    assert sizes.tolist() == counts[tokens[1:][counted[1:]]].tolist()
    nats = size = 0.0
    for first in range(0, 16 * 9, 16):
        x = torch.from_numpy(tokens[first : first + 17].astype(np.int64))
        logs = model(x[None, :-1])[0].log_softmax(-1)
        for place in range(16):
            if counted[first + 1 + place]:
                nats -= float(logs[place, x[place + 1]])
                size += int(counts[x[place + 1]])
    assert loss.nats == pytest.approx(nats, rel=1e-5)
    assert (loss.tokens, loss.text_bytes) == (counted[1:].sum(), size)


def test_where_the_chosen_windows_count_nothing_all_are_measured() -> None:
    tokens = np.zeros(16 * 50 + 1, dtype=np.uint16)
    counted = np.zeros(len(tokens), dtype=np.bool_)
    counted[100:110] = True
    assert len(evaluation_windows(tokens, 16, 32, LossMask.of(counted))) == 50
    counted[:] = True
    assert len(evaluation_windows(tokens, 16, 32, LossMask.of(counted))) == 2


@pytest.mark.parametrize("colour", [True, False])
def test_examples_are_shown_with_what_is_learned(colour, nanogpt, monkeypatch) -> None:
    if colour:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("COLUMNS", "80")
    write("chat.txt", CHAT)
    code, _, err = nanogpt("prepare", "chat.txt", "--tokenizer", "byte", "--show", "2", "-o", OUT)
    assert code == 0
    shown = [line for line in err.splitlines() if "read  " in line or "learned  " in line]
    assert len(shown) == 6
    assert ("\x1b[32m   learned" in shown[1]) is colour
    plain = [line.replace("\x1b[32m", "").replace("\x1b[2m", "") for line in shown]
    assert plain[0].replace("\x1b[0m", "") == "      read  <human>And now?<endOfText><bot>"
    assert plain[1].replace("\x1b[0m", "") == "   learned  Still fine.<endOfText>"
    code, out, _ = nanogpt(
        "prepare", "chat.txt", "--tokenizer", "byte", "--show", "1", "-o", OUT, "--force", "--json"
    )
    (document,) = json.loads(out)["rendered"]
    assert document[1] == {"text": "Still fine.<endOfText>", "trained": True}
    assert [part["trained"] for part in document] == [False, True, False]


def test_train_and_eval_of_a_file_count_replies(nanogpt) -> None:
    write("chat.txt", CHAT)
    Path("data").mkdir()
    assert nanogpt("prepare", "chat.txt", "--tokenizer", "byte", "-o", "data/chat")[0] == 0
    tiny = ("--n-layer=1", "--n-head=2", "--n-embd=16", "--block-size=16", "--max-iters=3",
            "--sample-tokens=0", "--device=cpu", "--eval-tokens=0")  # fmt: skip
    code, _, err = nanogpt("train", "--data-dir", "data/chat", "--out-dir", "out/a", *tiny)
    assert code == 0, err
    data = open_dataset(Path("data/chat"))
    assert f"loss on replies, {data.trained_tokens:,}" in err
    end = json.loads(Path("out/a/metrics.jsonl").read_text().splitlines()[-2])
    assert end["event"] in ("eval", "checkpoint")
    code, out, err = nanogpt("eval", "out/a", "--json")
    measured = json.loads(out)["models"][0]
    assert "the loss is that of the replies" in err
    assert measured["tokens"] < data.val_mask.count() + 1
    code, out, err = nanogpt("eval", "out/a", "--data", "chat.txt", "--json")
    assert "the loss is that of the replies" in err
    both = data.trained_tokens + data.val_mask.count()
    assert both - 16 <= json.loads(out)["models"][0]["tokens"] <= both


def test_what_the_loss_counts_can_be_asked_for_when_a_dataset_is_opened() -> None:
    run(write("a.txt", CHAT), tokenizer="byte", loss_on="all")
    everything, answers = open_dataset(OUT), open_dataset(OUT, "replies")
    assert everything.train_mask is None
    assert answers.trained_tokens == meta()["train"]["reply_tokens"]
    assert answers.fingerprint == everything.fingerprint
    run(write("a.txt", CHAT), tokenizer="byte", force=True)
    assert open_dataset(OUT).train_mask is not None
    assert open_dataset(OUT, "all").train_mask is None
    assert open_dataset(OUT, "all").fingerprint == open_dataset(OUT).fingerprint
    run(write("a.txt", "Just some text. " * 50), tokenizer="byte", force=True)
    with pytest.raises(DataError, match="holds no dialogues"):
        open_dataset(OUT, "replies")


def test_text_outside_of_turns_is_named_where_too_little_is_left() -> None:
    name = write("README.md", "Much to read here.\n" * 90 + "\n<human>Hi<endOfText>\n")
    with pytest.raises(DataError, match="1 stretch of text outside of turns left out") as error:
        run(name, tokenizer="byte")
    assert "--format text" in error.value.hint
