"""Charts made of characters fit their size and say what they show."""

import math
import re

import pytest
from example_curves import FALLING, HEALTHY, OVERFITTING, STEEP
from hypothesis import given, settings
from hypothesis import strategies as st

from nanogpt_cli.logs import load
from nanogpt_cli.logs.curves import Curve, to_curve
from nanogpt_cli.plot.scale import TERMINAL_PALETTE
from nanogpt_cli.plot.terminal import chart
from nanogpt_cli.plot.view import View


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.mark.parametrize("color", [True, False])
@pytest.mark.parametrize("unicode", [True, False])
def test_it_fits_and_names_axes_runs_and_best_steps(color, unicode):
    drawn = chart([HEALTHY, OVERFITTING], 80, 22, color=color, unicode=unicode)
    rows = plain(drawn).splitlines()
    assert len(rows) == 22
    assert max(map(len, rows)) <= 80
    assert rows[0] == "validation loss"
    assert rows[-3].split() == ["step"]
    assert "healthy" in rows[-2]
    assert "best val loss 2.0000 at step 500" in rows[-2]
    assert rows[-1].endswith("best val loss 2.5000 at step 200, then overfits")
    assert ("\x1b" in drawn) == color
    assert drawn.isascii() == (not unicode)
    marks = "".join(rows[:-3]).count("●" if unicode else "*")
    assert marks == 2


def test_runs_have_colours_or_letters():
    curves = [HEALTHY, OVERFITTING]
    colored = chart(curves, 80, 22, color=True, unicode=True)
    assert {"\x1b[38;5;33m", "\x1b[38;5;166m"} <= set(re.findall(r"\x1b\[38;5;\d+m", colored))
    letters = chart(curves, 80, 22, color=False, unicode=False)
    body = "".join(letters.splitlines()[1:-4])
    assert body.count("A") > 5
    assert body.count("B") > 5


def test_the_line_falls_from_the_top_left_to_the_bottom_right():
    line = Curve("run", [], [(0, 4.0), (100, 1.0)])
    rows = chart([line], 60, 20, color=False, unicode=False).splitlines()[1:-4]
    columns = [row.index("A") for row in rows if "A" in row]
    assert columns == sorted(columns)
    assert columns[0] < 10
    assert columns[-1] > 45


@pytest.mark.parametrize("width", [80, 60])
def test_the_first_steps_leave_the_height_to_the_rest_and_the_heading_says_so(width):
    rows = chart([STEEP], width, 20, color=False, unicode=True).splitlines()
    assert rows[0] == "validation loss, training loss dotted  ▲ up to 4.2: --full"
    assert max(row.count("┤") for row in rows[1:]) == 1
    assert float(next(row for row in rows if "┤" in row).split("┤")[0]) < 2
    whole = chart([STEEP], width, 20, color=False, unicode=True, view=View(full=True))
    assert whole.startswith("validation loss, training loss dotted\n")
    assert "4┤" in whole


def test_a_narrow_heading_is_cut():
    rows = chart([STEEP], 20, 20, color=False, unicode=False).splitlines()
    assert max(map(len, rows)) <= 20


def test_several_runs_show_the_training_loss_only_without_evaluations():
    new = Curve("new", FALLING[:20], [(0, 4.0)])
    drawn = chart([HEALTHY, OVERFITTING], 80, 20, color=True, unicode=True)
    assert drawn.startswith("validation loss\n")
    drawn = chart([HEALTHY, new], 80, 20, color=True, unicode=True)
    assert drawn.startswith("validation loss, training loss faint\n")


def test_it_can_be_logarithmic_along_tokens():
    drawn = chart([STEEP], 60, 20, color=False, unicode=False, view=View("tokens", True, True))
    rows = drawn.splitlines()
    assert rows[-2].split() == ["tokens"]
    numbers = [float(row.split("+")[0]) for row in rows if re.match(r"[\d.]+\+", row)]
    places = [i for i, row in enumerate(rows) if re.match(r"[\d.]+\+", row)]
    assert len(numbers) >= 3
    per_row = math.log(numbers[0] / numbers[-1]) / (places[-1] - places[0])
    for number, place in zip(numbers, places, strict=True):
        assert math.log(numbers[0] / number) / per_row == pytest.approx(place - places[0], abs=1)


@pytest.mark.parametrize("width", [80, 60])
def test_panels_stand_below_the_losses_with_axes_that_start_alike(width):
    view = View(panels=("lr", "speed"))
    drawn = chart([STEEP], width, 34, color=False, unicode=True, view=view)
    rows = drawn.splitlines()
    assert len(rows) == 34
    assert max(map(len, rows)) <= width
    titles = [rows.index(title) for title in ("learning rate", "tokens/s")]
    assert titles == [17, 25]
    assert len({row.index("└") for row in rows if "└" in row}) == 1
    assert all(any("⠀" < c < "⣿" for c in "".join(rows[at : at + 8])) for at in titles)


def test_the_colours_can_be_told_from_black_and_from_white():
    def luminance(index):
        six = (0, 95, 135, 175, 215, 255)
        rest = index - 16
        rgb = (
            [8 + 10 * (index - 232)] * 3
            if index >= 232
            else [six[rest // 36], six[rest // 6 % 6], six[rest % 6]]
        )
        linear = [c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in rgb]
        return sum(part * c for part, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    for colour in TERMINAL_PALETTE:
        assert (luminance(colour) + 0.05) / 0.05 >= 3
        assert 1.05 / (luminance(colour) + 0.05) >= 3


def test_drawing_twice_gives_the_same():
    first = chart([HEALTHY], 80, 20, color=True, unicode=True)
    chart([OVERFITTING], 50, 12, color=False, unicode=False)
    assert chart([HEALTHY], 80, 20, color=True, unicode=True) == first


@pytest.mark.parametrize("one", [Curve("r", [(7, 3.0)], []), Curve("r", [], [(7, 3.0)])])
def test_one_point_is_drawn(one):
    rows = chart([one], 60, 16, color=False, unicode=False).splitlines()
    assert any(re.search(r"[.A*]$", row) for row in rows[1:-3])
    assert "3.0000 at step 7" in rows[-1]


@settings(deadline=None, max_examples=60)
@given(
    points=st.lists(
        st.tuples(st.integers(0, 10**12 - 1), st.floats(1 - 1e12, 1e12 - 1)),
        min_size=1, max_size=8, unique_by=lambda point: point[0],
    ),
    size=st.tuples(st.integers(1, 200), st.integers(1, 60)),
    looks=st.tuples(st.booleans(), st.booleans()),
    full=st.booleans(),
    name=st.text(max_size=40),
)  # fmt: skip
def test_any_curve_can_be_drawn_at_any_size(points, size, looks, full, name):
    log = [f"step {s}: train loss {x:.9f}, val loss {x:.9f}\n" for s, x in sorted(points)]
    curve = to_curve(name, load.parse("".join(log).encode()))
    logarithmic = View(log=any(loss > 1e-9 for _, loss in points), full=full)
    for view in (View(full=full), logarithmic):
        drawn = chart([curve], *size, color=looks[0], unicode=looks[1], view=view)
    assert all(c.isprintable() or c == "\n" for c in plain(drawn))
