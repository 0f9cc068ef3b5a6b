"""Text of any origin is safe to encode and safe to show."""

from hypothesis import given
from hypothesis import strategies as st

from nanogpt_cli.text import printable, valid_text, without_controls


def test_control_sequences_of_a_model_never_reach_the_terminal():
    assert without_controls("a\x1b[31mb\x07\x9bc\n\td é€") == "a[31mbc\n\td é€"


@given(st.text())
def test_what_is_shown_is_one_line_without_controls(text):
    assert printable(text).isprintable()
    assert set(without_controls(text)) <= set(text)


def test_unpaired_surrogates_become_replacement_characters():
    assert valid_text("a\ud800b") == "a\ufffdb"
    assert valid_text("\ud83d\ude00") == "\U0001f600"
    assert valid_text("plain") == "plain"
