"""Compressed text, archives, Parquet tables, and encodings other than UTF-8."""

import bz2
import gzip
import io
import json
import lzma
import sys
import zipfile
from pathlib import Path

import pytest
from datasets import CHAT, OUT, PROSE, documents, meta, run, text, write

from nanogpt_cli.data.encodings import undecodable_sample
from nanogpt_cli.data.given import Progress
from nanogpt_cli.data.prepare import PrepareOptions, prepare
from nanogpt_cli.errors import DataError, UsageError

LINES = "".join(f'{{"text": "Document number {i}."}}\n' for i in range(40))


def zstd(data: bytes) -> bytes:
    return pytest.importorskip("zstandard").ZstdCompressor().compress(data)


PACKED = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zst": zstd}


def zipped(files: dict[str, str]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


def encrypted(archive: bytes) -> bytes:
    """Set the flag of an archive's only file that says so, in its two places."""
    for start, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        place = archive.index(start) + at
        archive = archive[:place] + bytes([archive[place] | 1]) + archive[place + 1 :]
    return archive


def parquet(name: str, rows: list[dict[str, object]]) -> str:
    pytest.importorskip("pyarrow")
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), name)
    return name


@pytest.mark.parametrize("suffix", PACKED)
def test_compressed_text_is_read_as_what_it_is(suffix: str) -> None:
    plain = run(write("a.jsonl", LINES), tokenizer="byte")
    expected = text("train") + text("val")
    for name in (f"in/a.jsonl.{suffix}", "b.dat"):
        write(name, PACKED[suffix](LINES.encode()))
        seen: list[Progress] = []
        options = PrepareOptions((name.partition("/")[0],), OUT, tokenizer="byte", force=True,
                                 format="auto" if "jsonl" in name else "jsonl")  # fmt: skip
        result = prepare(options, seen.append)
        assert result.documents == plain.documents == 40
        assert text("train") + text("val") == expected
        assert any("is unpacked as it is read" in note for note in result.notes)
        assert max(step.done for step in seen) == seen[0].total == Path(name).stat().st_size


def test_a_compressed_pipe_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(CHAT.encode()))))
    assert run("-", tokenizer="byte").conversations == 40


@pytest.mark.parametrize("suffix", PACKED)
@pytest.mark.parametrize("cut", [0.5, 0.98])
def test_what_is_cut_short_is_refused(suffix: str, cut: float) -> None:
    data = PACKED[suffix](b"".join(b"%d " % (i * i * 7919) for i in range(50_000)))
    with pytest.raises(DataError, match=rf"a\.{suffix}") as error:
        run(write(f"a.{suffix}", data[: int(len(data) * cut)]), tokenizer="byte")
    assert "copy it again" in error.value.hint
    assert not OUT.exists()


def test_what_is_changed_is_refused() -> None:
    data = bytearray(gzip.compress(LINES.encode() * 50))
    data[len(data) // 2] ^= 255
    with pytest.raises(DataError, match=r"cannot unpack a\.gz"):
        run(write("a.gz", bytes(data)), tokenizer="byte")


def test_an_archive_is_its_texts() -> None:
    files = {"b/prose.txt": PROSE, "a/chat.txt": CHAT, "image.png": "x", "__MACOSX/a.txt": "no",
             "a/.hidden.txt": "no"}  # fmt: skip
    write("in/all.zip", zipped(files))
    result = run("in", tokenizer="byte")
    assert (result.documents, result.conversations) == (41, 40)
    assert meta()["sources"] == ["in/all.zip/a/chat.txt", "in/all.zip/b/prose.txt"]
    assert "in/all.zip holds 2 text files" in result.notes


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (zipped({"a.png": "x"}), "no text file in a.zip"),
        (zipped({"a.txt": PROSE})[:-30], r"cannot unpack a\.zip"),
        (encrypted(zipped({"a.txt": PROSE})), r"cannot unpack a\.zip.*(encrypted|password)"),
        (gzip.compress(b"%PDF-1.7" * 99, mtime=0), "holds a PDF"),
        (
            gzip.compress(b"a.txt".ljust(257, b"\0") + b"ustar\0" + bytes(1000), mtime=0),
            "holds a tar",
        ),
    ],
)  # fmt: skip
def test_what_holds_no_text_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(DataError, match=said) as error:
        run(write("a.zip", content))
    assert error.value.hint


