"""Checkpoints are written whole, and damaged or hostile ones are refused with nothing run."""

import argparse
import errno
import io
import os
import pickle
import random
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from old_checkpoints import nanogpt_content, save

from nanogpt_cli.checkpoint import migrations as migrate
from nanogpt_cli.checkpoint.torchfile import VERSION, Checkpoint, _Target, from_content, read
from nanogpt_cli.config import ModelConfig
from nanogpt_cli.errors import CheckpointError, MachineError


@pytest.fixture
def checkpoint(tiny):
    model = tiny(pos_embd="rope")
    return Checkpoint(
        config=model.config,
        model=model.state_dict(),
        tokenizer={"kind": "char", "characters": "ab", "special_tokens": {}},
        chat_format={"human": "<h>", "bot": "<b>", "end": "<e>"},
        data={"folder": "data/x", "fingerprint": "f"},
        train_config={"max_iters": 7},
        step=3,
        val_loss=1.5,
        training={"optimizers": [{"state": {0: torch.ones(2)}}], "rng": torch.get_rng_state()},
    )


def refused(path: Path) -> CheckpointError:
    """The error that reading gives: of the right class, with a hint, on one line."""
    with pytest.raises(CheckpointError) as caught:
        read(path)
    assert caught.value.exit_code == 4
    assert str(path) in caught.value.message
    assert caught.value.hint
    assert "\n" not in caught.value.message
    return caught.value


def test_what_is_saved_is_loaded(checkpoint):
    path = Path("new/folder/ckpt.pt")
    checkpoint.save(path)
    again = from_content(read(path), path)
    assert migrate.same_content(again, checkpoint)
    for name in ("chat_format", "data", "train_config", "step", "val_loss"):
        assert getattr(again, name) == getattr(checkpoint, name)
    assert torch.equal(again.training["optimizers"][0]["state"][0], torch.ones(2))
    assert torch.equal(again.training["rng"], checkpoint.training["rng"])
    assert "model" in torch.load(path, weights_only=True)


@pytest.mark.parametrize("fault", [KeyboardInterrupt, OSError(28, "No space left"), RuntimeError])
@pytest.mark.parametrize("existing", [True, False])
def test_a_failing_save_leaves_the_folder_as_it_was(checkpoint, monkeypatch, fault, existing):
    path = Path("run/ckpt.pt")
    path.parent.mkdir()
    if existing:
        checkpoint.save(path)
    before = [(p, p.read_bytes()) for p in path.parent.iterdir()]

    def half_a_save(content, file):
        file.write(b"PK half")
        raise fault

    monkeypatch.setattr(torch, "save", half_a_save)
    expected = KeyboardInterrupt if fault is KeyboardInterrupt else MachineError
    with pytest.raises(expected):
        replace(checkpoint, step=4).save(path)
    assert [(p, p.read_bytes()) for p in path.parent.iterdir()] == before


@pytest.mark.parametrize("fails", [1, 3, 7])
def test_what_the_disk_said_is_told_though_torch_hides_it(checkpoint, monkeypatch, fails):
    real, calls = _Target.write, []

    def write(target, data):
        calls.append(0)
        if len(calls) == fails:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(target, data)

    monkeypatch.setattr(_Target, "write", write)
    with pytest.raises(MachineError, match=r"x\.pt: Input/output error") as caught:
        checkpoint.save(Path("x.pt"))
    assert caught.value.hint == "check the disk, then run the command again"
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [b"", b"\0" * 5000, b"To be, or not to be\n" * 50, b"n_layer = 4\n", b"PK", b"\x80\x04K\x01."],
    ids=["empty", "zeros", "text", "toml", "two bytes", "a number"],
)
def test_what_is_no_checkpoint_is_refused(content):
    Path("x.pt").write_bytes(content)
    assert "run code" not in refused(Path("x.pt")).message


def test_a_folder_and_a_missing_file_are_refused(tmp_path):
    refused(tmp_path)
    refused(tmp_path / "none.pt")


def test_a_file_cut_anywhere_is_refused(checkpoint):
    checkpoint.save(Path("x.pt"))
    data = Path("x.pt").read_bytes()
    for end in (1, 50, len(data) // 2, len(data) - 100, len(data) - 1):
        Path("x.pt").write_bytes(data[:end])
        refused(Path("x.pt"))


def test_a_bit_flipped_in_a_tensor_is_found(checkpoint):
    checkpoint.save(Path("x.pt"))
    data = bytearray(Path("x.pt").read_bytes())
    at = data.index(checkpoint.model["transformer.h.0.mlp.c_fc.weight"].numpy().tobytes())
    data[at + 101] ^= 0x10
    Path("x.pt").write_bytes(data)
    torch.load("x.pt", weights_only=True)  # torch itself sees nothing
    assert "checksum" in refused(Path("x.pt")).message


def test_a_flipped_byte_anywhere_is_refused_or_changes_nothing(checkpoint):
    checkpoint.save(Path("x.pt"))
    data = Path("x.pt").read_bytes()
    with zipfile.ZipFile("x.pt") as archive:
        directory = archive.start_dir
    places = random.Random(0)
    spots = [places.randrange(len(data)) for _ in range(150)]
    spots += [places.randrange(directory, len(data)) for _ in range(150)]
    refusals = 0
    for at in spots:
        Path("x.pt").write_bytes(data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :])
        try:
            again, _ = migrate.upgrade(read(Path("x.pt")), Path("x.pt"))
        except CheckpointError:
            refusals += 1
        else:
            assert migrate.same_content(again, checkpoint)
    assert refusals > 100


