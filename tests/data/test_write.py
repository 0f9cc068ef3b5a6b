"""Preparing data: nanoGPT's bytes, exact streaming, formats, splits, and every way to fail."""

import errno
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nanogpt_cli.data import sources
from nanogpt_cli.data import write as corpus
from nanogpt_cli.data.store import open_dataset
from nanogpt_cli.data.write import PrepareOptions, PrepareResult, cut_safely
from nanogpt_cli.errors import DataError, MachineError, UsageError
from nanogpt_cli.runs import find_dataset
from nanogpt_cli.tokenizer.load import (
    _CL100K,
    _O200K,
    BPETokenizer,
    Tokenizer,
    default_gpt2,
    from_dict,
    load_tokenizer,
    train_bpe,
)

SHAKESPEARE = Path(__file__).resolve().parents[3] / "shared/data/tinyshakespeare.txt"
TEXT = "First Citizen:\nBefore we proceed any further, hear me speak.\n\nAll:\nSpeak, speak.\n" * 50
CHAT = (
    "<human>How are you?<endOfText>\n<bot>Fine.<endOfText>\n\n"
    "<human>And now?<endOfText>\n<bot>Still fine.<endOfText>\n\n"
) * 20
OUT = Path("data/out")


def run(*inputs: str, **options: Any) -> PrepareResult:
    return corpus.prepare(PrepareOptions(inputs, OUT, **options))


