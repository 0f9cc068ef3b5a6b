"""What was measured of models is drawn with its intervals, and nothing touches the edge."""

import io
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from nanogpt_cli.errors import UsageError
from nanogpt_cli.plot.measures import Estimate, Line, Measure, Measures, draw_measures
from nanogpt_cli.plot.save import is_drawing, save_measures

NAMES = ["a", "a-model-with-a-name-that-is-far-too-long", "$x_1$ <b>"]
FOUND = Measures(
    NAMES,
    [
        Measure("bits per byte ↓", [Estimate(1.5, 1.4, 1.6), Estimate(1.7), None]),
        *(Measure(f"BLEU-{n} ↑", [Estimate(n, n - 0.5, n + 1), None, None]) for n in range(1, 5)),
    ],
    [Line(0, [(1.0, 3.0), (3.0, 2.0), (96.0, 1.0)]), Line(1, [(1.0, 2.5), (300.0, 2.4)], True)],
    blocks=[128],
    title="Three models",
    models=2,
)


def test_an_svg_has_all_names_and_values():
    text = draw_measures(FOUND, "svg").decode()
    ET.fromstring(text)
    for words in ("a", "a-model-with-a-name-tha…", "BLEU-4 ↑", "1.7", "Three models", "loss"):
        assert f"<!-- {words} -->" in text
    assert text == draw_measures(FOUND, "svg").decode()


@pytest.mark.parametrize("found", [FOUND, Measures(["a"], [], FOUND.lines[:1])])
def test_nothing_touches_the_edge(found):
    from matplotlib.image import imread

    pixels = imread(io.BytesIO(draw_measures(found, "png")))[..., :3]
    for edge in (pixels[:8], pixels[-8:], pixels[:, :8], pixels[:, -8:]):
        assert (edge == 1).all()


def test_it_is_written_as_what_it_is(tmp_path: Path):
    save_measures(FOUND, tmp_path / "models.svg")
    assert is_drawing(tmp_path / "models.svg")
    with pytest.raises(UsageError, match=r"\.html"):
        save_measures(FOUND, tmp_path / "models.html")
