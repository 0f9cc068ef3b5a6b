"""Checkpoints are written whole; corrupt or hostile ones are refused and nothing in them runs."""

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

from nanogpt_cli import files
from nanogpt_cli.checkpoint.load import upgrade
from nanogpt_cli.checkpoint.proof import same_content
from nanogpt_cli.checkpoint.schema import Checkpoint, from_content
from nanogpt_cli.checkpoint.torchfile import read
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
    assert same_content(again, checkpoint)
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
def test_the_disks_error_is_shown_though_torch_hides_it(checkpoint, monkeypatch, fails):
    real, calls = files.LargeFile.write, []

    def write(file, data):
        calls.append(0)
        if len(calls) == fails:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(file, data)

    monkeypatch.setattr(files.LargeFile, "write", write)
    with pytest.raises(MachineError, match=r"x\.pt: Input/output error") as caught:
        checkpoint.save(Path("x.pt"))
    assert caught.value.hint == "check the disk, then run the command again"
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [b"", b"\0" * 5000, b"To be, or not to be\n" * 50, b"n_layer = 4\n", b"PK", b"\x80\x04K\x01."],
    ids=["empty", "zeros", "text", "toml", "two bytes", "a number"],
)
def test_what_is_not_a_checkpoint_is_refused(content):
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
            again, _ = upgrade(read(Path("x.pt")), Path("x.pt"))
        except CheckpointError:
            refusals += 1
        else:
            assert same_content(again, checkpoint)
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
    assert not said  # torch itself warns about some protocols
    assert not Path("executed").exists()


def test_a_hostile_pickle_inside_an_intact_zip_file_is_refused(checkpoint):
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