def meta() -> dict[str, Any]:
    content = json.loads((OUT / "meta.json").read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


def words() -> Tokenizer:
    return from_dict(meta()["tokenizer"])


def ids(split: str) -> list[int]:
    return np.fromfile(OUT / f"{split}.bin", dtype=meta()["dtype"]).tolist()


def leftovers() -> list[str]:
    return [str(p) for p in Path().rglob("*tmp-nanogpt*")]


def write(name: str, content: str | bytes) -> str:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return name


def as_nanogpt(text: str, kind: str, folder: Path) -> None:
    """Write what nanoGPT's data/shakespeare_char and data/shakespeare scripts write."""
    n = len(text)
    splits = {"train": text[: int(n * 0.9)], "val": text[int(n * 0.9) :]}
    if kind == "char":
        stoi = {ch: i for i, ch in enumerate(sorted(set(text)))}
        encoded = {name: [stoi[c] for c in part] for name, part in splits.items()}
    else:
        encode = default_gpt2()._encoding.encode_ordinary
        encoded = {name: encode(part) for name, part in splits.items()}
    folder.mkdir()
    for name, content in encoded.items():
        np.array(content, dtype=np.uint16).tofile(folder / f"{name}.bin")


@pytest.mark.parametrize("kind", ["char", "gpt2"])
@pytest.mark.parametrize("text", [TEXT, TEXT + "naïve — 中文 🙂\r\n\0 end"])
def test_one_text_gives_nanogpts_bytes(kind: str, text: str, tmp_path: Path) -> None:
    run(write("a.txt", text), tokenizer=kind)
    as_nanogpt(text, kind, tmp_path / "theirs")
    for name in ("train.bin", "val.bin"):
        assert (OUT / name).read_bytes() == (tmp_path / "theirs" / name).read_bytes()


@pytest.mark.skipif(not SHAKESPEARE.exists(), reason="shared data is not here")
@pytest.mark.parametrize(
    ("kind", "counts"), [("char", (1_003_854, 111_540, 65)), ("gpt2", (301_966, 36_059, 50_257))]
)
def test_tinyshakespeare_has_nanogpts_counts(
    kind: str, counts: tuple[int, int, int], tmp_path: Path
) -> None:
    result = run(str(SHAKESPEARE), tokenizer=kind)
    assert (result.train_tokens, result.val_tokens, result.vocab_size) == counts
    as_nanogpt(SHAKESPEARE.read_text(encoding="utf-8"), kind, tmp_path / "theirs")
    for name in ("train.bin", "val.bin"):
        assert (OUT / name).read_bytes() == (tmp_path / "theirs" / name).read_bytes()


def test_meta_says_what_is_there() -> None:
    result = run(write("a.txt", TEXT), tokenizer="char", seed=7)
    content = meta()
    assert content["format"] == "nanogpt-dataset"
    assert content["version"] == 1
    assert (content["chat_format"], content["dtype"], content["seed"]) == (None, "uint16", 7)
    assert content["sources"] == ["a.txt"]
    assert content["bytes"] == result.bytes == len(TEXT)
    assert content["documents"] == result.documents == 1
    for split in ("train", "val"):
        data = (OUT / f"{split}.bin").read_bytes()
        assert content[split]["sha256"] == hashlib.sha256(data).hexdigest()
        assert content[split]["tokens"] == content[split]["bytes"] == len(data) // 2
    assert sorted(os.listdir(OUT)) == ["meta.json", "train.bin", "val.bin"]
    assert set(result.to_dict()) >= {
        "out", "train_tokens", "val_tokens", "vocab_size", "bytes", "seconds", "documents", "notes",
    }  # fmt: skip
    json.dumps(result.to_dict())


# Exact streaming

GPT2 = default_gpt2()
TOKENS = [GPT2.token_bytes(i) for i in range(50256)]
PATTERNS = {
    "gpt2": GPT2,
    "bpe": train_bpe([TEXT], 400),
    "cl100k_base": BPETokenizer("cl100k_base", TOKENS, _CL100K, {}),
    "o200k_base": BPETokenizer("o200k_base", TOKENS, _O200K, {}),
}
SNIPPETS = st.sampled_from(
    ["a", "don't", "I'LL", "Wort", "中文", "。", ",", ".", "!", "_", "12345", "²", "e\u0301", "🙂",
     " ", "  ", "\n", "\n\n", "\r\n", "\t", "\xa0", "\x1c", "/", "\u200b", "x"]
)  # fmt: skip


@pytest.mark.parametrize("kind", PATTERNS)
@settings(max_examples=300, deadline=None)
@given(text=st.lists(SNIPPETS, max_size=25).map("".join), size=st.integers(1, 7))
def test_pieces_give_the_ids_of_the_whole(kind: str, text: str, size: int) -> None:
    tokenizer = PATTERNS[kind]
    pieces = list(cut_safely(text[i : i + size] for i in range(0, len(text), size)))
    assert "".join(pieces) == text
    assert [i for piece in pieces for i in tokenizer.encode(piece)] == tokenizer.encode(text)


def test_text_is_cut_where_it_may_be_and_at_last_anywhere() -> None:
    assert list(cut_safely(["some wo", "rds, he", "re"])) == ["some", " words,", " here"]
    assert list(cut_safely(["aaa"] * 5, longest=6)) == ["aaaaaa", "aaaaaa", "aaa"]


def test_small_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    text = TEXT + "Grüße, 中文。🙂\n" * 30
    run(write("a.txt", text), tokenizer="gpt2")
    whole = ids("train"), ids("val")
    monkeypatch.setattr(sources, "CHUNK", 5)
    monkeypatch.setattr(corpus, "CHUNK", 50)
    run("a.txt", tokenizer="gpt2", force=True, workers=3)
    assert (ids("train"), ids("val")) == whole


# Documents and dialogues


def test_several_documents_end_in_a_separator_and_stay_whole() -> None:
    for i in range(40):
        write(f"in/{i:02}.txt", f"Document number {i}.")
    result = run("in", tokenizer="gpt2", val_fraction=0.25)
    end = words().special_tokens["<|endoftext|>"]
    texts = {}
    for split in ("train", "val"):
        assert ids(split)[-1] == end
        parts = words().decode(ids(split)).split("<|endoftext|>")
        texts[split] = parts[:-1]
        assert meta()[split]["documents"] == len(texts[split])
    assert sorted(texts["train"] + texts["val"]) == sorted(
        f"Document number {i}." for i in range(40)
    )
    assert 3 <= len(texts["val"]) <= 17
    assert result.documents == 40
    first = texts["val"]
    run("in", tokenizer="gpt2", val_fraction=0.25, force=True)
    assert words().decode(ids("val")).split("<|endoftext|>")[:-1] == first
    run("in", tokenizer="gpt2", val_fraction=0.25, force=True, seed=2)
    assert words().decode(ids("val")).split("<|endoftext|>")[:-1] != first


def test_the_draw_is_the_same_on_every_machine() -> None:
    assert [corpus._draw(1337, i) for i in range(3)] == [
        0.5064835193878174,
        0.05303100384371362,
        0.5530551922275144,
    ]


@pytest.mark.parametrize("fraction", [0.001, 0.999])
@pytest.mark.parametrize("count", [2, 3])
def test_a_few_documents_never_leave_a_split_empty(count: int, fraction: float) -> None:
    for seed in range(5):
        for i in range(count):
            write(f"in/{i}.txt", f"Document number {i}.")
        run("in", tokenizer="byte", val_fraction=fraction, seed=seed, force=True)
        assert meta()["train"]["documents"] >= 1
        assert meta()["val"]["documents"] >= 1


def test_conversations() -> None:
    run(write("chat.txt", CHAT), tokenizer="gpt2")
    special = words().special_tokens
    assert special == {
        "<|endoftext|>": 50256, "<human>": 50257, "<bot>": 50258, "<endOfText>": 50259,
    }  # fmt: skip
    assert meta()["chat_format"] == {"human": "<human>", "bot": "<bot>", "end": "<endOfText>"}
    assert meta()["documents"] == 40
    one = [
        50257,
        *words().encode("How are you?"),
        50259,
        50258,
        *words().encode("Fine."),
        50259,
        50256,
    ]
    assert ids("train")[: len(one)] == one
    assert meta()["vocab_size"] == 50260


def test_one_endless_conversation_is_cut_between_turns() -> None:
    run(write("chat.txt", CHAT.replace("\n\n", "\n")), tokenizer="byte", val_fraction=0.25)
    assert words().decode(ids("train")).endswith("Still fine.<endOfText><|endoftext|>")
    assert words().decode(ids("val")).startswith("<human>How are you?<endOfText>")
    assert words().decode(ids("train")).count("<endOfText>") == 60


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.jsonl", '{"text": "One."}\n\n{"text": "Two.", "id": 3}\n', "One.|Two.|"),
        (
            "a.jsonl",
            '{"messages": [{"role": "system", "content": "Be kind."},'
            '{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yo"}]}\n'
            '[{"role": "human", "content": "A"}, {"role": "bot", "content": "B"}]\n',
            "human:Be kind.\n\nHi;bot:Yo;|human:A;bot:B;|",
        ),
        (
            "a.jsonl",
            '{"prompt": "P", "completion": "C"}\n{"question": "Q", "answer": "A"}\n'
            '{"conversations": [{"from": "human", "value": "H"}, {"from": "gpt", "value": "G"}]}',
            "human:P;bot:C;|human:Q;bot:A;|"
            "human:H;bot:G;|",
        ),
        ("a.csv", 'id,text\n1,"One, ""two"".\nThree"\n2,Four\n', 'One, "two".\nThree|Four|'),
        ("a.csv", "poem\nRoses\nViolets\n", "Roses|Violets|"),
        (
            "a.tsv",
            "Question\tAnswer\nHow?\tSo.\nWhy?\tWell, ...\n",
            "human:How?;bot:So.;|human:Why?;bot:Well, ...;|",
        ),
        ("a.csv", "text;n\nOne;1\nTwo;2\n", "One|Two|"),
    ],
)  # fmt: skip
def test_records(name: str, content: str, expected: str) -> None:
    events = sources.read_events(
        [sources.Source(Path(write(name, content)), name, "auto")], "strict"
    )
    form = sources._format_of(Path(name), name)
    events = sources.read_events([sources.Source(Path(name), name, form)], "strict")
    shown = "".join(
        "|" if e is None else e if isinstance(e, str) else f"{e.role}:{e.text};" for e in events
    )
    assert shown == expected


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", '{"text": "One."}\n{"text": 3}\n', "line 2"),
        ("a.jsonl", "{nonsense", "line 1"),
        ("a.jsonl", '{"messages": [{"role": "tool", "content": "x"}]}', "line 1"),
        ("a.jsonl", '"just a text"', "line 1"),
        ("a.csv", "a,b\n1,2\n", "a, b"),
    ],
)
def test_records_that_say_nothing_are_refused(name: str, content: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as error:
        run(write(name, content))
    assert name in error.value.message


def test_text_and_dialogue_together() -> None:
    write("in/a.txt", TEXT)
    write("in/b.txt", CHAT)
    write("in/c.jsonl", '{"text": "A line."}')
    run("in", tokenizer="byte")
    assert meta()["documents"] == 42
    assert meta()["chat_format"] is not None


def test_tags_in_the_middle_of_prose_make_no_dialogue() -> None:
    run(write("a.txt", TEXT + "The tag <human> opens a turn.\n"), tokenizer="byte")
    assert meta()["chat_format"] is None


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
    writer = threading.Thread(target=lambda: Path("pipe").write_text(TEXT))
    writer.start()
    run("pipe", tokenizer="byte")
    writer.join()
    assert meta()["bytes"] == len(TEXT)


@pytest.mark.skipif(sys.platform != "linux", reason="names are Unicode elsewhere")
def test_a_file_name_that_is_no_text() -> None:
    run(write(os.fsdecode(b"caf\xe9.txt"), TEXT), tokenizer="byte")
    assert meta()["sources"] == ["caf\udce9.txt"]


@pytest.mark.parametrize(
    ("inputs", "name"), [((), "demo"), (("dir/book.txt",), "book"), (("dir",), "dir")]
)
def test_the_default_folder(
    inputs: tuple[str, ...], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("dir/book.txt", TEXT)
    write("demo.txt", CHAT * 20)
    monkeypatch.setattr(sources, "demo_corpus", lambda: Path("demo.txt"))
    result = corpus.prepare(PrepareOptions(inputs))
    assert result.out == Path("data", name)
    assert result.tokenizer == ("gpt2" if inputs else f"bpe:{result.vocab_size}")
    assert bool(inputs) or any("demo corpus" in note for note in result.notes)


# Tokenizers


def test_bpe_learns_from_the_training_text_and_says_when_it_is_small() -> None:
    result = run(write("a.txt", TEXT), tokenizer="bpe:300")
    assert (result.tokenizer, result.vocab_size) == ("bpe:300", 300)
    result = run("a.txt", tokenizer="bpe:9000", force=True)
    assert result.vocab_size < 1000
    assert any("bpe:9000" in note for note in result.notes)


def test_bpe_learns_from_a_spread_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "SAMPLE_CHARACTERS", 1000)
    scan = corpus.Scan(None, characters=10_000)
    events: list[tuple[corpus.Split, sources.Event]] = [("train", f"{i:0100}") for i in range(100)]
    taken = [int(text) for text in corpus._sample(events, scan)]
    assert 10 <= len(taken) <= 11
    assert max(np.diff(taken)) <= 11


@pytest.mark.parametrize("kind", ["bpe:x", "bpe:", "bpe:-5", "bpe:12", "gtp2"])
def test_a_tokenizer_that_is_none_is_refused(kind: str) -> None:
    with pytest.raises(UsageError, match=kind):
        run(write("a.txt", TEXT), tokenizer=kind)
    assert not OUT.exists()


def test_a_tokenizer_of_another_dataset() -> None:
    run(write("a.txt", TEXT), tokenizer="char")
    OUT.rename("data/first")
    run(write("b.txt", TEXT[:500]), tokenizer="data/first")
    assert meta()["tokenizer"] == json.loads(Path("data/first/meta.json").read_text())["tokenizer"]
    with pytest.raises(DataError, match="no token for 2 characters"):
        run(write("c.txt", TEXT + "é中"), tokenizer="data/first", force=True)


def test_the_vocabulary_of_chars_is_that_of_the_whole_input() -> None:
    run(write("a.txt", "ab" * 50 + "z!" * 3), tokenizer="char")
    assert words().to_dict()["characters"] == "!abz"


@pytest.mark.parametrize(
    ("count", "dtype"), [(65_535, "uint16"), (65_536, "uint16"), (65_537, "uint32")]
)
def test_ids_that_do_not_fit_16_bits_take_32(count: int, dtype: str) -> None:
    text = "".join(chr(0x10000 + i) for i in range(count))
    run(write("a.txt", text), tokenizer="char", val_fraction=0.5)
    assert meta()["dtype"] == dtype
    assert ids("val")[-1] == count - 1
    assert words().decode(ids("train") + ids("val")) == text


@pytest.mark.parametrize(
    ("size", "better"), [(50_000, "char"), (1_000_000, "bpe:1024"), (10**9, "bpe:16384")]
)
def test_a_better_tokenizer_is_suggested(size: int, better: str) -> None:
    assert corpus._better_tokenizer(size) == better


def test_a_vocabulary_too_large_is_said_aloud() -> None:
    assert any("50,257" in note for note in run(write("a.txt", TEXT)).notes)
    assert run("a.txt", tokenizer="char", force=True).notes == []


# What can go wrong (the numbers are the fault matrix's)


@pytest.mark.parametrize("name", ["nowhere.txt", "empty", "no*match"])
def test_1_nothing_to_read(name: str) -> None:
    Path("empty").mkdir()
    write("empty/picture.png", b"\x89PNG")
    with pytest.raises(DataError) as error:
        run(name)
    assert name in error.value.message
    assert not OUT.exists()


@pytest.mark.parametrize("content", [b"", b" \n\t\r\n", b"\xef\xbb\xbf", b"<human> <endOfText>\n"])
def test_2_no_text(content: bytes) -> None:
    with pytest.raises(DataError, match=r"a\.txt"):
        run(write("a.txt", content))
    assert not OUT.exists()


@pytest.mark.parametrize("offset", [0, 5, 4999, 2**20 - 1, 2**20 + 7])
def test_3_invalid_utf8_is_found_at_its_byte(offset: int) -> None:
    content = b"a" * offset + b"\xff" + b"b" * 5000
    with pytest.raises(DataError, match=rf"a\.txt.* byte {offset}$") as error:
        run(write("a.txt", content), tokenizer="byte")
    assert "--errors replace" in error.value.hint
    run("a.txt", tokenizer="byte", errors="replace")
    text = words().decode(ids("train") + ids("val"))
    assert text == "a" * offset + "\ufffd" + "b" * 5000


def test_3_a_character_cut_off_at_the_end() -> None:
    with pytest.raises(DataError, match=r"byte 1000$"):
        run(write("a.txt", b"a" * 1000 + b"\xe4\xb8"), tokenizer="byte")


def test_4_bom_crlf_and_nul() -> None:
    run(
        write("a.txt", b"\xef\xbb\xbfone\r\ntwo\0three\n" + b"\xef\xbb\xbf."),
        tokenizer="byte",
        val_fraction=0.5,
    )
    assert words().decode(ids("train") + ids("val")) == "one\r\ntwo\0three\n\ufeff."


def test_5_a_special_token_in_the_text_is_text() -> None:
    text = TEXT + "<|endoftext|> <human>" * 100
    run(write("a.txt", text), tokenizer="gpt2")
    assert 50256 not in ids("train") + ids("val")
    assert words().decode(ids("train") + ids("val")) == text


@pytest.mark.parametrize("text", ["a", "ab"])
def test_6_too_short(text: str) -> None:
    with pytest.raises(DataError, match="too short"):
        run(write("a.txt", text), tokenizer="byte", val_fraction=0.5)
    assert not OUT.exists()
    assert leftovers() == []


@pytest.mark.parametrize("fraction", [0.0, 0.0001])
def test_7_no_validation(fraction: float) -> None:
    with pytest.raises(DataError, match="validation split would be empty") as error:
        run(write("a.txt", TEXT), tokenizer="byte", val_fraction=fraction)
    assert "--val-fraction" in error.value.hint
    write("b.txt", TEXT)
    if fraction == 0:
        with pytest.raises(DataError, match="validation split"):
            run("a.txt", "b.txt", tokenizer="byte", val_fraction=fraction)
    assert not OUT.exists()


def test_9_a_killed_run_leaves_nothing_that_is_accepted() -> None:
    write("a.txt", TEXT * 50)
    script = (
        "import os, signal, sys\n"
        "from nanogpt_cli import corpus\n"
        "corpus._publish = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "corpus.prepare(corpus.PrepareOptions(('a.txt',), corpus.Path('data/out'), 'byte'))\n"
    )
    root = Path(__file__).resolve().parents[2]
    died = subprocess.run(
        [sys.executable, "-c", script], env=os.environ | {"PYTHONPATH": str(root)}
    )
    assert died.returncode == -signal.SIGKILL
    assert not OUT.exists()
    assert len([p for p in leftovers() if p.endswith(".tmp-nanogpt")]) == 1
    run("a.txt", tokenizer="byte")
    assert leftovers() == []


@pytest.mark.parametrize(
    ("call", "stop"), [("replace", 0), ("replace", 1), ("replace", 2), ("rmdir", 0)]
)
@pytest.mark.parametrize("replaced", [True, False])
def test_9_a_replacement_cut_short_is_the_new_dataset(
    replaced: bool, call: str, stop: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if replaced:
        run(write("a.txt", TEXT), tokenizer="byte")
    else:
        write("data/out/input.txt", TEXT)
    write("b.txt", TEXT * 2)
    real, left = getattr(Path, call), stop

    def die(*args: Path) -> Path:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        return real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(Path, call, die)
        with pytest.raises(KeyboardInterrupt):
            run("b.txt", tokenizer="char", force=True)
    assert leftovers() == []
    assert find_dataset() == find_dataset("out") == OUT
    opened = open_dataset(OUT)
    assert opened.tokenizer.to_dict() == load_tokenizer(OUT).to_dict()
    assert opened.tokenizer.decode([*opened.train, *opened.val]) == TEXT * 2
    with pytest.raises(UsageError, match="holds a dataset"):
        run("b.txt", tokenizer="char")
    there = {path.name for path in OUT.iterdir()} - {".lock", "input.txt"}
    assert there == {"meta.json", "train.bin", "val.bin"}
    assert open_dataset(OUT).fingerprint == opened.fingerprint


def test_33_leftovers_go_where_no_other_process_can_own_them() -> None:
    """A restarted container gives the process the number that the killed one had."""
    mine, other = (f"data/.out.{pid}.tmp-nanogpt" for pid in (os.getpid(), os.getppid()))
    write(f"{mine}/train.bin", TEXT)
    write(f"{other}/train.bin", TEXT)
    with pytest.raises(DataError, match="no prepared dataset"):
        find_dataset()
    run(write("a.txt", TEXT), tokenizer="byte")
    assert leftovers() == [other]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
@pytest.mark.parametrize("call", ["fsync", "rename"])
def test_10_a_full_disk(call: str, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(*((os, "fsync") if call == "fsync" else (Path, "rename")), fail)
    with pytest.raises(MachineError, match=r"data/out"):
        run(write("a.txt", TEXT), tokenizer="byte")
    assert not OUT.exists()
    assert leftovers() == []


def test_10_the_system_limits_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")
    write("a.txt", TEXT * 100)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
        with pytest.raises(MachineError):
            run("a.txt", tokenizer="byte")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert not OUT.exists()
    assert leftovers() == []


def test_11_an_existing_dataset_is_kept_without_force() -> None:
    run(write("a.txt", TEXT), tokenizer="byte")
    before = {path: path.read_bytes() for path in OUT.iterdir()}
    with pytest.raises(UsageError, match="data/out") as error:
        run(write("b.txt", TEXT * 2), tokenizer="char")
    assert "--force" in error.value.hint
    with pytest.raises(DataError):
        run(write("c.txt", ""), tokenizer="char", force=True)
    assert {path: path.read_bytes() for path in OUT.iterdir()} == before


def test_force_leaves_strangers_files_alone() -> None:
    write("data/out/input.txt", TEXT)
    write("data/out/sub/thesis.doc", "precious")
    run("data/out/input.txt", tokenizer="char")
    write("data/out/meta.pkl", b"stale")
    run("data/out/input.txt", tokenizer="byte", force=True)
    assert sorted(p.name for p in OUT.iterdir()) == [
        ".lock", "input.txt", "meta.json", "sub", "train.bin", "val.bin",
    ]  # fmt: skip
    assert Path("data/out/sub/thesis.doc").read_text() == "precious"
    assert meta()["tokenizer"]["kind"] == "byte"


def test_out_is_a_file() -> None:
    write("data/out", "x")
    with pytest.raises(UsageError, match="is a file"):
        run(write("a.txt", TEXT))


@pytest.mark.parametrize(
    "option",
    [
        {"val_fraction": float("nan")},
        {"val_fraction": 1.0},
        {"format": "xml"},
        {"errors": "ignore"},
        {"workers": 0},
    ],
)
def test_options_out_of_range(option: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        PrepareOptions(**option)


def test_progress_is_reported_and_ends_at_the_end() -> None:
    seen: list[corpus.Progress] = []
    corpus.prepare(PrepareOptions((write("a.txt", TEXT),), OUT, "bpe:300"), seen.append)
    assert list(dict.fromkeys(p.phase for p in seen)) == ["reading", "learning", "tokenizing"]
    assert all(p.total == len(TEXT) for p in seen)
    assert seen[-1].done == len(TEXT)


def test_a_glob_names_the_dataset_after_its_first_file() -> None:
    write("texts/b.txt", TEXT)
    write("texts/a.txt", TEXT)
    assert corpus.prepare(PrepareOptions(("texts/*.txt",), tokenizer="char")).out == Path("data/a")
    assert corpus.prepare(PrepareOptions(("texts",), tokenizer="char")).out == Path("data/texts")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("chat.txt", CHAT),
        ("chat.txt", "\ufeff" + CHAT.replace("\n", "\r\n")),
        ("docs.jsonl", '{"text": "some words"}\n{"text": "and others"}\n' * 20),
        ("a.txt", "\ufeff" + TEXT.replace("\n", "\r\n")),
    ],
)
def test_a_file_is_encoded_as_prepare_writes_it(name: str, content: str) -> None:
    run(write(name, content), tokenizer="byte", val_fraction=0.5)
    encoded, unknown = corpus.encode_file(name, words())
    assert unknown == []
    if name == "a.txt":
        assert encoded == ids("train") + ids("val")
    else:  # whole documents, drawn for one split or the other
        assert sorted(encoded) == sorted(ids("train") + ids("val"))
        assert encoded[: encoded.index(words().special_tokens["<|endoftext|>"]) + 1] in (
            _documents(ids("train")) + _documents(ids("val"))
        )


def _documents(tokens: list[int]) -> list[list[int]]:
    end, found = words().special_tokens["<|endoftext|>"], [[]]
    for token in tokens:
        found[-1].append(token)
        if token == end:
            found.append([])
    return found


def test_without_special_tags_a_file_is_encoded_as_it_stands() -> None:
    plain = from_dict({"kind": "char", "characters": "Te\n:", "special_tokens": {}})
    text = "<human>Te<endOfText>\n"
    encoded, unknown = corpus.encode_file(write("a.txt", text), plain)
    assert plain.decode(encoded) == "".join(c for c in text if c in "Te\n:")
    assert set(unknown) == set(text) - set("Te\n:")
    write("a.jsonl", '{"prompt": "T", "completion": "e"}')
    with pytest.raises(DataError, match="no tags"):
        corpus.encode_file("a.jsonl", plain)
