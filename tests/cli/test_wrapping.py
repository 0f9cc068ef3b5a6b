"""A terminal's lines end between words, however the text comes in pieces."""

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from nanogpt_cli.cli.wrapping import WordWrap

FAMILY = "\U0001f469\u200d\U0001f469\u200d\U0001f467"


def wrapped(text, width, size=1):
    wrap = WordWrap(lambda: width)
    pieces = [text[i : i + size] for i in range(0, len(text), size)]
    return "".join(map(wrap.push, pieces)) + wrap.finish()


@given(st.text(alphabet="abc  \n\t", max_size=80), st.integers(3, 20), st.integers(1, 7))
def test_no_word_is_broken_and_none_is_lost(text, width, size):
    shown = wrapped(text, width, size)
    assert shown == wrapped(text, width, len(text) or 1)
    assert shown.split() == text.split()
    for line in shown.expandtabs().splitlines():
        assert len(line.rstrip()) <= width or len(line.split()) == 1
    assert shown.count("\n") >= text.count("\n")


def test_a_line_ends_before_the_word_that_does_not_fit():
    assert wrapped("one two three four", 8) == "one two\nthree\nfour"
    assert wrapped("exactly eight", 13) == "exactly eight"


def test_code_and_line_breaks_of_the_text_are_kept():
    code = "def f(x):\n    return  x\n\n\tend"
    assert wrapped(code, 40) == code


def test_a_word_comes_as_soon_as_its_line_is_clear():
    wrap = WordWrap(lambda: 13)
    assert wrap.push("beginn") == "beginn"  # at the start of a line it can go nowhere else
    assert wrap.push("ing lon") == "ing"
    assert wrap.push("g") == "\nlong"
    assert wrap.push("er, an") == "er,"
    assert wrap.finish() == " an"


def test_a_word_longer_than_a_line_is_left_to_the_terminal():
    assert wrapped("see " + "x" * 25 + " end", 10) == "see\n" + "x" * 25 + "\nend"


def test_no_break_spaces_hold_words_together():
    assert wrapped("it is 10\u00a0km away", 9) == "it is\n10\u00a0km\naway"


def test_wide_characters_need_no_blanks_and_joined_ones_stay_joined():
    lines = wrapped("日本語の文章には空白がありません", 10).split("\n")
    assert max(map(cell_len, lines)) <= 10
    assert len(lines) == 4
    for width in range(3, 9):
        assert wrapped(f"ab {FAMILY}{FAMILY}", width).count(FAMILY) == 2


def test_a_window_that_is_resized():
    widths = [20]
    wrap = WordWrap(lambda: widths[-1])
    shown = wrap.push("one two three four ")
    widths.append(10)
    shown += wrap.push("five six seven ")
    assert shown + wrap.finish() == "one two three four\nfive six\nseven"
