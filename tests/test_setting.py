"""Each setting has a range, and a value outside of it is refused wherever it comes from."""

import math
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from nanogpt_cli.config import LARGEST_RATE, ModelConfig, PrepareConfig, SampleConfig, TrainConfig
from nanogpt_cli.configfile import read_config
from nanogpt_cli.device import find_device
from nanogpt_cli.errors import UsageError
from nanogpt_cli.setting import check_setting, flag, parse_duration, parse_interval, types_of
from nanogpt_cli.text import shortened, whole_number
from nanogpt_cli.training.settings import merge

CONFIGS = (ModelConfig, TrainConfig, SampleConfig, PrepareConfig)
SETTINGS = [(config, f) for config in CONFIGS for f in fields(config) if f.metadata]
IDS = [f"{config.__name__}.{f.name}" for config, f in SETTINGS]
NUMBERS = {int, float, int | None}

LONG = "9" * 5000
HOSTILE_NUMBERS = [-1, 2**31, 2**63, -(2**63), 10**400, 10**5000, 1e300, 1e-320, -0.5, math.nan,
                   math.inf, -math.inf]  # fmt: skip
HOSTILE_TEXTS = ["", " ", "x" * 5000, LONG, "\x1b[31m", "\0", "1_000", "1e3", "500.0", "²", "١٢",
                 "0x10", "1e308h", "-1s", "nan", "inf", "cpu:", "cpu:²", "cpu:99999999999",
                 "cuda:-1", "cuda:", "auto:1", "meta"]  # fmt: skip


@pytest.mark.parametrize(("config", "field"), SETTINGS, ids=IDS)
def test_each_number_has_a_least_and_a_largest_value(config, field):
    if types_of(config)[field.name] not in NUMBERS:
        return
    bounds = {name for name, value in field.metadata["bounds"].items() if value is not None}
    assert bounds & {"min", "above"}
    assert bounds & {"max", "below"}


def taken(config, name, value):
    """Return what a setting becomes, or the error that refuses it."""
    try:
        if config in (ModelConfig, TrainConfig):
            return getattr(merge(config, {}, {name: value}), name)
        check_setting(config, name, value)
        return value
    except UsageError as error:
        return error


@pytest.mark.parametrize(("config", "field"), SETTINGS, ids=IDS)
def test_a_hostile_value_is_refused_by_its_flag_or_within_the_range(config, field):
    for value in [*HOSTILE_NUMBERS, *HOSTILE_TEXTS, None, True]:
        got = taken(config, field.name, value)
        if isinstance(got, UsageError):
            assert flag(field.name) in got.message
            assert len(got.message) < 200
            assert got.hint
        elif types_of(config)[field.name] in NUMBERS and got is not None:
            assert math.isfinite(got)
            assert abs(got) <= max(LARGEST_RATE, 2**63)


@pytest.mark.parametrize("value", ["-1", "0", "-0.5", "1e300", "nan", "inf", "''", "'²'", "[]"])
def test_a_value_in_a_file_is_refused_like_that_of_a_flag(value):
    Path("x.toml").write_text(f"batch_size = {value}\n")
    refused = taken(
        TrainConfig, "batch_size", read_config(Path("x.toml"), ["batch_size"])["batch_size"]
    )
    assert isinstance(refused, UsageError)


@pytest.mark.parametrize(
    "flags",
    [
        "--batch-size=-1", "--gradient-accumulation-steps=-1", "--gradient-accumulation-steps=0",
        "--learning-rate=1e300", "--weight-decay=1e300", "--save-every=1_000", "--save-every=1e3",
        f"--save-every={LONG}", f"--n-layer={LONG}", f"--learning-rate={LONG}", f"--time={LONG}h",
        "--time=1e3", "--device=cpu:", "--device=cpu:²", "--device=cpu:99999999999",
        "--device=cuda:-1", "--device=meta", "--device=\x1b[31m", "--backend=carrier",
    ],
)  # fmt: skip
def test_train_refuses_a_flag_in_two_lines(nanogpt, text_data, flags):
    code, out, err = nanogpt("train", flags)
    assert (code, out) == (2, "")
    error, hint = err.splitlines()
    assert error.startswith("error: ")
    assert flags.partition("=")[0] in error
    assert hint.startswith("hint: ")
    assert not Path("out").exists()


@pytest.mark.parametrize(
    "name", ["cpu:", "cpu:1", "cpu:²", "cpu:99999999999", "cuda:-1", "meta", "x" * 5000, ""]
)
def test_what_is_no_device_is_refused(name):
    with pytest.raises(UsageError, match="unknown --device") as caught:
        find_device(name)
    assert len(caught.value.message) < 200


@pytest.mark.parametrize("size", [LONG, "", "-1", "²", "1e3", "1_000", str(2**63), "3"])
def test_prepare_refuses_a_size_of_vocabulary(nanogpt, size):
    Path("a.txt").write_text("To be, or not to be.\n" * 50)
    code, out, err = nanogpt("prepare", "a.txt", f"--tokenizer=bpe:{size}")
    assert (code, out) == (2, "")
    assert [line.split(":")[0] for line in err.splitlines()] == ["error", "hint"]


def test_a_duration_has_one_grammar():
    assert [parse_duration(t) for t in ("90", "90s", "1.5h", ".5m", "20M", 90, 0.5)] == [
        90, 90, 5400, 30, 1200, 90, 0.5
    ]  # fmt: skip
    for text in ("1e3", "1_000", "nan", "inf", "-1", "", "s", "1 h", "²s", "١٢s", "5d"):
        with pytest.raises(UsageError, match="--time"):
            parse_duration(text)


@pytest.mark.parametrize(
    "text", ["1_000", "1e3", "500.0", "0.5", "1e3s", "²", "١٢", LONG, f"{LONG}s"]
)
def test_an_interval_is_whole_steps_or_has_a_unit(text):
    with pytest.raises(UsageError) as caught:
        parse_interval(text)
    assert caught.value.hint == "write steps (500) or a time (30s, 5m)"


def test_values_of_any_size_are_shown():
    assert shortened(5) == "5"
    assert len(shortened("x" * 5000)) < 100
    assert len(shortened(10**5000)) < 100
    assert whole_number("007", 1000) == 7
    assert whole_number("1001", 1000) is None


def test_python_still_limits_the_digits_of_an_integer():
    assert sys.get_int_max_str_digits() < len(LONG), "else the values above test nothing"
