"""Datasets are checked when opened."""

import json
import os
import pickle

import numpy as np
import pytest
from conftest import TEXT

from nanogpt_cli.data.prepare import PrepareOptions, prepare
from nanogpt_cli.data.store import open_dataset
from nanogpt_cli.errors import DataError


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
        (spoil("meta.json", b"{"), r"meta\.json is corrupt"),  # row 16
        (spoil("meta.json", b"[1]"), r"meta\.json is corrupt"),
        (spoil("meta.json", b'{"tokenizer": {"kind": "?"}}'), r"meta\.json: .*corrupt"),
        (spoil("meta.json", b'{"tokenizer": {}, "train": []}'), r"does not describe train\.bin"),
        (
            spoil("val.bin", b"\0\0" * 9),
            r"val\.bin holds 9 tokens, but meta\.json says \d+: it was",
        ),
        (spoil("meta.json", b'{"version": 99, "tokenizer": {}}'), "newer"),
    ],
)
def test_corruption_is_named(text_data, apply, said):
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


def test_a_dataset_replaced_while_it_is_opened_is_not_mixed(text_data, monkeypatch):
    """The text is the same, and so the counts; only the ids mean something else."""
    loads = json.loads

    def loads_of_the_old(text):
        monkeypatch.setattr(json, "loads", loads)
        prepare(PrepareOptions(("hamlet.txt",), text_data, tokenizer="byte", force=True))
        return loads(text)

    monkeypatch.setattr(json, "loads", loads_of_the_old)
    data = open_dataset(text_data)
    assert data.tokenizer.name == "byte"
    assert data.tokenizer.decode(data.val[:50].tolist()) in TEXT


def test_a_checksum_that_is_not_text_is_accepted(text_data):
    path = text_data / "meta.json"
    meta = json.loads(path.read_text())
    before = open_dataset(text_data).fingerprint
    meta["train"]["sha256"] = "\ud800"
    path.write_text(json.dumps(meta))
    assert open_dataset(text_data).fingerprint != before


@pytest.mark.parametrize("name", ["meta.json", "meta.pkl", "train.bin", "val.bin"])
@pytest.mark.parametrize("kind", ["pipe", "device", "circle", "folder"])
def test_what_is_not_a_regular_file_is_neither_read_nor_waited_for(nanogpt_data, name, kind):
    path = nanogpt_data / name
    path.unlink(missing_ok=True)
    {
        "pipe": lambda: os.mkfifo(path),
        "device": lambda: path.symlink_to("/dev/zero"),
        "circle": lambda: path.symlink_to(name),
        "folder": path.mkdir,
    }[kind]()
    with pytest.raises(DataError, match=f"cannot read .*{name}") as caught:
        open_dataset(nanogpt_data)
    assert "permissions" in caught.value.hint
    assert "force" not in caught.value.hint
