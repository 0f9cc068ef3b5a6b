"""Settings files: TOML, and nanoGPT's Python files without running them."""

import contextlib
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanogpt_cli.config import ModelConfig, TrainConfig, config_fields
from nanogpt_cli.configfile import read_config
from nanogpt_cli.errors import UsageError
from nanogpt_cli.setting import parse_interval

KNOWN = [*config_fields(ModelConfig, TrainConfig), "data_dir", "dataset", "out_dir", "init_from"]


def read(text: str | bytes, name: str = "x.toml") -> dict[str, object]:
    Path(name).write_bytes(text.encode() if isinstance(text, str) else text)
    return read_config(Path(name), KNOWN)


def refused(text: str | bytes, name: str = "x.toml") -> UsageError:
    with pytest.raises(UsageError) as caught:
        read(text, name)
    assert name in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.hint
    return caught.value


def test_toml_with_and_without_tables():
    flat = 'n_layer = 2\nlearning-rate = 1e-3\ncompile = false\nout_dir = "out/x"\n'
    tables = 'out_dir = "out/x"\n[model]\nn_layer = 2\n[train]\nlearning_rate = 1e-3\ncompile=false'
    expected = {"n_layer": 2, "learning_rate": 1e-3, "compile": False, "out_dir": "out/x"}
    assert read(flat) == read(tables) == expected


def test_an_empty_file_and_a_byte_order_mark_are_fine():
    assert read("") == {}
    assert read(b"\xef\xbb\xbfn_layer = 2") == {"n_layer": 2}
    assert read(b"\xef\xbb\xbfn_layer = 2", "x.py") == {"n_layer": 2}


@pytest.mark.parametrize("line", ["n_layer = ", "n_layer 4", "n_layer = 4\nn_layer = 5", "[model"])
def test_malformed_toml_is_told_with_its_line(line):
    error = refused(f"seed = 1\n{line}")
    assert "line 2" in error.message or "line 3" in error.message


def test_brackets_without_end_are_no_bug():
    refused("n_layer = " + "[" * 50_000)
    refused("n_layer = " + "[" * 50_000, "x.py")
    refused("n_layer = " + "-" * 50_000 + "1", "x.py")
    refused("n_layer = " + "1+" * 50_000 + "1", "x.py")


@pytest.mark.parametrize(
    ("key", "near"),
    [("n_layers", "n_layer"), ("lr", None), ("learnig-rate", "learning_rate"), ("zzz", None)],
)
@pytest.mark.parametrize("name", ["x.toml", "x.py"])
def test_an_unknown_key_is_told_with_the_nearest(key, near, name):
    error = refused(f"{key.replace('-', '_')} = 1", name)
    assert key.replace("-", "_") in error.message
    assert (error.hint == f"did you mean {near}?") if near else error.hint


def test_the_first_unknown_key_is_told():
    assert all("unknown setting aa" in refused("aa=1\nbb=1\ncc=1").message for _ in range(5))


def test_a_key_in_two_tables_is_refused():
    assert "twice" in refused("[a]\nseed = 1\n[b]\nseed = 2").message


def test_a_table_in_a_table_is_no_setting():
    refused("[model.deep]\nn_layer = 1")


@pytest.mark.parametrize("name", ["x.toml", "x.py"])
def test_files_that_cannot_be_read(name, tmp_path):
    refused(b"\xff\xfe\0", name)
    refused(b"a = '\0'", name)
    for path in (tmp_path, tmp_path / "none.toml"):
        with pytest.raises(UsageError, match=str(path)):
            read_config(path, KNOWN)


SHAKESPEARE = '''
"""A configuration in the manner of nanoGPT's."""
import time

out_dir = 'out-poems' # where it goes
eval_interval = 250
wandb_log = False
wandb_run_name = 'ft-' + str(time.time())
dataset = "poems"
gradient_accumulation_steps = 5 * 8
batch_size = 2 * (3 + 4) - 12 // 5
learning_rate = 1e-3
min_lr = 1 / 10_000
decay_lr = False
dropout = 0.2
# device = 'cpu'
compile = False
batch_size = -(-8)
'''


def test_nanogpts_configurations_are_read():
    assert read(SHAKESPEARE, "x.py") == {
        "out_dir": "out-poems", "eval_interval": 250, "dataset": "poems",
        "gradient_accumulation_steps": 40, "batch_size": 8, "learning_rate": 1e-3, "min_lr": 1e-4,
        "decay_lr": False, "dropout": 0.2, "compile": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [
        "n_layer = open('executed', 'w')",
        "open('executed', 'w')",
        "n_layer = __import__('os').system('touch executed')",
        "exec(\"open('executed', 'w')\")",
        "if open('executed', 'w'): pass",
        "def f(x=open('executed', 'w')): pass",
        "n_layer = [open('executed', 'w') for _ in 'x']",
        "n_layer = f\"{open('executed', 'w')}\"",
        "n_layer = (x := open('executed', 'w'))",
        "from os import *",
        "n_layer += 1",
        "n_layer: int = 1",
        "n_layer = n_head = 1",
        "n_layer, n_head = 1, 2",
        "n_layer = n_head",
        "n_layer = 1 / 0",
        "n_layer = 10 ** 400 * 1.0",
        "n_layer = -'x'",
        "out_dir = 'a' * 3",
        "n_layer = 1 if True else 2",
        "n_layer = (",
        "n_layer == 2",
    ],
)
def test_no_code_is_run(line):
    error = refused(f"seed = 1\n{line}\n", "x.py")
    assert "line 2" in error.message
    assert not Path("executed").exists()


@pytest.mark.parametrize(
    "value",
    ["9**9**9", "'x' * 10**11", "'x' * 99999999999", "[0] * 99999999999", "1 << 10**11",
     "b'x' * 99999999999", "9" * 10_000],
)  # fmt: skip
def test_no_arithmetic_fills_the_memory(value):
    tracemalloc.start()
    begin = time.process_time()
    refused(f"out_dir = {value}", "x.py")
    assert tracemalloc.get_traced_memory()[1] < 10e6
    tracemalloc.stop()
    assert time.process_time() - begin < 2


@given(st.text(max_size=60), st.sampled_from(["x.toml", "x.py"]))
def test_no_text_is_a_bug(text, name):
    with contextlib.suppress(UsageError):
        read(text.encode("utf-8", "replace"), name)


def test_an_interval_is_steps_or_time():
    assert [parse_interval(text) for text in ("500", "30s", "5m", "0", "0s")] == [
        (500, 0.0), (0, 30.0), (0, 300.0), (0, 0.0), (0, 0.0)
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["soon", "-5m", "nan", "inf", "", "-3"])
def test_what_is_no_interval_is_told_with_both_ways_to_write_one(text):
    with pytest.raises(UsageError, match="--save-every") as caught:
        parse_interval(text)
    assert caught.value.hint == "write steps (500) or a time (30s, 5m)"
