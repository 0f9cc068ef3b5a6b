"""What is read of folders, globs, links, pipes and devices, and what is said of the rest."""

import io
import os
import shutil
import socket
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest
from datasets import PROSE, run, write

from nanogpt_cli.data.formats.base import Report
from nanogpt_cli.data.inputs import find_files
from nanogpt_cli.errors import DataError, MachineError


def found(*inputs: str) -> tuple[list[str], list[str]]:
    """Return the names of the files that inputs lead to, and the notes on the rest."""
    report = Report()
    with ExitStack() as stack:
        files = find_files(inputs, stack, report)
    return [name for _, name in files], report.notes()


def test_a_file_named_several_times_is_one_document() -> None:
    write("in/a.txt", PROSE)
    Path("in/link.txt").symlink_to("a.txt")
    again = "names of files that are read already were left out"
    assert found("in/a.txt", "./in/a.txt", "in/a.txt") == (["in/a.txt"], [f"2 {again}"])
    assert found("in/*.txt", "in") == (["in/a.txt"], [f"3 {again}"])
    result = run("in/a.txt", "in/a.txt", tokenizer="byte")
    assert result.documents == 1
    assert result.notes == ["1 name of a file that is read already was left out"]


def test_links_to_folders_are_followed_once() -> None:
    write("in/b/one.txt", PROSE)
    write("other/two.txt", PROSE)
    for link, target in (("in/a", "b"), ("in/b/up", ".."), ("in/c", "../other"), ("in/d", "c")):
        Path(link).symlink_to(target)
    note = "in/c is a link to a folder and was read too"
    assert found("in") == (["in/b/one.txt", "in/c/two.txt"], [note])


@pytest.mark.parametrize("pattern", ["in/**/*.txt", "in/**", "**/in/**/**/*.txt", "*n/**/*e*"])
def test_circles_of_links_under_a_glob_are_harmless(pattern: str) -> None:
    """Followed as often as the system allows, three links give 3 ** 40 names."""
    write("in/one.txt", PROSE)
    write("in/deep/er/three.txt", PROSE)
    write("in/.hidden/four.txt", PROSE)
    for name in ("in/x", "in/y", "in/deep/z"):
        Path(name).symlink_to(Path("in").resolve())
    assert found(pattern) == (["in/deep/er/three.txt", "in/one.txt"], [])


def test_what_is_left_out_of_a_folder_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    write("in/a.txt", PROSE)
    write("in/locked/b.txt", PROSE)
    Path("in/broken.txt").symlink_to("nowhere")
    Path("in/circle.txt").symlink_to("circle.txt")
    iterdir = Path.iterdir

    def refuse(path: Path) -> object:
        if path.name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return iterdir(path)

    monkeypatch.setattr(Path, "iterdir", refuse)
    notes = ["in/locked cannot be read and was left out"]
    assert found("in/**/*.txt") == (["in/a.txt"], notes)
    assert found("in") == (
        ["in/a.txt"],
        [*notes, "2 files of in are not text and were left out"],
    )


@pytest.mark.skipif(sys.platform == "win32", reason="no such devices")
def test_devices_and_sockets_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="/dev/zero is a device"):
        found("/dev/zero")
    with open("/dev/zero") as zero:
        monkeypatch.setattr(sys, "stdin", zero)
        with pytest.raises(DataError, match="stdin is a device"):
            found("-")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        with pytest.raises(DataError, match="cannot read socket"):
            found("socket")
    with open("socket-folder", "wb"), pytest.raises(DataError, match="no file or folder"):
        found("socket-folder/x")
    with pytest.raises(DataError, match="no file or folder"):
        found("a" * 300)


def stdin(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(bytes(size))))


def test_a_pipe_that_would_fill_the_disk_ends_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(Path("temporary").resolve()))
    Path("temporary").mkdir()
    full = SimpleNamespace(total=2**40, used=2**40 - 2**29, free=2**29)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    stdin(monkeypatch, 2**20)
    assert found("-") == (["stdin"], [])  # what is small is copied all the same
    stdin(monkeypatch, 2**26 + 2**22)
    with pytest.raises(MachineError, match="only 537 MB are left") as error:
        found("-")
    assert "TMPDIR" in error.value.hint
    assert list(Path("temporary").iterdir()) == []


def test_a_pipe_that_does_not_wait_is_not_taken_for_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"half of the text")
    os.set_blocking(reading, False)
    with os.fdopen(reading) as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        with pytest.raises(DataError, match="cannot read stdin"):
            found("-")
    os.close(writing)
