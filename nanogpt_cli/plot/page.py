"""Loss curves as a web page that needs no other file: a picture, and its numbers as a table."""

import html
from collections.abc import Sequence

from nanogpt_cli.logs.curves import Curve, summary
from nanogpt_cli.plot import figure
from nanogpt_cli.plot.scale import INK
from nanogpt_cli.plot.view import PLAIN, View


def page(curves: Sequence[Curve], view: View = PLAIN) -> bytes:
    """Draw an .html page."""
    picture = figure.svg(curves, view).decode()
    rows = summary(curves)
    head = "".join(f"<th>{html.escape(key.replace('_', ' '))}</th>" for key in rows[0])
    body = "".join(
        f"<tr>{''.join(f'<td>{html.escape(_cell(value))}</td>' for value in row.values())}</tr>"
        for row in rows
    )
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="generator" content="{figure.MAKER}">
<meta name="viewport" content="width=device-width">
<title>{html.escape(", ".join(curve.name for curve in curves))}: loss</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; color: {INK}; max-width: 60rem;
  margin: 2rem auto; padding: 0 1rem; }}
svg {{ width: 100%; height: auto; }}
div {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }}
td, th {{ padding: .3em .8em; text-align: right; white-space: nowrap;
  border-bottom: 1px solid #e3e6ea; }}
td:first-child, th:first-child {{ text-align: left; }}
</style>
{picture[picture.index("<svg") :]}
<div><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>
</html>
""".encode()


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
