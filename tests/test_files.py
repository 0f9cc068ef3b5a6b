"""Files on every kind of disk: large ones past the page cache, regular ones told from others."""

import errno
import os
import random
from pathlib import Path

import pytest

from nanogpt_cli.errors import MachineError
from nanogpt_cli.files import LargeFile, atomic_write, keep_copy, open_regular, sweep, unfinished

SIZE = LargeFile.SIZE


def written(pieces):
    """Write pieces to a new file, and return its content."""
    with LargeFile(Path("large")) as file:
        assert [file.write(piece) for piece in pieces] == [len(piece) for piece in pieces]
        file.flush()
    return Path("large").read_bytes()


@pytest.mark.parametrize("size", [0, 1, 4096, SIZE - 1, SIZE, SIZE + 1, 2 * SIZE + 12345])
def test_what_is_written_is_in_it(size):
    data = random.Random(size).randbytes(size)
    cuts = sorted(random.Random(1).choices(range(size + 1), k=5))
    pieces = [data[a:b] for a, b in zip([0, *cuts], [*cuts, size], strict=True)]
    assert written(pieces) == data


def test_without_direct_writes_the_page_cache_is_used(monkeypatch):
    real = os.open

    def refuse(path, flags, *mode):
        if flags & getattr(os, "O_DIRECT", 0):
            real(path, flags & ~os.O_DIRECT, *mode)  # some create it before they refuse
            raise OSError(errno.EINVAL, "no")
        return real(path, flags, *mode)

    monkeypatch.setattr(os, "open", refuse)
    assert written([b"a" * SIZE, b"b"]) == b"a" * SIZE + b"b"


def test_the_rest_of_a_partial_or_refused_write_is_written(monkeypatch):
    real, calls = os.write, []

    def write(descriptor, data):
        calls.append(len(data))
        if len(calls) == 2:
            raise OSError(errno.EINVAL, "not a whole sector")
        return real(descriptor, data[:4096]) if len(calls) == 1 else real(descriptor, data)

    monkeypatch.setattr(os, "write", write)
    data = random.Random(0).randbytes(SIZE + 77)
    assert written([data]) == data
    assert calls[:2] == [SIZE, SIZE - 4096]


def test_other_errors_are_raised_and_an_existing_file_is_not_touched(monkeypatch):
    Path("large").write_bytes(b"precious")
    with pytest.raises(FileExistsError):
        LargeFile(Path("large"))
    assert Path("large").read_bytes() == b"precious"
    with LargeFile(Path("other")) as file:
        monkeypatch.setattr(os, "write", lambda *_: (_ for _ in ()).throw(OSError(errno.EIO, "")))
        with pytest.raises(OSError, match=str(errno.EIO)):
            file.write(b"x" * SIZE)


def test_only_a_regular_file_is_opened_and_nothing_is_waited_for():
    os.mkfifo("pipe")
    Path("folder").mkdir()
    for name in ("pipe", "/dev/zero", "folder", "none"):
        with pytest.raises(OSError, match=r"regular|directory"):
            open_regular(Path(name))
    Path("file").write_bytes(b"content")
    Path("link").symlink_to("file")
    with open_regular(Path("link")) as file:
        assert file.read() == b"content"


def mode(path):
    return Path(path).stat().st_mode & 0o777


@pytest.mark.parametrize("large", [False, True])
def test_a_file_keeps_the_mode_of_the_one_that_it_replaces(large, monkeypatch):
    Path("usual").touch()
    with atomic_write(Path("file"), large) as file:
        file.write(b"new")
    assert mode("file") == mode("usual")
    Path("file").chmod(0o600)
    with atomic_write(Path("file"), large) as file:
        assert {mode(path) for path in Path().glob(".*.tmp-nanogpt")} == {0o600}
        file.write(b"newer")
    assert mode("file") == 0o600
    assert Path("file").read_bytes() == b"newer"
    Path("link").symlink_to("file")
    with atomic_write(Path("link"), large) as file:
        file.write(b"another")
    assert (mode("link"), Path("file").read_bytes()) == (0o600, b"newer")

    def refuse(*_):
        raise OSError(errno.EPERM, "no links")

    monkeypatch.setattr(os, "link", refuse)
    keep_copy(Path("file"), Path("copy"))
    assert mode("copy") == 0o600


def test_a_sweep_leaves_what_somebody_writes_and_takes_the_rest():
    Path("precious").mkdir()
    Path("precious/file").write_text("precious")
    Path(".a.1.tmp-nanogpt").write_text("stale")
    Path(".b.tmp-nanogpt.lock").write_text("its file was never made")
    Path(".c.tmp-nanogpt").symlink_to("precious")
    with atomic_write(Path("file")) as file, unfinished(Path("new")) as folder:
        folder.mkdir()
        there = sorted(Path().iterdir())
        sweep(Path())
        file.write(b"whole")
        assert sorted(Path().iterdir()) == there
    assert sorted(Path().iterdir()) == [Path("file"), Path("precious")]
    assert Path("precious/file").read_text() == "precious"


def test_a_sweep_follows_no_link_in_place_of_a_lock():
    Path("precious").write_text("precious")
    Path(".a.tmp-nanogpt").write_text("stale")
    Path(".a.tmp-nanogpt.lock").symlink_to("precious")
    os.mkfifo(".b.tmp-nanogpt.lock")
    sweep(Path())
    assert Path("precious").read_text() == "precious"


def test_where_there_are_no_locks_nothing_is_swept(monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def refuse(*_):
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with unfinished(Path("new")) as stale:
        stale.touch()
        with atomic_write(Path("file")) as file:
            file.write(b"whole")
        assert stale.exists()
    assert list(Path().iterdir()) == [Path("file")]


def test_a_sweep_between_the_creation_of_a_lock_and_its_holding(monkeypatch):
    fcntl = pytest.importorskip("fcntl")
    real = fcntl.flock

    def flock(*args):
        monkeypatch.setattr(fcntl, "flock", real)
        sweep(Path())
        real(*args)

    monkeypatch.setattr(fcntl, "flock", flock)
    with unfinished(Path("new")) as path:
        path.touch()
        sweep(Path())
        assert path.exists()
    assert list(Path().iterdir()) == []


def test_names_may_be_as_long_as_the_file_system_allows():
    with atomic_write(Path("ñ" * 127)) as file:
        file.write(b"whole")
    with pytest.raises(MachineError) as caught, atomic_write(Path("n" * 256)):
        pass
    assert "shorter name" in caught.value.hint
