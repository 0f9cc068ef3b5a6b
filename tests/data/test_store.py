"""Datasets are checked when opened, and batches are a pure function of seed and step."""

import json
import pickle

import numpy as np
import pytest
from conftest import TEXT

from nanogpt_cli.data.store import evaluation_starts, open_dataset, training_batch
from nanogpt_cli.data.write import PrepareOptions, prepare
from nanogpt_cli.errors import DataError
from nanogpt_cli.tokenizer import load as tokenizer


def batch(tokens, index, batch_size=4, block_size=8, seed=1):
    return training_batch(
        tokens, seed=seed, index=index, batch_size=batch_size, block_size=block_size
    )


def test_targets_are_the_inputs_one_later():
    tokens = np.arange(1000, dtype=np.uint16)
    inputs, targets = batch(tokens, 3)
    assert inputs.shape == targets.shape == (4, 8)
    assert (targets == inputs + 1).all()


def test_a_batch_depends_on_seed_and_index_alone():
    tokens = np.arange(1000, dtype=np.uint16)
    first = batch(tokens, 5)[0]
    batch(tokens, 2)
    assert (batch(tokens, 5)[0] == first).all()
    assert (batch(tokens, 6)[0] != first).any()
    assert (batch(tokens, 5, seed=2)[0] != first).any()


def test_an_epoch_covers_every_window_once():
    tokens = np.arange(8 * 20 + 4, dtype=np.uint16)
    starts = np.concatenate([batch(tokens, i)[0][:, 0].numpy() for i in range(5)])
    assert len(set(starts)) == 20
    assert set(np.diff(sorted(starts))) == {8}
    again = np.concatenate([batch(tokens, i)[0][:, 0].numpy() for i in range(5, 10)])
    assert len(set(again)) == 20
    assert list(again) != list(starts)


def test_a_batch_may_span_two_epochs():
    tokens = np.arange(8 * 3 + 1, dtype=np.uint16)
    starts = [batch(tokens, 0)[0][:, 0], batch(tokens, 1)[0][:, 0]]
    assert sorted(np.concatenate(starts)[:3].tolist()) == [0, 8, 16]


def test_too_short_a_text_names_the_flag():
    with pytest.raises(DataError) as error:
        batch(np.arange(8, dtype=np.uint16), 0)
    assert "--block-size 7" in error.value.hint


@pytest.mark.parametrize("n", [9, 16, 17, 18, 100])
def test_evaluation_windows_are_all_that_fit(n):
    starts = evaluation_starts(np.zeros(n, dtype=np.uint16), 8)
    assert len(starts) == (n - 1) // 8
    assert (starts == np.arange(len(starts)) * 8).all()


def test_a_limited_evaluation_spreads_over_the_whole_text():
    starts = evaluation_starts(np.zeros(8001, dtype=np.uint16), 8, limit=5)
    assert starts.tolist() == [0, 1992, 3992, 5992, 7992]


def test_our_own_folder(text_data):
    data = open_dataset(text_data)
    text = data.tokenizer.decode(data.train[:20].tolist())
    assert text == "To be, or not to be,"
    assert data.notes == ()


def test_nanogpts_folder_without_meta(nanogpt_data):
    data = open_dataset(nanogpt_data)
    assert (data.tokenizer.name, data.vocab_size) == ("gpt2", 50304)
    assert "no meta.json" in data.notes[0]


def write_char_folder(folder, itos):
    folder.mkdir()
    for split in ("train", "val"):
        np.arange(len(itos), dtype=np.uint16).repeat(50).tofile(folder / f"{split}.bin")
    (folder / "meta.pkl").write_bytes(
        pickle.dumps(
            {"vocab_size": len(itos), "itos": itos, "stoi": {c: i for i, c in itos.items()}}
        )
    )


def test_nanogpts_char_folder(tmp_path):
    write_char_folder(tmp_path / "chars", {0: "\n", 1: "a", 2: "é"})
    data = open_dataset(tmp_path / "chars")
    assert (data.tokenizer.name, data.vocab_size) == ("char", 3)
    assert data.tokenizer.decode([2, 0, 1]) == "é\na"


