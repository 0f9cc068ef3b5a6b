"""Compressed files, archives and Parquet tables, read as the bytes of the text that they hold.

Everything streams, so that neither memory nor the disk grows with what is unpacked. This module
does not know formats of text.
"""

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from nanogpt_cli.errors import DataError
from nanogpt_cli.files import open_regular
from nanogpt_cli.text import printable

SUFFIXES = (".gz", ".bz2", ".xz", ".zst", ".zip", ".parquet")


@dataclass(frozen=True)
class Packing:
    """How a file is packed, and what of it is read."""

    kind: str
    member: str = ""
    """The file in a ZIP archive."""


_STARTS = {
    "gzip": b"\x1f\x8b\x08", "bzip2": b"BZh", "xz": b"\xfd7zXZ\0", "zstd": b"\x28\xb5\x2f\xfd",
    "parquet": b"PAR1", "zip": b"PK\3\4",
}  # fmt: skip


def packing_of(head: bytes) -> str | None:
    """Return how a file that begins so is packed; None where it is not."""
    for kind, start in _STARTS.items():
        if head.startswith(start):
            plain = kind == "bzip2" and head[4:10] not in (b"1AY&SY", b"\x17rE8P\x90")
            return None if plain or (kind == "parquet" and head[4:5] != b"\x15") else kind
    return None


def inner_name(name: str) -> str:
    """Return what a file is called once it is unpacked: ``a.jsonl`` of ``a.jsonl.gz``."""
    path = PurePosixPath(name)
    return name[: -len(path.suffix)] if path.suffix.lower() in SUFFIXES[:4] else name


@contextmanager
def unpacked(path: Path, packing: Packing, name: str) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """Open what a file holds; yield that and the file itself, whose position is the progress.

    Raises DataError where it is cut short, corrupt, encrypted, or needs a package that is missing;
    OSError where it cannot be read.
    """
    try:
        with open_regular(path) as file, _OPENERS[packing.kind](file, packing.member) as stream:
            yield stream, file
    except (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, gzip.BadGzipFile) as error:
        raise _broken(name, packing.kind, error) from error
    except (KeyError, NotImplementedError, RuntimeError) as error:  # of zipfile
        raise _broken(name, packing.kind, error) from error
    except ImportError as error:
        package = {"zstd": "zstandard", "parquet": "pyarrow"}[packing.kind]
        raise DataError(
            f"{name} is packed as {packing.kind}, which needs a package that is not installed",
            f"install it: pip install {package}",
        ) from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in ("zstandard", "zstd", "pyarrow"):
            raise
        raise _broken(name, packing.kind, error) from error


def _broken(name: str, kind: str, error: Exception) -> DataError:
    return DataError(
        f"cannot unpack {name} ({kind}): {printable(error)[:200]}",
        "it is cut short, changed or encrypted: copy it again, or unpack it with its own program",
    )


def members(path: Path, name: str) -> list[str]:
    """Return the files in a ZIP archive but hidden ones. Raises DataError where it is broken."""
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            names = [info.filename for info in archive.infolist() if not info.is_dir()]
    except (zipfile.BadZipFile, EOFError, NotImplementedError, ValueError) as error:
        raise _broken(name, "zip", error) from error
    hidden = ("__MACOSX", ".")
    return sorted(n for n in names if not any(p.startswith(hidden) for p in n.split("/")))


def _gzip(file: IO[bytes], member: str) -> IO[bytes]:
    return cast(IO[bytes], gzip.GzipFile(fileobj=file))


def _bzip2(file: IO[bytes], member: str) -> IO[bytes]:
    return cast(IO[bytes], bz2.BZ2File(file))


def _xz(file: IO[bytes], member: str) -> IO[bytes]:
    return cast(IO[bytes], lzma.LZMAFile(file))


def _zstd(file: IO[bytes], member: str) -> IO[bytes]:
    import zstandard

    return io.BufferedReader(_Frames(file, zstandard.ZstdDecompressor().decompressobj))


class _Frames(io.RawIOBase):
    """What the frames of a file hold, one after the other; EOFError where the last is cut short."""

    _CHUNK = 2**17

    def __init__(self, file: IO[bytes], new: Callable[[], Any]) -> None:
        self._file, self._new = file, new
        self._frame: Any = None
        self._packed = self._held = b""

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer, and return how many bytes were written to it."""
        while not self._held:
            packed = self._packed or self._file.read(self._CHUNK)
            if not packed:
                if self._frame:
                    raise EOFError("it ends within a frame")
                return 0
            self._frame = self._frame or self._new()
            self._held, self._packed = self._frame.decompress(packed), b""
            if self._frame.eof:
                self._packed, self._frame = self._frame.unused_data, None
        count = min(len(buffer), len(self._held))
        buffer[:count] = self._held[:count]
        self._held = self._held[count:]
        return count


@contextmanager
def _zip(file: IO[bytes], member: str) -> Iterator[IO[bytes]]:
    with zipfile.ZipFile(file) as archive, archive.open(member) as stream:
        yield stream


def _parquet(file: IO[bytes], member: str) -> IO[bytes]:
    """Return the rows of a Parquet table as JSON lines."""
    from nanogpt_cli.data.parquet import JSONLines

    return io.BufferedReader(JSONLines(file))


_OPENERS: dict[str, Callable[[IO[bytes], str], Any]] = {
    "gzip": _gzip, "bzip2": _bzip2, "xz": _xz, "zstd": _zstd, "zip": _zip, "parquet": _parquet,
}  # fmt: skip
