"""Pictures show every curve, whatever its name, and nothing but the curves."""

import io
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest
from example_curves import HEALTHY, OVERFITTING, STEEP, curve

from nanogpt_cli.logs.curves import Curve
from nanogpt_cli.plot import figure
from nanogpt_cli.plot.page import page
from nanogpt_cli.plot.view import View


def svg(*curves: Curve) -> str:
    return figure.svg(curves).decode()


@pytest.mark.parametrize(
    ("draw", "magic"), [(figure.png, b"\x89PNG"), (figure.svg, b"<?xml"), (figure.pdf, b"%PDF-")]
)
def test_the_same_curves_give_the_same_bytes(draw, magic):
    picture = draw([HEALTHY, OVERFITTING])
    assert picture.startswith(magic)
    assert picture == draw([HEALTHY, OVERFITTING])
    assert picture != draw([HEALTHY])


def test_the_svg_is_well_formed_and_undated():
    text = svg(HEALTHY, OVERFITTING)
    ET.fromstring(text)
    assert "dc:date" not in text
    for words in ("overfits from here", "healthy", "best 2.5000 at step 200", "<!-- step -->"):
        assert words in text


def test_only_real_overfitting_is_marked():
    assert "overfits" not in svg(HEALTHY)


@pytest.mark.parametrize(
    "name", ["$x_1$ and $", "_hidden", "名前 🤖", "-" * 300, "a-->b", "%s {x}", r"\frac"]
)
def test_any_name_can_be_drawn(name):
    ET.fromstring(svg(curve(3, 2, name=name), HEALTHY))
    assert page([curve(3, 2, name=name)])
    assert figure.pdf([curve(3, 2, name=name)])


@pytest.mark.parametrize("one", [Curve("r", [(7, 3.0)], []), Curve("r", [], [(7, 3.0)])])
def test_one_point_is_drawn(one):
    assert "<use" in svg(one)


def test_the_labels_of_runs_that_end_together_are_kept_apart():
    text = svg(*(curve(4, 2, name=f"run {i}") for i in range(6)))
    heights = [
        float(y) for y in re.findall(r"<!-- run \d -->\s*<g[^>]*translate\(\S+ (\S+)\)", text)
    ]
    assert len(heights) == 6
    assert min(abs(a - b) for a in heights for b in heights if a is not b) > 15


def test_what_the_first_steps_took_is_cut_off_and_said():
    assert "<!-- ▲ up to 4.2, outside this range -->" in svg(STEEP)
    assert "<!-- 4.0 -->" not in svg(STEEP)
    whole = figure.svg([STEEP], View(full=True)).decode()
    assert "outside" not in whole
    assert "<!-- 4.0 -->" in whole


def test_no_label_touches_the_edge():
    from matplotlib.image import imread

    for curves in ([STEEP], [OVERFITTING, HEALTHY, curve(4, 2, name="x" * 100)]):
        pixels = imread(io.BytesIO(figure.png(curves)))[..., :3]
        edges = (pixels[:16], pixels[-16:], pixels[:, :16], pixels[:, -16:])
        assert all((edge == 1).all() for edge in edges)


def test_a_long_run_is_a_small_file():
    steps = range(1, 20001)
    long = [
        Curve(
            f"run {i}", [(s, 1 + i + s % 7 / 10) for s in steps], [(s, 2.0) for s in steps[::200]]
        )
        for i in range(3)
    ]
    assert len(figure.svg(long)) < 60_000


def test_it_can_be_along_time_and_logarithmic():
    text = figure.svg([STEEP], View("time", log=True, full=True)).decode()
    assert "<!-- minutes of training -->" in text
    assert "<!-- 4.0 -->" in text


def test_panels_are_drawn_below_and_make_the_picture_higher():
    text = figure.svg([STEEP], View(panels=("lr", "grad_norm", "speed"))).decode()
    for words in ("learning rate", "gradient norm", "tokens/s"):
        assert f"<!-- {words} -->" in text
    heights = [
        float(re.search(r'height="([\d.]+)pt"', figure.svg([STEEP], view).decode())[1])
        for view in (View(), View(panels=("lr",)))
    ]
    assert heights[0] + 100 < heights[1]


def test_letters_of_a_narrow_picture_stay_inside_and_apart():
    from matplotlib.image import imread

    view = View(size=(3.4, 2.6))
    pixels = imread(io.BytesIO(figure.png([OVERFITTING, STEEP], view)))[..., :3]
    assert pixels.shape[:2] == (416, 544)
    for edge in (pixels[:8], pixels[-8:], pixels[:, :8], pixels[:, -8:]):
        assert (edge == 1).all()


def test_pictures_load_neither_torch_nor_pyplot():
    code = (
        "import sys; from nanogpt_cli.plot import save; from nanogpt_cli.logs.curves import Curve\n"
        "from nanogpt_cli.plot.view import PLAIN\n"
        "assert not {'matplotlib', 'plotext', 'numpy', 'torch'} & set(sys.modules)\n"
        "for kind in save.KINDS: save.KINDS[kind]([Curve('r', [(0, 1.0)], [])], PLAIN)\n"
        "assert not {'torch', 'matplotlib.pyplot'} & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")
