"""What is read lies in memory of its own, and what the machine refuses is not taken for damage."""

import errno
import os
import zipfile
from pathlib import Path

import pytest
import torch
from hostile import rezipped
from old_checkpoints import nanogpt_content

from nanogpt_cli.checkpoint.load import load_checkpoint, upgrade
from nanogpt_cli.checkpoint.torchfile import read
from nanogpt_cli.errors import CheckpointError, UnreadableError

SIX = torch.arange(6.0).view(2, 3)
VIEWS = {
    "whole": SIX.clone(),
    "one element for all": torch.full((1,), 0.5).expand(2, 3),
    "rows that are one": torch.arange(3.0).expand(2, 3),
    "overlapping": torch.arange(4.0).as_strided((2, 3), (1, 1)),
    "transposed": SIX.t().contiguous().t(),
    "every second": torch.arange(12.0).view(2, 6)[:, ::2],
    "a part": torch.arange(12.0).view(4, 3)[1:3],
    "strides of nothing": torch.arange(3.0).as_strided((1, 3), (999, 1)),
    "nothing": torch.empty(0, 3),
    "a number": torch.tensor(3.0),
}


@pytest.mark.parametrize("zipped", [True, False])
def test_every_tensor_is_contiguous_and_has_memory_of_its_own(zipped):
    shared = torch.arange(6.0)
    content = {**VIEWS, "first": shared, "again": shared[:], "tail": shared[3:]}
    torch.save(content, "x.pt", _use_new_zipfile_serialization=zipped)
    got = read(Path("x.pt"))
    for name, tensor in got.items():
        assert torch.equal(tensor, content[name]), name
        assert tensor.stride() == torch.empty(tensor.shape).stride(), name
        assert tensor.untyped_storage().nbytes() == tensor.nbytes, name
    places = [tensor.data_ptr() for tensor in got.values() if tensor.numel()]
    assert len(set(places)) == len(places)


def test_a_storage_is_no_tensor():
    whole = torch.ones(4)
    torch.save({"model": {"a": whole, "b": whole[:]}}, "x.pt")
    rebuilt = b"ctorch._utils\n_rebuild_tensor_v2\n"

    def bare(name, data):
        if not name.endswith("data.pkl"):
            return data
        start = data.index(rebuilt)
        return b"\x80\x02}X\5\0\0\0model" + data[start + len(rebuilt) + 3 :].split(b"Q")[0] + b"Qs."

    Path("x.pt").write_bytes(rezipped(Path("x.pt").read_bytes(), bare))
    with pytest.raises(CheckpointError):
        upgrade(read(Path("x.pt")), Path("x.pt"))


OUT_OF_MEMORY = [
    MemoryError(),
    RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("zipped", [True, False])
def test_memory_that_runs_out_is_no_damage(monkeypatch, error, zipped):
    torch.save(nanogpt_content(), "x.pt", _use_new_zipfile_serialization=zipped)

    def no_room(*args, **kwargs):
        raise error

    monkeypatch.setattr(torch, "frombuffer", no_room)
    with pytest.raises(MemoryError):
        read(Path("x.pt"))


@pytest.mark.parametrize("hidden", [KeyboardInterrupt(), SystemExit(3), MemoryError()])
def test_what_torch_hides_behind_an_error_of_its_own_is_not_taken_for_damage(monkeypatch, hidden):
    torch.save(nanogpt_content(), "x.pt")
    content = read(Path("x.pt"))

    def interrupted(config):
        raise RuntimeError("a kernel failed") from hidden

    monkeypatch.setattr("nanogpt_cli.checkpoint.weights.make_meta_model", interrupted)
    with pytest.raises(type(hidden)):
        upgrade(content, Path("x.pt"))


def test_a_disk_that_fails_is_no_damage(monkeypatch):
    torch.save(nanogpt_content(), "x.pt")

    def broken(archive, name):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(zipfile.ZipFile, "read", broken)
    with pytest.raises(UnreadableError, match=r"cannot read x\.pt: Input/output error"):
        read(Path("x.pt"))


@pytest.mark.parametrize("name", ["pipe.pt", "pipe", "/dev/zero", "gone.pt"])
def test_what_is_no_regular_file_is_neither_waited_for_nor_read(name):
    os.mkfifo("pipe.pt")
    os.mkfifo("pipe")
    Path("gone.pt").symlink_to("nowhere")
    with pytest.raises(UnreadableError, match="cannot read"):
        load_checkpoint(Path(name))
    with pytest.raises(UnreadableError, match="cannot read"):
        read(Path(name))
