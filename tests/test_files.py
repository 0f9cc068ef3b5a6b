"""Files on every kind of disk: large ones past the page cache, regular ones told from others."""

import errno
import os
import random
from pathlib import Path

import pytest

from nanogpt_cli.files import LargeFile, open_regular

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
