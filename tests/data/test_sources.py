"""Files, folders, globs and pipes, and bytes that are not what they should be."""

import io
import json
import os
import sys
import threading
import zipfile
from contextlib import ExitStack
from pathlib import Path

import pytest
from datasets import CHAT, OUT, PROSE, ids, meta, run, text, tokenizer, write

from nanogpt_cli.data.formats.base import Report
from nanogpt_cli.data.signatures import is_text
from nanogpt_cli.data.sources import find_sources, read_pieces
from nanogpt_cli.errors import DataError


def zipped(*names: str) -> bytes:
    """Return an archive of these files, each of which holds what an e-book begins with."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, "application/epub+zip" + "x" * 70_000)
    return file.getvalue()


def test_what_a_folder_holds() -> None:
    write("in/b/deep.md", "Deep. " * 20)
    write("in/a.txt", "First. " * 20)
    write("in/.hidden.txt", "no")
    write("in/.git/x.txt", "no")
    write("in/image.png", b"\x89PNG")
    write("in/binary.txt", b"\0\1\2")
    write("in/blank.txt", " \n")
    result = run("in", tokenizer="byte", val_fraction=0.5)
    assert meta()["sources"] == ["in/a.txt", "in/b/deep.md", "in/blank.txt"]
    assert meta()["documents"] == 2
    assert any("2 files of in" in note for note in result.notes)


def test_globs_and_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    write("a1.txt", "First. " * 20)
    write("a2.txt", "Second. " * 20)
    run("a?.txt", tokenizer="byte")
    assert meta()["sources"] == ["a1.txt", "a2.txt"]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(CHAT.encode())))
    run("-", tokenizer="byte", force=True)
    assert meta()["sources"] == ["stdin"]
    assert meta()["chat_format"] is not None


@pytest.mark.skipif(sys.platform == "win32", reason="no such pipes")
def test_a_pipe_is_read_once() -> None:
    os.mkfifo("pipe")
    writer = threading.Thread(target=lambda: Path("pipe").write_text(PROSE))
    writer.start()
    run("pipe", tokenizer="byte")
    writer.join()
    assert meta()["bytes"] == len(PROSE)


@pytest.mark.skipif(sys.platform != "linux", reason="names are Unicode elsewhere")
def test_a_file_name_that_is_not_text() -> None:
    run(write(os.fsdecode(b"caf\xe9.txt"), PROSE), tokenizer="byte")
    assert meta()["sources"] == ["caf\udce9.txt"]


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_small_chunks_change_nothing(size: int) -> None:
    write("a.txt", PROSE + "Grüße, 中文。🙂\n" * 30)
    write("b.txt", CHAT)
    write("c.jsonl", '{"text": "Ünë."}\n{"prompt": "P", "completion": "C"}\n')
    write("d.csv", 'text\n"Ö, ö"\n')
    for name in ("a.txt", "b.txt", "c.jsonl", "d.csv"):
        with ExitStack() as stack:
            sources, _ = find_sources([name], "auto", stack)
        whole = list(read_pieces(sources))
        pieces = list(read_pieces(sources, chunk_size=size))
        if name == "a.txt":
            assert "".join(map(str, pieces[:-1])) == whole[0]
            assert pieces[-1] is None
        else:
            assert pieces == whole


# What can go wrong (the numbers are the fault matrix's)


@pytest.mark.parametrize("name", ["nowhere.txt", "empty", "no*match"])
def test_1_nothing_to_read(name: str) -> None:
    Path("empty").mkdir()
    write("empty/picture.png", b"\x89PNG")
    with pytest.raises(DataError) as error:
        run(name)
    assert name in error.value.message
    assert not OUT.exists()


@pytest.mark.parametrize("offset", [0, 5, 4999, 2**20 - 1, 2**20 + 7])
def test_3_invalid_utf8_is_found_at_its_byte(offset: int) -> None:
    content = b"a" * offset + b"\xff" + b"b" * 5000
    with pytest.raises(DataError, match=rf"a\.txt.* byte {offset}$") as error:
        run(write("a.txt", content), tokenizer="byte")
    assert "--errors replace" in error.value.hint
    run("a.txt", tokenizer="byte", errors="replace")
    assert tokenizer().decode(ids("train") + ids("val")) == "a" * offset + "\ufffd" + "b" * 5000


def test_3_replaced_characters_are_counted() -> None:
    write("a.txt", ("naïve \ufffd" * 100).encode("latin-1", "replace") + "\ufffd".encode() * 50)
    notes = run("a.txt", tokenizer="byte", errors="replace").notes
    assert notes == ["100 characters of a.txt that are not UTF-8 were replaced by U+FFFD"]
    with ExitStack() as stack:
        sources, _ = find_sources(["a.txt"], "auto", stack)
    for size in (1, 3, 1000):
        report = Report()
        list(read_pieces(sources, "replace", report, chunk_size=size))
        assert report.notes() == notes


def test_3_binary_data_is_not_to_be_replaced() -> None:
    with pytest.raises(DataError, match="binary data, at byte 1001") as error:
        run(write("a.txt", b"\0" * 1001 + b"\xff"))
    assert "replace" not in error.value.hint


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-16-be"])
def test_a_byte_order_mark_says_what_the_encoding_is(encoding: str) -> None:
    chat = CHAT + "<human>Grüße, 中文 🙂<endOfText>"
    data = ("\ufeff" if encoding.endswith("be") else "").encode(encoding) + chat.encode(encoding)
    write("in/a.txt", data)
    result = run("in", tokenizer="byte")
    assert result.notes[0] == f"in/a.txt is read as {encoding[:6].upper()}"
    assert "Grüße, 中文 🙂" in text("train") + text("val")
    assert meta()["chat_format"] is not None
    write("in/a.txt", data + b"\0")
    with pytest.raises(DataError, match=f"not {encoding[:6].upper()} at byte {len(data)}"):
        run("in", tokenizer="byte", force=True)


BINARY = {
    "a.docx": (zipped("[Content_Types].xml", "word/document.xml"), "a Word document", "pandoc"),
    "a.xlsx": (zipped("[Content_Types].xml", "xl/workbook.xml"), "an Excel workbook", "CSV"),
    "a.epub": (zipped("mimetype"), "an e-book", "pandoc a.epub -t plain"),
    "a.pdf": (b"%PDF-1.7\n", "a PDF", "pdftotext a.pdf"),
    "a.tar": (b"a.txt".ljust(257, b"\0") + b"ustar\0" + bytes(1000), "a tar archive", "unpack"),
    "a.db": (b"SQLite format 3\0", "an SQLite database", "sqlite3 -csv -header a.db"),
    "a.png": (b"\x89PNG\r\n\x1a\n", "an image", "text"),
    "a.jpg": (b"\xff\xd8\xff\xe0", "an image", "text"),
    "a.rtf": (rb"{\rtf1\ansi", "RTF", "plain text"),
    "a.doc": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Word", "plain text"),
    "a.pt": (zipped("a/data.pkl"), "a checkpoint", "text"),
}


@pytest.mark.parametrize("errors", ["strict", "replace"])
@pytest.mark.parametrize("name", BINARY)
def test_what_is_not_text_is_named_with_what_to_do(name: str, errors: str) -> None:
    content, what, hint = BINARY[name]
    with pytest.raises(DataError) as error:
        run(write(name, content), errors=errors, format="text")
    assert error.value.message.startswith(f"{name} is {what}") or what in error.value.message
    assert hint in error.value.hint
    write("in/a.txt", PROSE)
    write(f"in/{name}.txt", content)
    assert "1 file of in is not text and was left out" in run("in", tokenizer="byte").notes


def test_a_pipe_has_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"SQLite format 3\0" * 99)))
    with pytest.raises(DataError, match="stdin is an SQLite") as error:
        run("-")
    assert "sqlite3 -csv -header FILE" in error.value.hint


@pytest.mark.parametrize(
    "beginning", ["ID3 is a tag", "PK is short", "The ftyp box", "RIFF RAFF", "GGUF", "BM", "MZ"]
)
def test_text_is_not_taken_for_something_else(beginning: str) -> None:
    assert is_text(f"{beginning} and more".encode())


def test_settings_in_a_folder_are_not_records() -> None:
    write("in/package.json", '{"name": "a", "version": "1", "dependencies": {"prompt": "1"}}')
    turns = [{"role": "user", "content": "Hi" * 9000}, {"role": "bot", "content": "Yo" * 9}]
    write("in/chats.json", json.dumps([{"messages": turns}]))
    result = run("in", tokenizer="byte")
    assert meta()["sources"] == ["in/chats.json"]
    assert "1 file of in is not text and was left out" in result.notes


def test_3_a_character_cut_off_at_the_end() -> None:
    with pytest.raises(DataError, match=r"byte 1000$"):
        run(write("a.txt", b"a" * 1000 + b"\xe4\xb8"), tokenizer="byte")


def test_4_bom_crlf_and_nul() -> None:
    content = b"one\r\ntwo\0three\n" * 9 + b"\xef\xbb\xbf."
    run(write("a.txt", b"\xef\xbb\xbf" + content), tokenizer="byte", val_fraction=0.5)
    assert text("train") + text("val") == content.decode()
