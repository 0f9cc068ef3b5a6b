"""Pictures show every curve, whatever its name, and nothing but the curves."""

import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest
from example_curves import HEALTHY, OVERFITTING, curve

from nanogpt_cli.logs.curves import Curve
from nanogpt_cli.plot import figure
from nanogpt_cli.plot.page import page


def svg(*curves: Curve) -> str:
    return figure.svg(curves).decode()


@pytest.mark.parametrize(("draw", "magic"), [(figure.png, b"\x89PNG"), (figure.svg, b"<?xml")])
def test_the_same_curves_give_the_same_bytes(draw, magic):
    picture = draw([HEALTHY, OVERFITTING])
    assert picture.startswith(magic)
    assert picture == draw([HEALTHY, OVERFITTING])
    assert picture != draw([HEALTHY])


def test_the_svg_is_well_formed_and_undated():
    text = svg(HEALTHY, OVERFITTING)
    ET.fromstring(text)
    assert "dc:date" not in text
    for words in ("overfits from here", "healthy", "best 2.5000 at 200", "<!-- step -->"):
        assert words in text


def test_only_real_overfitting_is_marked():
    assert "overfits" not in svg(HEALTHY)


@pytest.mark.parametrize(
    "name", ["$x_1$ and $", "_hidden", "名前 🤖", "-" * 300, "a-->b", "%s {x}", r"\frac"]
)
def test_any_name_can_be_drawn(name):
    ET.fromstring(svg(curve(3, 2, name=name), HEALTHY))
    assert page([curve(3, 2, name=name)])


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


def test_pictures_load_neither_torch_nor_pyplot():
    code = (
        "import sys; from nanogpt_cli.plot import save; from nanogpt_cli.logs.curves import Curve\n"
        "assert not {'matplotlib', 'plotext', 'numpy', 'torch'} & set(sys.modules)\n"
        "save.KINDS['.svg']([Curve('r', [(0, 1.0)], [])])\n"
        "assert not {'torch', 'matplotlib.pyplot'} & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")
