"""A picture drawn by matplotlib: the same content gives the same bytes, offline.

Does not know what is drawn.
"""

import io
import re
from collections.abc import Callable
from typing import Any, Literal

from nanogpt_cli.plot.scale import FAINT, INK

MAKER = "nanogpt plot-log"
"""What a picture says of its origin, by which it is known again."""

Kind = Literal["png", "svg", "pdf"]

_EXCESS = re.compile(rb"""(?<=\.\d\d)\d+(?=(?: -?\d+\.\d+)? \n|")""")
"""Digits of an .svg's coordinates that no screen shows, a tenth of the file."""
_METADATA: dict[str, dict[str, str | None]] = {
    "png": {"Software": MAKER},
    "svg": {"Date": None, "Creator": MAKER},
    "pdf": {"CreationDate": None, "Creator": MAKER},
}
_STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 10.0,
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": "#e3e6ea",
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "ytick.major.size": 0.0,
    "pdf.fonttype": 42,  # journals refuse type 3, matplotlib's own default
    "svg.hashsalt": "nanogpt",
}


def render(
    draw: Callable[[Any], None], kind: Kind, size: tuple[float, float], font: float = 10.0
) -> bytes:
    """Return a picture of ``size`` inches, for which ``draw`` is called with the empty figure.

    It is unaffected by the user's settings of matplotlib, and without its messages.
    """
    import logging
    import warnings

    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    from matplotlib import style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    with style.context(["default", _STYLE | {"font.size": font}]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # characters that DejaVu lacks are drawn as boxes
        figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(w_pad=0.18, h_pad=0.15))
        FigureCanvasAgg(figure)
        draw(figure)
        file = io.BytesIO()
        figure.savefig(file, format=kind, dpi=160, metadata=_METADATA[kind])
    return _EXCESS.sub(b"", file.getvalue()) if kind == "svg" else file.getvalue()