def test_a_meta_pkl_that_would_run_code_is_refused(tmp_path):
    write_char_folder(tmp_path / "chars", {0: "a"})
    (tmp_path / "chars" / "meta.pkl").write_bytes(b"cos\nsystem\n(S'touch harmed'\ntR.")
    with pytest.raises(DataError, match=r"meta\.pkl"):
        open_dataset(tmp_path / "chars")
    assert not (tmp_path / "harmed").exists()


def spoil(name, content):
    def apply(folder):
        (folder / name).write_bytes(content)

    return apply


@pytest.mark.parametrize(
    ("apply", "said"),
    [
        (spoil("train.bin", b"\0\0\0"), r"train\.bin has 3 bytes"),  # row 12
        (spoil("val.bin", b""), r"val\.bin is empty"),  # row 13
        (spoil("val.bin", b"\xff\xff\0\0"), r"val\.bin holds token 65535"),  # row 14
        (lambda folder: (folder / "train.bin").unlink(), r"train\.bin is missing"),
        (spoil("meta.json", b"{"), r"meta\.json is damaged"),  # row 16
        (spoil("meta.json", b"[1]"), r"meta\.json is damaged"),
        (spoil("meta.json", b'{"tokenizer": {"kind": "?"}}'), r"meta\.json: .*damaged"),
        (spoil("meta.json", b'{"tokenizer": {}, "train": []}'), r"does not describe train\.bin"),
        (
            spoil("val.bin", b"\0\0" * 9),
            r"val\.bin holds 9 tokens, but meta\.json says \d+: it was",
        ),
        (spoil("meta.json", b'{"version": 99, "tokenizer": {}}'), "newer"),
    ],
)
def test_damage_is_named(text_data, apply, said):
    apply(text_data)
    with pytest.raises(DataError, match=said) as error:
        open_dataset(text_data)
    assert error.value.hint


def test_the_fingerprint_tells_changed_data(text_data, nanogpt_data):
    before = open_dataset(text_data).fingerprint
    meta = json.loads((text_data / "meta.json").read_text())
    meta["val"]["sha256"] = "0" * 64
    (text_data / "meta.json").write_text(json.dumps(meta))
    assert open_dataset(text_data).fingerprint != before

    before = open_dataset(text_data).fingerprint
    tokens = np.fromfile(text_data / "train.bin", dtype=np.uint16)
    tokens[1000] = (tokens[1000] + 1) % 5
    tokens.tofile(text_data / "train.bin")
    assert open_dataset(text_data).fingerprint != before

    plain = open_dataset(nanogpt_data).fingerprint
    tokens = np.fromfile(nanogpt_data / "train.bin", dtype=np.uint16)
    tokens[1000] += 1
    tokens.tofile(nanogpt_data / "train.bin")
    assert open_dataset(nanogpt_data).fingerprint != plain


def test_a_dataset_replaced_while_it_is_opened_is_no_mixture(text_data, monkeypatch):
    """The text is the same, and so the counts; only the ids mean something else."""
    read = tokenizer.from_dict

    def replace_and_read(content):
        monkeypatch.setattr(tokenizer, "from_dict", read)
        prepare(PrepareOptions(("hamlet.txt",), text_data, tokenizer="byte", force=True))
        return read(content)

    monkeypatch.setattr(tokenizer, "from_dict", replace_and_read)
    data = open_dataset(text_data)
    assert data.tokenizer.name == "byte"
    assert data.tokenizer.decode(data.val[:50].tolist()) in TEXT


def test_a_checksum_that_is_no_text_is_borne(text_data):
    path = text_data / "meta.json"
    meta = json.loads(path.read_text())
    before = open_dataset(text_data).fingerprint
    meta["train"]["sha256"] = "\ud800"
    path.write_text(json.dumps(meta))
    assert open_dataset(text_data).fingerprint != before