class Runs:
    """Pickles to a call of ``function``, as hostile checkpoints do."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


HOSTILE = {
    "os.system": Runs(os.system, "touch executed"),
    "eval": Runs(eval, "open('executed', 'w')"),
    "exec": Runs(exec, "open('executed', 'w')"),
    "torch.load": Runs(torch.load, "executed"),
    "torch.hub": Runs(torch.hub.load, "a/b", "c"),
    "open": Runs(open, "executed", "w"),
    "namespace": argparse.Namespace(x=1),
    "module": torch.nn.Linear(2, 2),
    "path": Path("x"),
}


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("name", HOSTILE)
def test_pickles_that_would_run_code_are_refused(name, zipped):
    content = {"model": {"transformer.wte.weight": torch.ones(2)}, "config": HOSTILE[name]}
    torch.save(content, "x.pt", _use_new_zipfile_serialization=zipped)
    assert "could run code" in refused(Path("x.pt")).message
    assert not Path("executed").exists()


@pytest.mark.parametrize("protocol", range(6))
def test_plain_pickles_that_would_run_code_are_refused(protocol):
    Path("x.pt").write_bytes(pickle.dumps(HOSTILE["os.system"], protocol=protocol))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        refused(Path("x.pt"))
    assert not said  # torch has its thoughts on protocols
    assert not Path("executed").exists()


def test_a_hostile_pickle_inside_a_sound_zip_file_is_refused(checkpoint):
    checkpoint.save(Path("x.pt"))
    hostile = io.BytesIO()
    with zipfile.ZipFile("x.pt") as old, zipfile.ZipFile(hostile, "w") as new:
        for entry in old.namelist():
            data = old.read(entry)
            if entry.endswith("data.pkl"):
                data = pickle.dumps({"model": HOSTILE["exec"]}, protocol=2)
            new.writestr(entry, data)
    Path("x.pt").write_bytes(hostile.getvalue())
    assert "could run code" in refused(Path("x.pt")).message
    assert not Path("executed").exists()


def test_torch_files_of_before_1_6_are_read_and_cut_ones_refused():
    content = nanogpt_content()
    torch.save(content, "x.pt", _use_new_zipfile_serialization=False)
    assert torch.equal(
        read(Path("x.pt"))["model"]["lm_head.weight"], content["model"]["lm_head.weight"]
    )
    Path("x.pt").write_bytes(Path("x.pt").read_bytes()[:-9])
    refused(Path("x.pt"))


@pytest.mark.parametrize("content", [torch.ones(3), [1, 2], 7, "text"])
def test_torch_files_of_something_else_are_refused(content):
    assert "holds no model" in refused(save(content)).message


@pytest.mark.parametrize(
    "damage",
    [
        {"model_config": None},
        {"model_config": {"n_layer": "2"}},
        {"model_config": {"n_layer": 0}},
        {"model_config": {"block_size": True}},
        {"model_config": {"n_embd": 10**400}},
        {"model_config": {"n_layer": 10**9}},
        {"model_config": {"vocab_size": -1}},
        {"model_config": {"n_embd": 2**62}},
        {"model_config": {"gelu": []}},
        {"model_config": {"from_the_future": 1}},
        {"model_config": {1: 1}},
        {"model": [1]},
        {"model": {"transformer.wte.weight": torch.ones(37, 16, dtype=torch.int64)}},
        {"model": {"transformer.wte.weight": 1.0}},
        {"model": {3: torch.ones(1)}},
        {"tokenizer": "gpt2"},
        {"tokenizer": {"kind": "char"}},
        {"chat_format": ["<human>"]},
        {"step": "3"},
        {"training": 1},
        {"data": None},
    ],
    ids=str,
)
def test_a_damaged_checkpoint_of_our_own_is_refused(checkpoint, damage):
    checkpoint.save(Path("x.pt"))
    content = torch.load("x.pt", weights_only=True)
    for key, value in damage.items():
        merge = isinstance(value, dict) and isinstance(content[key], dict) and key != "tokenizer"
        content[key] = {**content[key], **value} if merge else value
    with pytest.raises(CheckpointError):
        migrate.load(save(content, "x.pt"))


def test_a_checkpoint_of_a_newer_version_is_named_so(checkpoint):
    checkpoint.save(Path("x.pt"))
    content = torch.load("x.pt", weights_only=True)
    with pytest.raises(CheckpointError, match="made by a newer nanogpt") as caught:
        migrate.load(save(content | {"version": VERSION + 1, "model": "in a new form"}, "x.pt"))
    assert caught.value.hint == "update nanogpt"


def test_the_configuration_comes_back_as_it_was(checkpoint):
    config = ModelConfig(**{**vars(checkpoint.config), "dropout": 0.25})
    replace(checkpoint, config=config).save(Path("x.pt"))
    assert migrate.upgrade(read(Path("x.pt")), Path("x.pt"))[0].config == config
