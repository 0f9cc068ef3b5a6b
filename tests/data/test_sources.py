"""Files, folders, globs and pipes, and bytes that are not what they should be."""

import io
import os
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest
from datasets import CHAT, OUT, PROSE, ids, meta, run, text, tokenizer, write

from nanogpt_cli.data.sources import find_sources, read_pieces
from nanogpt_cli.errors import DataError


def test_what_a_folder_holds() -> None:
    write("in/b/deep.md", "Deep.")
    write("in/a.txt", "First.")
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
    write("a1.txt", "First.")
    write("a2.txt", "Second.")
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


def test_3_a_character_cut_off_at_the_end() -> None:
    with pytest.raises(DataError, match=r"byte 1000$"):
        run(write("a.txt", b"a" * 1000 + b"\xe4\xb8"), tokenizer="byte")


def test_4_bom_crlf_and_nul() -> None:
    run(
        write("a.txt", b"\xef\xbb\xbfone\r\ntwo\0three\n" + b"\xef\xbb\xbf."),
        tokenizer="byte",
        val_fraction=0.5,
    )
    assert text("train") + text("val") == "one\r\ntwo\0three\n\ufeff."
