"""What a file is that is not plain text, by its first bytes, and how to get text out of it.

This module knows neither formats of text nor where a file comes from.
"""

import codecs
from dataclasses import dataclass

from nanogpt_cli.text import shell_word


@dataclass(frozen=True)
class Signature:
    """What begins, ``at`` bytes from the start, with one of ``starts``."""

    what: str
    hint: str
    """What to do, with FILE for the file's name."""
    starts: tuple[bytes, ...]
    at: int = 0


_UNPACK = "unpack it first, and name the files that it holds"
_AS_TEXT = "save it as plain text (.txt, UTF-8) in the program it was written with"
_DOCUMENT = f"{_AS_TEXT}, or: pandoc FILE -t plain -o text.txt"
_TABLE = "save the sheet as CSV (UTF-8) with a column text, or two such as question and answer"
_NO_TEXT = "nanogpt learns from text: name a file of text"
_ROWS = (
    "write it as JSON lines, in Python: pandas.read_parquet(...).to_json('data.jsonl', "
    "orient='records', lines=True)"
)

_INSIDE_ZIP = (
    (b"word/", "a Word document", _DOCUMENT),
    (b"xl/", "an Excel workbook", _TABLE),
    (b"ppt/", "a PowerPoint presentation", _AS_TEXT),
    (b"mimetypeapplication/epub", "an e-book (EPUB)", _DOCUMENT),
    (b"mimetypeapplication/vnd.oasis.opendocument.text", "an OpenDocument text", _DOCUMENT),
    (b"mimetypeapplication/vnd.oasis.opendocument.spr", "an OpenDocument table", _TABLE),
    (b"/data.pkl", "a checkpoint of a model", "prepare reads text: name a file of text"),
)
"""What a ZIP archive is, by names that stand at its beginning or its end."""

_SIGNATURES = (
    Signature("a PDF document", "extract its text: pdftotext FILE text.txt", (b"%PDF-",)),
    Signature("a document in RTF", _DOCUMENT, (b"{\\rtf",)),
    Signature("an old Word, Excel or Outlook file", _AS_TEXT, (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a",)),
    Signature("compressed (gzip)", "gzip -dc FILE | nanogpt prepare -", (b"\x1f\x8b\x08",)),
    Signature(
        "compressed (bzip2)", "bzip2 -dc FILE | nanogpt prepare -", (b"1AY&SY", b"\x17rE8P\x90"), 4
    ),
    Signature("compressed (xz)", "xz -dc FILE | nanogpt prepare -", (b"\xfd7zXZ\0",)),
    Signature("compressed (zstd)", "zstd -dc FILE | nanogpt prepare -", (b"\x28\xb5\x2f\xfd",)),
    Signature("compressed (LZ4)", "lz4 -dc FILE | nanogpt prepare -", (b"\x04\x22\x4d\x18",)),
    Signature("a 7z archive", _UNPACK, (b"7z\xbc\xaf\x27\x1c",)),
    Signature("a RAR archive", _UNPACK, (b"Rar!\x1a\x07",)),
    Signature("a tar archive", _UNPACK, (b"ustar\0", b"ustar "), 257),
    Signature("a Parquet table", _ROWS, (b"PAR1\x15",)),
    Signature("an Arrow table", _ROWS.replace("parquet", "feather"), (b"ARROW1\0",)),
    Signature(
        "an SQLite database",
        "write a query's rows as CSV: sqlite3 -csv -header FILE 'select ...' > data.csv",
        (b"SQLite format 3\0",),
    ),
    Signature(
        "an image", _NO_TEXT,
        (b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*"),
    ),
    Signature("an image", _NO_TEXT, (b"WEBPVP8",), 8),
    Signature(
        "a sound or a film", _NO_TEXT,
        (b"ID3\2", b"ID3\3", b"ID3\4", b"OggS\0", b"fLaC\0", b"\x1aE\xdf\xa3"),
    ),
    Signature("a sound or a film", _NO_TEXT, (b"WAVEfmt ", b"AVI LIST"), 8),
    Signature("a sound or a film", _NO_TEXT, (b"ftypisom", b"ftypmp4", b"ftypM4", b"ftypqt "), 4),
    Signature("a program", _NO_TEXT, (b"\x7fELF", b"MZ\x90\0", b"\xcf\xfa\xed\xfe")),
    Signature("a model (GGUF)", _NO_TEXT, (b"GGUF\2", b"GGUF\3")),
    Signature("an array (NumPy)", _NO_TEXT, (b"\x93NUMPY",)),
    Signature("an HDF5 file", _NO_TEXT, (b"\x89HDF\r\n",)),
)  # fmt: skip


def identify(head: bytes, tail: bytes = b"") -> Signature | None:
    """Return what a file is by its first and last bytes; None where it may be text."""
    if head.startswith((b"PK\3\4", b"PK\5\6")):
        for inside, what, hint in _INSIDE_ZIP:
            if inside in head or inside in tail:
                return Signature(what, hint, ())
        return Signature("a ZIP archive", _UNPACK, ())
    return next((s for s in _SIGNATURES if head[s.at :].startswith(s.starts)), None)


def advice(found: Signature, name: str | None) -> str:
    """Return what to do with a file; one without a name is called FILE."""
    return found.hint if name is None else found.hint.replace("FILE", shell_word(name))


def encoding_of(head: bytes) -> str:
    """Return the encoding of a text: UTF-8 unless it begins with another's byte order mark."""
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return "utf-8"


def is_text(head: bytes) -> bool:
    """Whether a file that begins so can be text."""
    return identify(head) is None and (b"\0" not in head or encoding_of(head) != "utf-8")
