"""A damaged or mutated file ends in an answer or in one error, whatever was changed."""

import copy
import os
import re
import time
from pathlib import Path

import pytest
import torch
from hostile import CANARY
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_files import KINDS, kinds, well_behaved

SHORT, LONG = 12, 600


WORDS = (
    b"0", b"-1", b"1e400", b"-0.0", b"NaN", b"Infinity", b"true", b"null", b"[]", b"{}", b'""',
    b"9" * 400, b"9" * 5000, b"2147483648", b"18446744073709551616", b"0x1F600", b"[" * 3000,
    b'{"a":' * 1500, b"\x1b[31mred\x1b]0;title\x07", b"[/red]", b"<script>alert(1)</script>",
    b"../../precious/file", b"\xff\xff\xff\xff", b"\0\0\0\x80", b"\r\n\n", b'"', b"'", b",", b"\\",
    "‮\u2028\x85\u200b😀".encode(), b"<human>", b"<endOfText>", b"iter 1: loss nan", b".", b"}",
    b"__import__('os').system('touch canary')", b"cos\nsystem\n(S'touch canary'\ntR.", b"\x94\x93R",
)  # fmt: skip


VALUES = (
    None, True, -1, 0, 1, 2**31, 2**63, 2**70, 10**400, -1e308, float("nan"), float("inf"), 1e-320,
    "", "x", "\x1b[31m", "../../precious/file", "\0", "[/red]", "<b>&\"'", "\ud800", "y" * 70_000,
    [], {}, [1, 2, 3], {"a": [None]}, ["x"] * 300, "gpt2", "byte", "rope", "relative", "uint32",
)  # fmt: skip


TENSORS = (
    torch.Tensor.half, torch.Tensor.long, torch.Tensor.cfloat, torch.Tensor.to_sparse,
    lambda old: old[:1], lambda old: old[..., None], lambda old: old * float("nan"),
    lambda old: old.to("meta"), lambda old: old.expand(3, *old.shape),
    lambda old: old.new_zeros(()), lambda old: old.new_zeros(0), torch.nn.Parameter,
)  # fmt: skip


EDITS = st.lists(
    st.tuples(
        st.sampled_from(("flip", "cut", "drop", "insert", "overwrite", "double", "word")),
        st.integers(0, 2**24),
        st.integers(0, 2**10),
        st.sampled_from(WORDS),
        st.sampled_from(VALUES),
    ),
    min_size=1,
    max_size=4,
)


def mutated(kind, edits):
    """Change a valid file: its content, where it has a structure, or its bytes."""
    if kind.tree is not None:
        tree = copy.deepcopy(kind.tree)
        structural = not edits or edits[0][1] % 4
        for _, where, length, _, value in edits if structural else ():
            _change(tree, where, length, value)
        return kind.dump(tree) if structural else _scrambled(kind.dump(tree), edits)
    data = _scrambled(kind.seed, edits)
    return kind.dump(data) if kind.dump else data


def _scrambled(data, edits):
    for op, where, length, word, _ in edits:
        at = where % (len(data) + 1)
        match op:
            case "flip" if at < len(data):
                data = data[:at] + bytes([data[at] ^ 1 << length % 8]) + data[at + 1 :]
            case "cut":
                data = data[:at]
            case "drop":
                data = data[:at] + data[at + length % 64 :]
            case "double":
                data = data[: at + length] + data[at:]
            case "insert":
                data = data[:at] + word + data[at:]
            case "overwrite":
                data = data[:at] + word[:100] + data[at + len(word[:100]) :]
            case _:
                if found := re.compile(rb"-?\d[\d.e-]*|\"[^\"]*\"|\w+").search(data, at):
                    data = data[: found.start()] + word + data[found.end() :]
    return data


def _change(tree, where, length, value):
    """Put ``value`` in the place of something, take something away, or move it."""
    places = [(tree, key) for key in (tree if isinstance(tree, dict) else range(len(tree)))]
    for holder, key in places:
        inner = holder[key]
        if isinstance(inner, dict):
            places += [(inner, k) for k in inner]
        elif isinstance(inner, list):
            places += [(inner, i) for i in range(min(len(inner), 50))]
    if not places:
        return
    holder, key = places[where % len(places)]
    old = holder[key]
    match length % 6:
        case 0 if isinstance(holder, dict):
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[str(value)[:300]] = old
        case 2:
            for _ in range(length % 100):
                old = [old]
            holder[key] = old
        case 3 if isinstance(old, torch.Tensor) and old.dim() and old.layout == torch.strided:
            holder[key] = TENSORS[where % len(TENSORS)](old)
        case _:
            holder[key] = copy.deepcopy(value)


@pytest.fixture
def untrusted(tiny, nanogpt, capsys, monkeypatch):
    """Return a function that feeds one file to a command and checks how it ends."""
    from nanogpt_cli.cli import train_view

    monkeypatch.setattr(train_view, "show_forecast", lambda run: {})  # which times some steps
    Path("precious").mkdir()
    Path("precious/file").write_text("precious")
    all_kinds = kinds(tiny)
    capsys.readouterr()
    before = Path("precious/file").stat()
    slowest = 0.0

    def feed(name, edits, number=None):
        nonlocal slowest
        kind = all_kinds[name]
        path = Path(kind.place)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(mutated(kind, edits))
        number = edits[0][2] if number is None else number
        command = kind.commands[number % len(kind.commands)]
        words = [word.format(path, folder=path.parent) for word in command.split()]
        begin = time.process_time()
        code = well_behaved(nanogpt(*words), kind.allowed)
        slowest = max(slowest, time.process_time() - begin)
        assert slowest < 5, words
        assert not Path(CANARY).exists()
        after = Path("precious/file").stat()
        assert (after.st_mtime_ns, after.st_size) == (before.st_mtime_ns, before.st_size)
        return code

    yield feed
    assert os.listdir("precious") == ["file"]


def hunt(feed, name, examples):
    """Feed a number of mutated files of one kind."""

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(EDITS)
    def strike(edits):
        feed(name, edits)

    strike()


@pytest.mark.long
def test_the_files_are_valid_before_they_are_mutated(untrusted):
    for name in KINDS:
        assert [untrusted(name, [], number) for number in range(5)] == [0] * 5, name


@pytest.mark.parametrize("name", KINDS)
def test_mutated_files_end_in_an_answer_or_in_one_error(untrusted, name):
    hunt(untrusted, name, SHORT)


@pytest.mark.long
@pytest.mark.parametrize("name", KINDS)
def test_ten_thousand_mutated_files_end_in_an_answer_or_in_one_error(untrusted, name):
    hunt(untrusted, name, LONG)
