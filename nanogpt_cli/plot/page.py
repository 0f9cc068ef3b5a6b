"""Loss curves as a web page that needs no other file: read, zoomed and switched in a browser.

``assets/plot/`` has the script and the style. Names and texts are data in the page, never markup.
"""

import base64
import hashlib
import html
import json
from collections.abc import Sequence
from importlib import resources
from typing import Any

from nanogpt_cli.logs.curves import Curve, Points, summary
from nanogpt_cli.plot.canvas import MAKER
from nanogpt_cli.plot.scale import PALETTE
from nanogpt_cli.plot.view import PANEL_TITLES, PLAIN, View, arrange, falls_unseen

MOST_POINTS = 2000
"""Of one line: more than a screen has room for."""
WIDEST = 20.0
"""Percent of a run that the page smooths over at most."""


def page(curves: Sequence[Curve], view: View = PLAIN) -> bytes:
    """Draw an .html page."""
    arrange(curves, view, 0)  # it says what a log does not have
    title = view.title or f"{', '.join(curve.name for curve in curves)}: loss"
    content = {
        "runs": [_run(i, curve) for i, curve in enumerate(curves)],
        "view": _view(view, curves),
    }
    script, style = _asset("plot.js"), _asset("plot.css")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="generator" content="{MAKER}">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(title)}</title>
<style>{style}</style>
<h1>{html.escape(title)}</h1>
<noscript>The curves need JavaScript; their numbers are in the table.</noscript>
{_tools()}
<ul id="runs"></ul>
<div id="charts" tabindex="0" aria-label="curves; arrows read values, + zooms, 0 shows all">
<div id="tip" hidden></div></div>
<p class="hint">Drag to zoom, double-click for the whole run. Rings are the best steps.</p>
<section id="samples" hidden><header><h2>Samples along the run</h2>
<select id="of" aria-label="run"></select>
<input id="which" type="range" min="0" aria-label="sample"><output id="at"></output></header>
<p id="text"></p></section>
{_table(curves)}
<script id="data" type="application/json">{_as_data(content)}</script>
<script>{script}</script>
</html>
""".encode()


def _tools() -> str:
    """Return the controls; a page without some values hides theirs."""
    panels = "".join(
        f'<label><input id="{name}" type="checkbox"> {title}</label>\n'
        for name, title in PANEL_TITLES.items()
    )
    return f"""<div class="tools">
<label>along <select id="x"></select></label>
<label><input id="log" type="checkbox"> logarithmic</label>
<label><input id="full" type="checkbox"> first steps</label>
<label>smoothing <input id="smooth" type="range" min="0" max="{WIDEST:g}" step="0.5"></label>
{panels}<button id="whole">Whole run</button><button id="theme">Dark</button>
</div>"""


def _view(view: View, curves: Sequence[Curve]) -> dict[str, Any]:
    longest = max(len(curve.train) for curve in curves)
    percent = None
    if view.smooth is not None:
        percent = min(WIDEST, 100 * view.smooth / max(longest, 1))
    panels = list(view.panels)
    return {"x": view.x, "log": view.log, "full": view.full, "smooth": percent, "panels": panels}


def _run(index: int, curve: Curve) -> dict[str, Any]:
    """Return a run in JSON's types; ``best`` is the number of an evaluation."""
    series = {"train": curve.train, "val": curve.val, **curve.panels}
    best = "" if curve.best is None else "best {1:.4f} at step {0:,}".format(*curve.best)
    val = curve.val if curve.best is None else _keep(curve.val, curve.best)
    return {
        "name": curve.name,
        "told": best + (", then overfits" if curve.overfits_after is not None else ""),
        "hue": index % len(PALETTE),
        "dash": index // len(PALETTE) % 3,
        "series": {
            name: _series(curve, val if name == "val" else _binned(points))
            for name, points in series.items()
            if points
        },
        "best": None if curve.best is None else val.index(curve.best),
        "overfits": curve.overfits_after is not None,
        "untrained": falls_unseen(curve),
        "samples": [
            {**_along(curve, s.step), "prompt": s.prompt, "text": s.text} for s in curve.samples
        ],
    }


def _series(curve: Curve, points: Points) -> dict[str, list[Any]]:
    along = [_along(curve, step) for step, _ in points]
    places = {x: [place[x] for place in along] for x in ("step", "tokens", "time")}
    return {**places, "value": [float(f"{value:.6g}") for _, value in points]}


def _along(curve: Curve, step: int) -> dict[str, float | None]:
    """Return where a step is along each axis."""
    where = {x: curve.positions.get(x, {}).get(step) for x in ("tokens", "time")}
    return {"step": step, **where}


def _binned(points: Points) -> Points:
    """Return averages of neighbours, each at the step of one of them, where points are too many."""
    size = -(-len(points) // MOST_POINTS) or 1
    bins = [points[i : i + size] for i in range(0, len(points), size)]
    return [(part[len(part) // 2][0], sum(v for _, v in part) / len(part)) for part in bins]


def _keep(points: Points, kept: tuple[int, float]) -> Points:
    """Return at most about MOST_POINTS of the points, with the first, the last and ``kept``."""
    size = -(-len(points) // MOST_POINTS) or 1
    last = len(points) - 1
    return [p for i, p in enumerate(points) if i % size == 0 or i == last or p == kept]


def _table(curves: Sequence[Curve]) -> str:
    """Return the state of each run as a table."""
    rows = summary(curves)
    head = "".join(f"<th>{html.escape(key.replace('_', ' '))}</th>" for key in rows[0])
    body = "".join(
        f"<tr>{''.join(f'<td>{html.escape(_cell(value))}</td>' for value in row.values())}</tr>"
        for row in rows
    )
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="wide">{table}</div>'


def _cell(value: object) -> str:
    """Format one value of the summary."""
    match value:
        case None:
            return "–"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.4f}" if abs(value) < 100 else f"{value:,.0f}"
    return str(value)


def _as_data(content: object) -> str:
    """Return JSON that no parser of a page takes for markup."""
    return json.dumps(content, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _asset(name: str) -> str:
    path = resources.files("nanogpt_cli").joinpath("assets", "plot", name)
    return path.read_text(encoding="utf-8")
