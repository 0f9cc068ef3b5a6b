"""Known corpora are downloaded whole, continued and checked; a missing network is named."""

import hashlib
import io
import json
import tarfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from datasets import PROSE

from nanogpt_cli.data import corpora, download
from nanogpt_cli.data.corpora import CORPORA, Corpus, Download, find_corpus
from nanogpt_cli.data.download import fetched
from nanogpt_cli.data.prepare import PrepareOptions, prepare
from nanogpt_cli.errors import DataError, UsageError

CONTENT = PROSE.encode() * 9
SHA = hashlib.sha256(CONTENT).hexdigest()
FOLDER = Path("got")


class Server(ThreadingHTTPServer):
    """A server of CONTENT, and what it was asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {"/a.txt": CONTENT}
        self.asked: list[str] = []
        self.breaks_after: int | None = None
        self.ranges = True

    def url(self, name: str = "a.txt") -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{name}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        data = self.server.files.get(self.path)
        wanted = self.headers.get("Range", "")
        self.server.asked.append(wanted)
        if data is None:
            self.send_error(404)
            return
        start = int(wanted[6:-1]) if wanted and self.server.ranges else 0
        if start and start >= len(data):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        part, self.server.breaks_after = self.server.breaks_after, None
        self.wfile.write(data[start:] if part is None else data[start : start + part])

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(download, "_PAUSE", 0.0)
    with Server() as found:
        threading.Thread(target=found.serve_forever, args=(0.01,), daemon=True).start()
        yield found
        found.shutdown()


def test_a_file_is_downloaded_once_and_its_checksum_holds(server: Server) -> None:
    notes: list[str] = []
    seen: list[tuple[str, int, int]] = []
    wanted = [Download(server.url(), "a.txt")]
    (path,) = fetched(wanted, FOLDER, notes, lambda *args: seen.append(args))
    assert path.read_bytes() == CONTENT
    assert seen[-1] == ("a.txt", len(CONTENT), len(CONTENT))
    assert "checksum" in notes[0]
    assert json.loads((FOLDER / "checksums.json").read_text())["a.txt"]["sha256"] == SHA
    assert fetched(wanted, FOLDER, notes) == [path]
    assert (len(server.asked), len(notes)) == (1, 1)
    path.unlink()
    server.files["/a.txt"] = CONTENT + b"changed"
    with pytest.raises(DataError, match="not what it was"):
        fetched(wanted, FOLDER, notes)
    assert sorted(p.name for p in FOLDER.iterdir()) == ["checksums.json"]


@pytest.mark.parametrize("ranges", [True, False])
def test_a_transfer_that_breaks_off_goes_on(ranges: bool, server: Server) -> None:
    server.breaks_after, server.ranges = 1000, ranges
    (path,) = fetched([Download(server.url(), "a.txt", SHA)], FOLDER, [])
    assert path.read_bytes() == CONTENT
    assert server.asked == ["", "bytes=1000-"]


def test_what_an_interrupted_run_left_is_continued(server: Server) -> None:
    FOLDER.mkdir()
    (FOLDER / "a.txt.part").write_bytes(CONTENT[:5000])
    fetched([Download(server.url(), "a.txt", SHA)], FOLDER, [])
    assert server.asked == ["bytes=5000-"]
    (FOLDER / "b.txt.part").write_bytes(CONTENT * 2)
    fetched([Download(server.url(), "b.txt", SHA)], FOLDER, [])
    assert (FOLDER / "b.txt").read_bytes() == CONTENT


def test_what_is_not_there_and_what_is_another_is_named(server: Server) -> None:
    with pytest.raises(DataError, match="404") as error:
        fetched([Download(server.url("b.txt"), "b.txt")], FOLDER, [])
    assert "by their names" in error.value.hint
    with pytest.raises(DataError, match="not what it was"):
        fetched([Download(server.url(), "a.txt", "0" * 64)], FOLDER, [])
    assert not list(FOLDER.glob("a.txt*"))


def test_without_a_network_it_is_said_at_once() -> None:
    begin = time.monotonic()
    for url in ("http://127.0.0.1:9/a", "http://nowhere.invalid/a"):
        with pytest.raises(DataError, match="cannot download") as error:
            fetched([Download(url, "a")], FOLDER, [])
        assert "network" in error.value.hint
    assert time.monotonic() - begin < 5


def test_an_archive_is_unpacked_beside_it(server: Server) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, kind in (("x/train.csv", tarfile.REGTYPE), ("../evil.csv", tarfile.REGTYPE),
                           ("x/link.csv", tarfile.SYMTYPE)):  # fmt: skip
            info = tarfile.TarInfo(name)
            info.size, info.type = (len(CONTENT) if kind == tarfile.REGTYPE else 0), kind
            info.linkname = "/etc/passwd"
            archive.addfile(info, io.BytesIO(CONTENT))
    server.files["/a.tar.gz"] = file.getvalue()
    wanted = Download(server.url("a.tar.gz"), "a.tar.gz", members=("train.csv",))
    assert [p.read_bytes() for p in fetched([wanted], FOLDER, [])] == [CONTENT]
    assert sorted(p.name for p in FOLDER.iterdir()) == ["a.tar.gz", "checksums.json", "train.csv"]
    for other in ("link.csv", "other.csv"):
        with pytest.raises(DataError, match="holds no"):
            fetched([Download(wanted.url, "a.tar.gz", members=(other,))], FOLDER, [])


def test_a_corpus_is_prepared_by_its_name(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    stories = "".join(f"Story {i}.\n<|endoftext|>\n" for i in range(40))
    server.files = {"/a.txt": stories.encode(), "/b.txt": b"Another story.\n<|endoftext|>\nLast."}
    files = [Download(server.url(name), name) for name in ("a.txt", "b.txt")]
    corpus = Corpus((files[0],), "1 kB", (files[1],), "separated")
    monkeypatch.setattr(corpora, "CORPORA", {"stories": corpus})
    result = prepare(PrepareOptions(dataset="stories", tokenizer="byte"))
    assert result.out == Path("data/stories")
    assert (result.documents, result.val_tokens) == (42, len("Another story.Last.") + 2)
    asked = len(server.asked)
    prepare(PrepareOptions(dataset="stories", tokenizer="byte", force=True))
    assert len(server.asked) == asked
    with pytest.raises(UsageError, match="already holds"):
        prepare(PrepareOptions(dataset="stories", tokenizer="byte"))


def test_the_table_is_whole() -> None:
    assert list(CORPORA) == [
        "shakespeare", "tinystories", "empathetic-dialogues", "openwebtext", "fineweb-edu",
    ]  # fmt: skip
    for corpus in CORPORA.values():
        for one in (*corpus.files, *corpus.val):
            assert one.url.startswith("https://")
            assert len(one.sha256) in (0, 64)
    with pytest.raises(UsageError, match="unknown --dataset"):
        find_corpus("nothing")
