"""``nanogpt plot-log``: loss curves in the terminal, in a picture or as numbers."""

import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from nanogpt_cli.cli import ui
from nanogpt_cli.cli.complete import any_of, runs
from nanogpt_cli.cli.follow import follow as follow_logs
from nanogpt_cli.cli.options import JsonFlag, print_json, with_settings
from nanogpt_cli.cli.plot_view import print_chart, print_summary
from nanogpt_cli.errors import UsageError
from nanogpt_cli.logs import convert, load
from nanogpt_cli.logs.curves import PANELS, summary, to_curve
from nanogpt_cli.logs.events import Log
from nanogpt_cli.plot import save
from nanogpt_cli.plot.view import Axis, View
from nanogpt_cli.text import printable

STDIN = "-"
SMALLEST, LARGEST = 2, 50
"""Inches of a picture's sides."""


@with_settings()
def plot_log(
    logs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN|FILE",
            help="Runs by name or folder, metrics.jsonl files, nanoGPT's console logs, "
            "or - for stdin; by default the newest run.",
            show_default=False,
            autocompletion=runs,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Draw into this .png, .svg, .pdf or .html instead."),
    ] = None,
    x: Annotated[
        Axis, typer.Option("--x", metavar="NAME", help="Draw along the step, tokens or time.")
    ] = View.x,
    log: Annotated[bool, typer.Option("--log", help="Draw the loss on a logarithmic scale.")] = (
        View.log
    ),
    full: Annotated[
        bool,
        typer.Option(
            "--full", help="Show the first steps too, which are cut off where they need much room."
        ),
    ] = View.full,
    panels: Annotated[
        str,
        typer.Option(
            metavar="NAME,...",
            help="Draw below the loss: lr, grad_norm, speed.",
            autocompletion=any_of(*PANELS),
        ),
    ] = "",
    smooth: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Average N neighbouring training losses, 0 none; by default a part of the run.",
        ),
    ] = View.smooth,
    title: Annotated[str | None, typer.Option(help="What stands above a picture.")] = View.title,
    size: Annotated[
        str | None,
        typer.Option(metavar="WxH", help="A picture's width and height in inches, as 8.4x4.8."),
    ] = None,
    to_jsonl: Annotated[
        Path | None, typer.Option(help="Write one log as this metrics.jsonl instead.")
    ] = None,
    follow: Annotated[
        bool,
        typer.Option(
            "--follow",
            "-f",
            help="Draw again as the log grows, until the run ends; Ctrl-C leaves. In a pipe, "
            "print a line for each evaluation.",
        ),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a file that plot-log did not write.")
    ] = False,
    json: JsonFlag = False,
) -> int:
    """Draw the loss curves of one or more runs."""
    names: list[str | None] = [*logs] if logs else [None]
    view = View(x, log, full, _smooth(smooth), _panels(panels), title, _size(size))
    if follow:
        if json or to_jsonl or STDIN in names:
            other = "--json" if json else "--to-jsonl" if to_jsonl else "stdin"
            raise UsageError(f"--follow cannot be used with {other}", "leave one of them out")
        if output:
            save.check_target(output, [Path(name) for name in names if name], force)
        return follow_logs(names, output, view)
    sources = [_find(name) for name in names]
    if to_jsonl and len(sources) > 1:
        raise UsageError("--to-jsonl takes a single log", "convert them one by one")
    read = [Path("/dev/stdin") if str(source) == STDIN else source for source in sources]
    if output:
        save.check_target(output, read, force)
    if to_jsonl:
        convert.check_target(to_jsonl, read, force)

    found = [_read(source) for source in sources]
    curves = [to_curve(*run) for run in zip(load.display_names(sources), found, strict=True)]
    if output:
        save.save(curves, output, view)
    if to_jsonl:
        convert.write(found[0], to_jsonl)
    if json:
        print_json({"runs": summary(curves)})
    elif not output and not to_jsonl:
        print_chart(curves, view)
    print_summary(curves)
    for written in filter(None, (output, to_jsonl)):
        ui.say(f"wrote {printable(written)}")
    return 0


def _smooth(count: int | None) -> int | None:
    if count is not None and count < 0:
        raise UsageError(f"invalid --smooth {count}", "write how many neighbours to average, or 0")
    return count


def _panels(names: str) -> tuple[str, ...]:
    """Return the panels that a list names. Raises UsageError for an unknown one."""
    found = tuple(name.replace("-", "_") for name in re.split(r"[,\s]+", names) if name)
    for name in found:
        if name not in PANELS:
            raise UsageError(f"unknown panel {name}", f"choose from {', '.join(PANELS)}")
    return tuple(dict.fromkeys(found))


def _size(text: str | None) -> tuple[float, float] | None:
    """Return the inches that ``8.4x4.8`` asks for. Raises UsageError."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)x(\d+(?:\.\d+)?)", text)
    size = (float(found[1]), float(found[2])) if found else (0.0, 0.0)
    if not all(SMALLEST <= side <= LARGEST for side in size):
        raise UsageError(
            f"invalid --size {printable(text)}",
            f"write width and height in inches, {SMALLEST} to {LARGEST}, as 8.4x4.8",
        )
    return size


def _find(name: str | None) -> Path:
    return Path(STDIN) if name == STDIN else load.find(name)


def _read(source: Path) -> Log:
    if str(source) == STDIN:
        return load.parse(sys.stdin.buffer.read())
    return load.load(source)
