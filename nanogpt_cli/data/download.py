"""Files from a network, whole or not at all: continued where they broke off, and checked.

What is there already is not asked for again. This module does not know what is in the files.
"""

import hashlib
import http.client
import json
import os
import socket
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from nanogpt_cli.data.corpora import Download
from nanogpt_cli.errors import DataError
from nanogpt_cli.files import atomic_write, machine_errors

CONNECT_SECONDS = 10.0
"""How long a server may say nothing."""
_TRIES, _PAUSE = 5, 1.0
"""How often it is tried to go on where a transfer broke off, and seconds between."""
_CHUNK = 2**20
_CHECKSUMS = "checksums.json"
_PART = ".part"

Advance = Callable[[str, int, int], None]
"""Called with a file's name, the bytes that are here, and those of the whole, or 0."""


def fetched(
    downloads: Iterable[Download],
    folder: Path,
    notes: list[str],
    advance: Advance = lambda name, done, total: None,
) -> list[Path]:
    """Return the files of downloads, in a folder, after what is missing was downloaded.

    ``notes`` are told whose checksum is not published. Raises DataError where there is no network,
    a server does not have a file, or its content is another than it was; MachineError where the
    disk is full.
    """
    with machine_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    known, found, trusted = _read_checksums(folder), [], 0
    for download in downloads:
        expected = download.sha256 or known.get(download.name, {}).get("sha256", "")
        path = folder / download.name
        if not _is_known(path, known.get(download.name)):
            sha256 = _downloaded(download, path, expected, advance)
            trusted += not expected
            known[download.name] = {"sha256": sha256, **_stamp(path)}
            with atomic_write(folder / _CHECKSUMS) as file:
                file.write(json.dumps(known, indent=1).encode())
        found += _unpacked(download, path) if download.members else [path]
    if trusted:
        notes.append(
            f"no checksum is published for {trusted} of the files: theirs is kept in "
            f"{folder / _CHECKSUMS}, and holds from now on"
        )
    return found


def _read_checksums(folder: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        content = json.loads((folder / _CHECKSUMS).read_bytes())
        if isinstance(content, dict) and all(isinstance(v, dict) for v in content.values()):
            return content
    return {}


def _stamp(path: Path) -> dict[str, int]:
    found = path.stat()
    return {"size": found.st_size, "mtime": found.st_mtime_ns}


def _is_known(path: Path, entry: dict[str, Any] | None) -> bool:
    """Whether a file is there as it was when its checksum was compared."""
    try:
        return entry is not None and _stamp(path).items() <= entry.items()
    except OSError:
        return False


def _downloaded(download: Download, path: Path, expected: str, advance: Advance) -> str:
    """Download a file, and return its checksum. Raises DataError where it is not ``expected``."""
    if path.is_file():  # it was put there by hand, or touched
        sha256 = _sha256(path)
        if not expected or sha256 == expected:
            return sha256
    part = path.with_name(path.name + _PART)
    _transfer(download.url, part, lambda done, total: advance(download.name, done, total))
    sha256 = _sha256(part)
    if expected and sha256 != expected:
        part.unlink()
        raise DataError(
            f"{download.url} is not what it was: its checksum is {sha256[:16]}..., not "
            f"{expected[:16]}...",
            "try again; if it stays so, the file was changed: prepare another copy of it by its "
            "name",
        )
    with machine_errors(path):
        part.replace(path)
    return sha256


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _transfer(url: str, part: Path, advance: Callable[[int, int], None]) -> None:
    """Download to a file, which goes on where it ends.

    A transfer that breaks off is tried again, as long as each try brings something.
    """
    left = _TRIES
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            if _receive(url, part, before, advance):
                return
            problem = "the connection broke off"
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, urllib.error.HTTPError):
                if error.code == 416 and before:  # what is here is longer than the file
                    part.unlink()
                elif error.code < 500:
                    raise _refused(url, error) from error
            elif not part.exists():
                raise _no_network(url, error) from error
            problem = str(error)
        after = part.stat().st_size if part.exists() else 0
        left = _TRIES if after > before else left - 1
        if left <= 0:
            raise DataError(
                f"cannot download {url}: {problem}",
                "run the same command again: it goes on where this ended",
            )
        time.sleep(_PAUSE)


def _receive(url: str, part: Path, start: int, advance: Callable[[int, int], None]) -> bool:
    """Append what a server sends; whether that was the whole file.

    Raises OSError where the connection fails and MachineError where the disk does.
    """
    headers = {"User-Agent": "nanogpt", **({"Range": f"bytes={start}-"} if start else {})}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310  # of our own table
    with urllib.request.urlopen(request, timeout=CONNECT_SECONDS) as answer:  # noqa: S310
        if start and answer.status != 206:
            start = 0  # it sends all of it
        length = answer.headers.get("Content-Length")
        total = start + int(length) if length and length.isdecimal() else 0
        done = start
        with part.open("ab" if start else "wb") as file:
            while data := answer.read(_CHUNK):
                with machine_errors(part):
                    file.write(data)
                done += len(data)
                advance(done, total)
            with machine_errors(part):
                file.flush()
                os.fsync(file.fileno())
    return not total or done >= total


def _refused(url: str, error: urllib.error.HTTPError) -> DataError:
    error.close()
    return DataError(
        f"cannot download {url}: {error.code} {error.reason}",
        "download the corpus in a browser, and prepare its files by their names",
    )


def _no_network(url: str, error: Exception) -> DataError:
    reason = getattr(error, "reason", error)
    if isinstance(reason, socket.gaierror):
        reason = "its name is not known here"
    elif isinstance(reason, TimeoutError):
        reason = f"no answer within {CONNECT_SECONDS:g} s"
    return DataError(
        f"cannot download {url}: {reason}",
        "connect to a network; or download it elsewhere, and prepare the file: nanogpt prepare "
        "FILE",
    )


def _unpacked(download: Download, path: Path) -> list[Path]:
    """Return the members of an archive that are wanted, unpacked beside it.

    Only regular files are, under their last names. Raises DataError where one is missing.
    """
    found = {}
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                name = member.name.rpartition("/")[2]
                if name not in download.members or not member.isfile():
                    continue
                target = path.with_name(name)
                found[name] = target
                if target.is_file() and target.stat().st_size == member.size:
                    continue
                source = archive.extractfile(member)
                assert source
                with source, atomic_write(target) as file:
                    while data := source.read(_CHUNK):
                        file.write(data)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise DataError(f"cannot unpack {path}: {error}", "remove it, and try again") from error
    if missing := [name for name in download.members if name not in found]:
        raise DataError(f"{path} holds no {missing[0]}", "remove it, and try again")
    return [found[name] for name in download.members]
