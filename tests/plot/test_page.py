"""A page of curves stands alone, has what a log has, and answers to a mouse."""

import json
import re
from pathlib import Path

import pytest
from browser import CHROMIUM, Browser
from example_curves import OVERFITTING, STEEP, curve

from nanogpt_cli.errors import DataError
from nanogpt_cli.logs.curves import Curve
from nanogpt_cli.plot.page import MOST_POINTS, page
from nanogpt_cli.plot.view import View


def content(text: str) -> dict:
    (found,) = re.findall(r'<script id="data" type="application/json">(.*)</script>', text)
    return json.loads(found)


def test_it_needs_nothing_else_and_escapes_names():
    text = page([curve(4, 3, 2, name="<script>alert(1)</script>")]).decode()
    assert "<script>alert" not in text
    assert text.count("</script>") == 2
    assert "&lt;script&gt;" in text
    assert "<td>2.0000</td>" in text
    assert content(text)["runs"][0]["name"] == "<script>alert(1)</script>"
    assert not re.search(r'(src|href)="(?!#)', text)
    assert "default-src 'none'" in text


def test_it_has_all_that_the_log_has():
    (run,) = content(page([STEEP]).decode())["runs"]
    assert set(run["series"]) == {"train", "val", "lr", "grad_norm", "speed"}
    assert run["series"]["train"]["tokens"][0] == 5120
    assert run["series"]["val"]["value"][run["best"]] == pytest.approx(1.1)
    assert (run["samples"][1]["time"], run["samples"][1]["text"]) == (100, " or not </script><b>")


def test_a_long_run_is_a_small_page_with_its_best_step():
    train = [(step, 2.0 + step % 2) for step in range(100_000)]
    val = [(step, 3.0 if step != 501 else 1.0) for step in range(10_000)]
    (run,) = content(page([Curve("long", train, val)]).decode())["runs"]
    assert len(run["series"]["train"]["value"]) <= MOST_POINTS
    assert set(run["series"]["train"]["value"]) == {2.5}
    assert run["series"]["val"]["value"][run["best"]] == 1.0


def test_what_no_log_has_is_named():
    with pytest.raises(DataError, match="overfitting has no learning rate"):
        page([OVERFITTING], View(panels=("lr",)))


@pytest.mark.long
@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")
def test_it_is_read_zoomed_and_switched_in_a_browser(tmp_path: Path):
    file = tmp_path / "loss.html"
    file.write_bytes(page([STEEP, OVERFITTING], View(panels=("grad_norm",))))
    with Browser(tmp_path) as shown:
        shown.size(1000, 800)
        shown.open(file.as_uri())
        shown.wait("document.querySelectorAll('#charts svg').length === 2")
        mouse = [
            shown.js(f"document.querySelector('#charts svg').getBoundingClientRect().{side}")
            for side in ("left", "top", "width")
        ]

        def move(kind: str, part: float) -> None:
            x, y = mouse[0] + part * mouse[2], mouse[1] + 100
            shown.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

        move("mouseMoved", 0.5)
        tip = shown.js("document.querySelector('#tip').textContent")
        assert "steep1." in tip
        assert "gradient norm" in tip
        move("mousePressed", 0.4)
        move("mouseMoved", 0.6)
        move("mouseReleased", 0.6)
        low, high = shown.js("state.range")
        assert 300 < low < 450 < 500 < high < 650
        shown.js("document.querySelector('#whole').click()")
        assert shown.js("state.range") is None
        before = shown.js(
            "document.querySelectorAll('#charts svg')[0].querySelectorAll('path').length"
        )
        shown.js("document.querySelector('#runs button').click()")
        after = shown.js(
            "document.querySelectorAll('#charts svg')[0].querySelectorAll('path').length"
        )
        assert after < before
        assert (
            shown.js("document.querySelector('#text').textContent") == "To be or not </script><b>"
        )
        for name in ("dark", "light"):
            shown.js(f"theme('{name}')")
        assert shown.errors == []
        assert shown.requests == [file.as_uri()]


@pytest.mark.long
@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")
def test_it_is_no_wider_than_a_phone(tmp_path: Path):
    file = tmp_path / "loss.html"
    file.write_bytes(page([STEEP], View(panels=("lr", "grad_norm", "speed"))))
    with Browser(tmp_path) as shown:
        shown.size(360, 640, phone=True)
        shown.open(file.as_uri())
        shown.js("state.cursor = 900; point()")
        assert shown.js("document.documentElement.scrollWidth <= innerWidth")
