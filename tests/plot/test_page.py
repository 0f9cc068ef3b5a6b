"""A page of curves stands alone."""

import re

from example_curves import curve

from nanogpt_cli.plot.page import page


def test_it_needs_nothing_else_and_escapes_names():
    text = page([curve(4, 3, 2, name="<script>alert(1)</script>")]).decode()
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "<td>2.0000</td>" in text
    assert not re.search(r'(src|href)="(?!#)', text)
