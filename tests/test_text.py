"""Text of any origin is safe to encode and safe to show."""

import os
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanogpt_cli.setting import parse_duration
from nanogpt_cli.text import (
    counted,
    duration,
    nearest,
    printable,
    shell_word,
    valid_text,
    without_controls,
)


def test_control_sequences_of_a_model_never_reach_the_terminal():
    assert without_controls("a\x1b[31mb\x07\x9bc\n\td é€") == "a[31mbc\n\td é€"
    assert without_controls("\u202eevil\u202c \u2066x\u2069 \ud800 \r") == "evil x  "


@pytest.mark.parametrize(
    "text",
    [
        "10\u00a0km",
        "\U0001f469\u200d\U0001f467",
        "\u2764\ufe0f",
        "co\u00adoperate",
        "\u0646\u200cb",
    ],
    ids=["no-break space", "joined emoji", "variation selector", "soft hyphen", "non-joiner"],
)
def test_characters_that_are_part_of_writing_stay(text):
    assert without_controls(text) == text


@pytest.mark.parametrize(
    ("word", "near"),
    [("--n-layr", "--n-layer"), ("--n_layr", "--n-layer"), ("--data", "--data-dir"),
     ("--nc", None), ("--zzz", None), ("-x", None)],
)  # fmt: skip
def test_only_a_related_name_is_suggested(word, near):
    known = ["--json", "--n-layer", "--data-dir", "--quiet", "-q"]
    assert nearest(word, known) == near


@given(st.text())
def test_what_is_shown_is_one_line_without_controls(text):
    assert printable(text).isprintable()
    assert set(without_controls(text)) <= set(text)


def test_unpaired_surrogates_become_replacement_characters():
    assert valid_text("a\ud800b") == "a\ufffdb"
    assert valid_text("\ud83d\ude00") == "\U0001f600"
    assert valid_text("plain") == "plain"


NAMES = [
    "plain", "a b", "-dash", "--help", "~", "$HOME", "it's", "a\\b", "new\nline", "",
    "\x1b[31m'\\7", "\u202eabc1", "名前", "\u200b名", "\udcff7", os.fsdecode(b"\xc3\xa9\xff"),
    "*", "a=b", "!x", "#",
]  # fmt: skip


@pytest.mark.skipif(os.name == "nt", reason="quotes for a POSIX shell")
def test_a_name_as_it_is_typed_is_that_name():
    typed = [shell_word(name) for name in NAMES]
    assert all(word.isprintable() for word in typed)
    said = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {' '.join(typed)}"], capture_output=True, check=True
    )
    meant = [f"./{name}" if name.startswith("-") else name for name in NAMES]
    assert [os.fsdecode(word) for word in said.stdout.split(b"\0")[:-1]] == meant


@given(st.text(st.characters()))
def test_any_name_can_be_shown_as_it_is_typed(name):
    assert shell_word(name).isprintable()
    shell_word(name).encode()


def test_half_a_character_of_an_untrusted_name_is_shown():
    assert shell_word("\ud800") == r"$'\355\240\200'"


def test_counts_and_times_are_written_as_people_do():
    assert [counted(n, "layer") for n in (0, 1, 2, 1500)] == [
        "0 layers", "1 layer", "2 layers", "1,500 layers",
    ]  # fmt: skip
    times = (0.5, 1, 90, 600, 5400, 3600, 100)
    assert [duration(t) for t in times] == ["0.5s", "1s", "90s", "10m", "1.5h", "1h", "100s"]
    assert all(parse_duration(duration(t)) == t for t in times)
