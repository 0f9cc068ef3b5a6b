"""Byte pair encoding against golden ids, against transformers and tiktoken, and at its limits."""

import hashlib
import json
import lzma
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import tiktoken
from hypothesis import given, settings
from hypothesis import strategies as st

from nanogpt_cli.errors import DataError, UsageError
from nanogpt_cli.tokenizer.bpe import default_gpt2, train_bpe
from nanogpt_cli.tokenizer.load import Tokenizer, from_dict, named_tokenizer
from nanogpt_cli.tokenizer.patterns import PATTERNS

TEXTS_TO_LEARN = [
    "the cat sat on the mat and the hat ",
    "Zwölf Boxkämpfer jagen Viktor 123 456\n",
] * 20
GPT2 = default_gpt2()
BPE = train_bpe(TEXTS_TO_LEARN, 300, ["<|endoftext|>"])
RANKS_OF_GPT2 = {GPT2.token_bytes(i): i for i in range(50256)}
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60) | st.text(
    " \n\ta'1é中.", max_size=60
)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Build transformers' GPT2Tokenizer from our own table."""
    from transformers import GPT2Tokenizer

    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    letters = {b: chr(b) for b in printable} | {b: chr(256 + i) for i, b in enumerate(others)}
    vocab = {
        "".join(letters[b] for b in GPT2.token_bytes(i)): i for i in range(GPT2.vocab_size - 1)
    }
    folder = tmp_path_factory.mktemp("gpt2")
    (folder / "vocab.json").write_text(json.dumps(vocab | {"<|endoftext|>": 50256}))
    (folder / "merges.txt").write_bytes(merges())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return GPT2Tokenizer.from_pretrained(folder)


def merges() -> bytes:
    path = resources.files("nanogpt_cli").joinpath("assets/gpt2_merges.txt.xz")
    return lzma.decompress(path.read_bytes())


def test_the_merge_table_is_openais() -> None:
    known = "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5"
    assert hashlib.sha256(merges()).hexdigest() == known


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_learning_can_be_interrupted() -> None:  # row 76
    """Else it takes some seconds in which no signal is heard."""
    texts = [" ".join(f"{n * n:x}{n}" for n in range(start, 600_000, 50)) for start in range(50)]
    due: list[float] = []

    def read() -> Iterator[str]:
        yield from texts
        due.append(time.monotonic() + 0.5)
        signal.setitimer(signal.ITIMER_REAL, 0.5)  # a thread could not send it either

    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            train_bpe(read(), 20_000)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - due[0] < 5


def test_golden_ids() -> None:
    assert GPT2.encode("Hello world") == [15496, 995]
    assert GPT2.encode("\n\n") == [628]
    assert GPT2.encode("Ein süßer Brei, don't! 🙂") == [
        36, 259, 264, 9116, 39683, 263, 3719, 72, 11, 836, 470, 0, 32485,
    ]  # fmt: skip
    assert (GPT2.vocab_size, GPT2.special_tokens) == (50257, {"<|endoftext|>": 50256})
    assert GPT2.token_bytes(995) == b" world"
    assert GPT2.token_bytes(50256) == b"<|endoftext|>"


@settings(max_examples=200, deadline=None)
@given(text=TEXTS)
def test_gpt2_agrees_with_transformers(peer: Any, text: str) -> None:
    assert GPT2.encode(text) == peer.encode(text, add_special_tokens=False)


def test_gpt2_gets_the_chat_tags_after_its_own() -> None:
    tokenizer = GPT2.with_special(["<|endoftext|>", "<human>", "<bot>", "<endOfText>"])
    assert tokenizer.special_tokens == {
        "<|endoftext|>": 50256, "<human>": 50257, "<bot>": 50258, "<endOfText>": 50259,
    }  # fmt: skip


def test_bpe_counts_bytes_and_special_tokens_and_repeats_itself() -> None:
    assert (BPE.name, BPE.vocab_size) == ("bpe:300", 300)
    assert BPE.special_tokens == {"<|endoftext|>": 299}
    assert len(BPE.encode("the cat")) < len("the cat")
    assert train_bpe(iter(TEXTS_TO_LEARN), 300, ["<|endoftext|>"]).to_dict() == BPE.to_dict()
    small = train_bpe(["ab ab"], 5000)
    assert small.vocab_size < 300
    assert small.name == f"bpe:{small.vocab_size}"


@pytest.mark.parametrize("size", [0, 256, 2**40])
def test_bpe_refuses_a_size_without_room(size: int) -> None:
    with pytest.raises(UsageError, match=f"bpe:{size}"):
        train_bpe(TEXTS_TO_LEARN, size, ["<|endoftext|>"])


@pytest.mark.parametrize("run", ["a", " ", "\n", " \n", "-", "7", "中"])
@pytest.mark.parametrize("tokenizer", [GPT2, BPE], ids=lambda t: t.name)
def test_a_run_without_breaks_neither_crashes_nor_hangs(tokenizer: Tokenizer, run: str) -> None:
    text = run * (1_000_000 // len(run)) + "x"
    assert tokenizer.decode(tokenizer.encode(text)) == text


@pytest.mark.parametrize("run", ["a", " ", "\n"])
def test_cutting_a_long_run_keeps_gpt2s_ids(run: str) -> None:
    text = "start" + run * 50_000 + "x"
    peer = tiktoken.Encoding(
        "gpt2", pat_str=PATTERNS["gpt2"], mergeable_ranks=RANKS_OF_GPT2, special_tokens={}
    )
    assert GPT2.encode(text) == peer.encode_ordinary(text)


def test_public_encodings_need_a_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    with pytest.raises(DataError) as error:
        named_tokenizer("cl100k_base")
    assert "cl100k_base" in error.value.message
    assert "TIKTOKEN_CACHE_DIR" in error.value.hint


def test_public_encodings_are_kept_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = tiktoken.Encoding(
        "o200k_base",
        pat_str=PATTERNS["o200k_base"],
        mergeable_ranks=RANKS_OF_GPT2,
        special_tokens={"<|endoftext|>": 50260},
    )
    monkeypatch.setattr(tiktoken, "get_encoding", lambda _: stand_in)
    tokenizer = named_tokenizer("o200k_base")
    assert (tokenizer.vocab_size, tokenizer.special_tokens) == (50261, {"<|endoftext|>": 50260})
    text = "Don't PANIC, it's 12345 o'clock\n\n  ok"
    assert from_dict(tokenizer.to_dict()).encode(text) == stand_in.encode_ordinary(text)


def test_tiktoken_and_rustbpe_are_imported_when_first_needed() -> None:
    program = (
        "import sys; import nanogpt_cli.tokenizer.load, nanogpt_cli.data.prepare;"
        "sys.exit(str({'tiktoken', 'rustbpe', 'numpy', 'torch'} & set(sys.modules) or ''))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stderr.strip() == ""