def test_a_table_in_parquet() -> None:
    rows = [{"prompt": f"How {i}?", "completion": f"So {i}.", "n": i} for i in range(2500)]
    result = run(parquet("a.parquet", rows), tokenizer="byte")
    assert (result.conversations, result.turns) == (2500, 5000)
    named = [{"Q": f"How {i}?", "A": f"So {i}."} for i in range(50)]
    run(parquet("b.parquet", named), columns="human=Q,bot=A", tokenizer="byte", force=True)
    assert documents("train")[0].startswith("<human>How ")
    chats = [{"messages": [{"role": "user", "content": "Hi"}, {"role": "bot", "content": f"{i}"}]}
             for i in range(50)]  # fmt: skip
    assert run(parquet("c.parquet", chats), tokenizer="byte", force=True).turns == 100
    write("d.parquet", Path("a.parquet").read_bytes()[:-9])
    with pytest.raises(DataError, match=r"cannot unpack d\.parquet"):
        run("d.parquet", force=True)


@pytest.mark.parametrize(
    ("name", "module", "package"),
    [("a.zst", "zstandard", "zstandard"), ("a.parquet", "pyarrow.parquet", "pyarrow")],
)
def test_a_missing_package_is_named(name, module, package, monkeypatch) -> None:
    content = zstd(b"x") if name == "a.zst" else b"PAR1\x15\4 and more"
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(DataError, match="not installed") as error:
        run(write(name, content))
    assert error.value.hint == f"install it: pip install {package}"


GERMAN = "Größere Mäuse müssen über süße Äpfel hüpfen, sagte die alte Bäuerin. " * 40
RUSSIAN = (
    "Все счастливые семьи похожи друг на друга, каждая несчастливая семья несчастлива по-своему. "
    "Все смешалось в доме Облонских. Жена узнала, что муж был в связи с бывшею в их доме "
    "француженкою-гувернанткой, и объявила мужу, что не может жить с ним в одном доме. "
) * 9
JAPANESE = (
    "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。何でも薄暗いじめじめした所で"
    "ニャーニャー泣いていた事だけは記憶している。吾輩はここで始めて人間というものを見た。"
) * 9


@pytest.mark.parametrize(
    ("content", "encoding"), [(GERMAN, "cp1252"), (RUSSIAN, "cp1251"), (JAPANESE, "shift_jis")]
)
def test_another_encoding_is_named_and_converted(content: str, encoding: str) -> None:
    write("in/a.txt", ("plain " * 20_000 + content).encode(encoding))
    with pytest.raises(DataError, match="is not UTF-8 at byte 12000") as error:
        run("in", tokenizer="byte")
    assert f"it looks like {encoding}: --encoding {encoding}" in error.value.hint
    result = run("in", tokenizer="byte", encoding="auto")
    assert result.notes[0] == f"in/a.txt is read as {encoding.upper()}"
    assert content in text("train") + text("val")
    run("in", tokenizer="byte", encoding=encoding, force=True)
    assert content in text("train") + text("val")


def test_utf8_stays_utf8_also_where_an_encoding_is_to_be_recognised() -> None:
    write("a.txt", GERMAN)
    assert not run("a.txt", tokenizer="byte", encoding="auto").notes
    assert text("train") + text("val") == GERMAN
    write("b.txt", "\ufeff".encode("utf-16-le") + GERMAN.encode("utf-16-le"))
    assert run("b.txt", tokenizer="byte", encoding="cp1252", force=True).notes[0].endswith("UTF-16")


def test_what_has_no_encoding() -> None:
    with pytest.raises(DataError, match="not known, or it is not text"):
        run(write("a.txt", b"\0\xff\xfe\x00" * 500), encoding="auto")
    with pytest.raises(DataError, match="not ASCII at byte 2") as error:
        run(write("b.txt", GERMAN), encoding="ascii")
    assert "another --encoding" in error.value.hint


@pytest.mark.parametrize("name", ["utf-9", "zip", "hex", "rot13", "a\0b"])
def test_an_encoding_that_is_none(name: str, nanogpt) -> None:
    write("a.txt", PROSE)
    with pytest.raises(UsageError, match="unknown --encoding"):
        run("a.txt", encoding=name)


def test_the_sample_is_around_the_first_byte_that_is_not_utf8() -> None:
    whole = b"a" * 99_999 + "ä".encode() + b"\xe4\xf6" + b"b" * 99_999
    for size in (1000, 100_000, 2**20):
        chunks = (whole[i : i + size] for i in range(0, len(whole), size))
        sample = undecodable_sample(chunks)
        assert sample is not None
        assert b"\xe4" in sample
        assert len(sample) <= 2**15
    assert undecodable_sample([b"a\xc3", b"\xa4b"]) is None


def test_json_has_the_same_keys_whatever_is_read(nanogpt) -> None:
    write("a.jsonl.gz", gzip.compress(LINES.encode()))
    code, out, err = nanogpt("prepare", "a.jsonl.gz", "--json", "--tokenizer", "byte")
    assert code == 0, err
    assert json.loads(out)["documents"] == 40
    assert "a.jsonl.gz is unpacked as it is read (gzip)" in err
