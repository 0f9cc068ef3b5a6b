"""`nanogpt plot-log`: loss curves in the terminal, in a picture or as numbers."""

import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from nanogpt_cli import metrics, plot, runs, ui
from nanogpt_cli.cli.options import JsonFlag, print_json, with_settings
from nanogpt_cli.errors import CheckpointError, DataError, UsageError
from nanogpt_cli.files import atomic_write
from nanogpt_cli.plot import Curve

STDIN = "-"


@with_settings()
def plot_log(
    logs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN|FILE",
            help="Runs by name or folder, metrics.jsonl files, nanoGPT's console logs, "
            "- for stdin; the newest run where none is named.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Draw into this .png, .svg or .html instead."),
    ] = None,
    to_jsonl: Annotated[
        Path | None, typer.Option(help="Write one log as this metrics.jsonl instead.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Draw the loss curves of runs, one over the other."""
    sources = [_find_log(log) for log in logs] if logs else [_find_log(None)]
    for target in (output, to_jsonl):
        if target and target.exists() and any(s.exists() and target.samefile(s) for s in sources):
            raise UsageError(f"{target} is the log itself", "name another file to write")
    if to_jsonl and len(sources) > 1:
        raise UsageError("--to-jsonl takes a single log", "convert them one by one")

    found = [_read(source) for source in sources]
    names = [plot.log_name(source) for source in sources]
    curves = [
        plot.to_curve(name if names.count(name) == 1 else str(source), log)
        for source, name, log in zip(sources, names, found, strict=True)
    ]
    if output:
        plot.save_figure(curves, output)
    if to_jsonl:
        with atomic_write(to_jsonl) as file:
            file.writelines(metrics.dump_line(event) for event in found[0].events)
    if json:
        print_json({"runs": plot.summary(curves)})
    elif not output and not to_jsonl:
        _print_chart(curves)
    _say_summary(curves)
    for written in filter(None, (output, to_jsonl)):
        ui.say(f"wrote {ui.clean(written)}")


def _find_log(name: str | None) -> Path:
    """Find the log that the user means, by default the newest; raises DataError without one."""
    if name is not None and (name == STDIN or Path(name).is_file()):
        return Path(name)
    try:
        return runs.find_run(name) / runs.METRICS
    except CheckpointError as error:  # to this command a run is a log
        raise DataError(error.message, error.hint) from error


def _read(source: Path) -> metrics.Metrics:
    if str(source) == STDIN:
        return plot.to_events(sys.stdin.buffer.read())
    return plot.load_events(source)


def _print_chart(curves: Sequence[Curve]) -> None:
    """Print the chart as wide as stdout shows it, and leave room for the summary below."""
    from rich.console import Console

    out = Console()
    chart = plot.terminal_chart(
        curves,
        out.width,
        min(out.height, 40) - len(curves) - 4,
        color=out.color_system is not None and not out.no_color,
        unicode=out.encoding.startswith("utf"),
    )
    sys.stdout.write(chart)
    sys.stdout.flush()


def _say_summary(curves: Sequence[Curve]) -> None:
    """Show where each run stands, and what its log has lost."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    table.add_column("run", overflow="ellipsis")  # the one column that gives way
    for heading in ("step", "train loss", "val loss", "best", "at step", "tokens/s", "time"):
        table.add_column(heading, justify="right", no_wrap=True)
    for run in plot.summary(curves):
        losses = [_show(run[key], ".4f") for key in ("train_loss", "val_loss", "best_val_loss")]
        table.add_row(
            Text(run["run"]),
            _show(run["steps"], ",d"),
            *losses,
            _show(run["best_step"], ",d"),
            _show(run["tokens_per_sec"], ",.0f"),
            "-" if run["seconds"] is None else str(timedelta(seconds=round(run["seconds"]))),
        )
    ui.console().print(table)
    for curve in curves:
        if curve.dropped:
            ui.note(f"{curve.name}: {curve.dropped} lines of the log could not be read")


def _show(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
