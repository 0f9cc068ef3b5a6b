"""Plain data is read as pickle reads it; everything else is refused with nothing run."""

import contextlib
import math
import os
import pickle
import pickletools
import time
import tracemalloc
from collections import OrderedDict
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nanogpt_cli.plainpickle import NotPlainError, load_plain

KEYS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
SCALARS = KEYS | st.integers(-(2**200), 2**200)


def nested(scalars):
    return st.recursive(
        scalars,
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(KEYS, inner, max_size=4)
            | st.lists(inner, max_size=4).map(tuple)
        ),
        max_leaves=12,
    )


@given(nested(SCALARS), st.integers(0, 5))
def test_plain_data_comes_back(data, protocol):
    assert repr(load_plain(pickle.dumps(data, protocol=protocol))) == repr(data)


@given(nested(SCALARS | st.binary()), st.integers(3, 5))
def test_bytes_come_back(data, protocol):
    assert repr(load_plain(pickle.dumps(data, protocol=protocol))) == repr(data)


@pytest.mark.parametrize("protocol", range(6))
def test_long_data_and_shared_data_come_back(protocol):
    shared = ["x" * 300]
    data = {
        "itos": {i: chr(i) for i in range(3000)},
        "list": list(range(2500)),
        "again": [shared, shared],
        "nan": math.nan,
    }
    got = load_plain(pickle.dumps(data, protocol=protocol))
    assert repr(got) == repr(data)
    assert got["again"][0] is got["again"][1]


def in_itself():
    data: list[object] = [1]
    data.append(data)
    return pickle.dumps(data)


@pytest.mark.parametrize(
    "data",
    [
        in_itself(),
        b"]" * 300 + b"a" * 299 + b".",
        b"]q\x00]q\x01h\x00ah\x00h\x01a.",
        b"N" + 200 * b"\x85" + b".",
    ],
    ids=["in itself", "lists", "in each other", "tuples"],
)
def test_what_could_exhaust_the_stack_is_refused(data):
    with pytest.raises(NotPlainError):
        load_plain(data)


def test_nesting_as_checkpoints_have_it_comes_back():
    data = {"a": [({"b": ()}, [[]])] * 3}
    for _ in range(90):
        data = {"deeper": data}
    for protocol in range(6):
        assert load_plain(pickle.dumps(data, protocol)) == data


class Runs:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call[0], self.call[1:]


NOT_PLAIN = [
    Runs(os.system, "touch executed"),
    Runs(exec, "open('executed', 'w')"),
    Runs(open, "executed", "w"),
    OrderedDict(a=1),
    {1, 2},
    frozenset({1}),
    bytearray(b"x"),
    date(2020, 1, 1),
    Decimal(1),
    1j,
    len,
    int,
    Path("x"),
    range(3),
    slice(1),
    NotPlainError("x"),
]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("value", NOT_PLAIN, ids=lambda v: type(v).__name__)
def test_other_types_are_refused_and_nothing_runs(value, protocol):
    with pytest.raises(NotPlainError):
        load_plain(pickle.dumps({"itos": [value]}, protocol=protocol))
    assert not Path("executed").exists()


PLAIN_OPCODES = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES",
    "BINBYTES8", "NONE", "NEWTRUE", "NEWFALSE", "EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE",
    "DICT", "LIST", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "SETITEM", "SETITEMS", "APPEND",
    "APPENDS", "MARK", "MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT", "GET", "BINGET", "LONG_BINGET",
    "PROTO", "FRAME", "STOP",
}  # fmt: skip
OTHER_OPCODES = [op for op in pickletools.opcodes if op.name not in PLAIN_OPCODES]


@pytest.mark.parametrize("opcode", OTHER_OPCODES, ids=lambda op: op.name)
def test_every_other_opcode_is_refused(opcode):
    prelude = b"\x80\x05](K\x01K\x02" + b"\x8c\x02os\x8c\x06system\x8c\x04true\x85"
    argument = b"os\nsystem\n" if opcode.arg else b""
    padding = b"\x01" + b"\0" * 16
    for after in (argument, padding, b"'1'\n", b"1\n"):
        with pytest.raises(NotPlainError):
            load_plain(prelude + opcode.code.encode("latin-1") + after + b".")


@settings(max_examples=400)
@given(st.binary(max_size=200))
def test_random_bytes_raise_one_error_or_none(data):
    for candidate in (data, b"\x80\x04" + data, data + b"."):
        with contextlib.suppress(NotPlainError):
            load_plain(candidate)


@given(st.lists(st.sampled_from([*b"(]})aseutdl012.NK\x01\x88\x94h\x85\x86\x87"]), max_size=40))
def test_random_opcodes_raise_one_error_or_none(codes):
    with contextlib.suppress(NotPlainError):
        load_plain(bytes(codes) + b".")


@given(nested(SCALARS), st.data())
def test_a_cut_pickle_is_refused(data, draw):
    whole = pickle.dumps(data)
    end = draw.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(NotPlainError):
        load_plain(whole[:end])


@pytest.mark.parametrize(
    "bomb",
    [
        b"(" * 200_000 + b".",
        b"N" * 100_000 + b"(l" * 100_000 + b".",  # each mark far up the stack
        b"]" + b"\x94(h\x00h\x00e" * 50_000 + b".",
        b")" + b"".join(b"\x94h%c\x86" % i for i in range(60)) + b".",  # 2**60 leaves
        b"})" + b"".join(b"\x94h%c\x86" % i for i in range(60)) + b"Ns.",  # and their hash
        b"\x8d" + b"\xff" * 7 + b"\x7f",
        b"\x8b\xff\xff\xff\x7f",
        b"I" + b"9" * 50_000 + b"\n.",
        b"L" + b"9" * 50_000 + b"L\n.",
    ],
)
def test_no_bomb_takes_time_or_memory(bomb):
    tracemalloc.start()
    begin = time.process_time()
    with contextlib.suppress(NotPlainError):
        load_plain(bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert time.process_time() - begin < 5
    assert peak < 100e6
