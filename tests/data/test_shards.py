"""Tokens in several files are read as one, written and published whole."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from datasets import CHAT, OUT, PROSE, meta, run, write

from nanogpt_cli.data import shards
from nanogpt_cli.data.batches import training_batch
from nanogpt_cli.data.shards import ShardedTokens, ShardWriter
from nanogpt_cli.data.store import open_dataset
from nanogpt_cli.errors import DataError


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "SHARD_TOKENS", 1000)


def test_shards_are_read_as_one_array() -> None:
    whole = np.arange(100, 135, dtype=np.uint16)
    found = ShardedTokens([whole[:10], whole[10:20], whole[20:30], whole[30:]])
    assert (len(found), found.dtype, found.shape) == (35, np.uint16, (35,))
    for cut in (slice(None), slice(3, 7), slice(5, 25), slice(-12, None), slice(40, 50),
                slice(10, 20), slice(30, 5), slice(0, 35, 4)):  # fmt: skip
        assert np.array_equal(found[cut], whole[cut])
    places = np.array([[0, 9, 10], [34, -1, 20]])
    assert np.array_equal(found[places], whole[places])
    assert found[12] == 112
    assert np.array_equal(np.asarray(found), whole)
    with pytest.raises(IndexError):
        found[35]


@pytest.mark.parametrize("size", [0, 10, 1998, 2000, 2002, 6000])
def test_a_writer_goes_on_where_it_was(size: int, small: None, tmp_path: Path) -> None:
    data = np.arange(3500, dtype=np.uint16).tobytes()
    with ShardWriter(tmp_path, "train", 2) as writer:
        writer.write(data)
    seen = bytearray()
    with ShardWriter(tmp_path, "train", 2, size, seen.extend) as writer:
        writer.write(data[size:])
        assert writer.sizes() == [1000, 1000, 1000, 500]
    assert seen == data[:size]
    names = ["train.1.bin", "train.2.bin", "train.3.bin", "train.bin"]
    assert sorted(os.listdir(tmp_path)) == names
    parts = [(tmp_path / name).read_bytes() for name in ["train.bin", *names[:3]]]
    assert b"".join(parts) == data


@pytest.mark.parametrize("content", [PROSE, CHAT * 4])
def test_a_large_dataset_is_that_of_one_file(content: str, small: None) -> None:
    run(write("a.txt", content), tokenizer="byte")
    sharded, about = open_dataset(OUT), meta()
    assert about["train"]["shards"][:-1] == [1000] * (about["train"]["tokens"] // 1000)
    shards.SHARD_TOKENS = 2**31
    run(write("a.txt", content), tokenizer="byte", force=True)
    assert sorted(p.name for p in OUT.iterdir() if p.suffix == ".bin") == ["train.bin", "val.bin"]
    plain = open_dataset(OUT)
    assert meta()["train"]["sha256"] == about["train"]["sha256"]
    assert np.array_equal(sharded.train, plain.train)
    assert sharded.trained_tokens == plain.trained_tokens
    assert sharded.fingerprint == plain.fingerprint
    place = {"seed": 1, "numbers": range(9), "block_size": 64}
    for one, other in zip(
        training_batch(sharded.train, **place), training_batch(plain.train, **place), strict=True
    ):
        assert one.equal(other)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda: (OUT / "train.2.bin").unlink(), r"train\.2\.bin is missing"),
        (lambda: (OUT / "train.1.bin").write_bytes(b"\0\0" * 9), r"train\.1\.bin holds 9 tokens"),
        (lambda: change([1000, "x"]), "does not list the files of train"),
        (lambda: change([]), "does not list the files of train"),
        (lambda: change([1000, 1000]), "meta.json says"),
    ],
)
def test_what_is_missing_of_it_is_named(spoil: object, said: str, small: None) -> None:
    run(write("a.txt", PROSE), tokenizer="byte")
    assert callable(spoil)
    spoil()
    with pytest.raises(DataError, match=said):
        open_dataset(OUT)


def change(sizes: list[object]) -> None:
    content = meta()
    content["train"]["shards"] = sizes
    (OUT / "meta.json").write_text(json.dumps(content))
