"""`nanogpt plot-log`: loss curves in the terminal, in a picture or as numbers."""

import itertools
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nanogpt_cli import runs
from nanogpt_cli.cli import ui
from nanogpt_cli.cli.options import JsonFlag, print_json, with_settings
from nanogpt_cli.errors import CheckpointError, DataError, UsageError
from nanogpt_cli.files import atomic_write
from nanogpt_cli.logs import metrics
from nanogpt_cli.plot import figure as plot
from nanogpt_cli.plot.figure import Curve, GrowingLog
from nanogpt_cli.text import printable
from nanogpt_cli.training.signals import StopSignals

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

STDIN = "-"
SUMMARY_WIDTH = 72
"""Columns that the summary of one run takes."""
PAUSE = 1.0
"""Seconds between two looks at a log that is followed, at the least."""


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
    follow: Annotated[
        bool,
        typer.Option(
            "--follow",
            "-f",
            help="Draw again as the log grows, until the run ends; Ctrl-C leaves. In a pipe, "
            "a line for each evaluation.",
        ),
    ] = False,
    json: JsonFlag = False,
) -> int:
    """Draw the loss curves of runs, one over the other."""
    if follow:
        if json or to_jsonl or STDIN in (logs or ()):
            other = "--json" if json else "--to-jsonl" if to_jsonl else "stdin"
            raise UsageError(f"--follow does not go with {other}", "leave one of them out")
        if output:
            plot.check_suffix(output)
        return _follow(logs or [None], output)
    sources = [_find_log(log) for log in logs] if logs else [_find_log(None)]
    for target in (output, to_jsonl):
        if target and target.exists() and any(s.exists() and target.samefile(s) for s in sources):
            raise UsageError(f"{target} is the log itself", "name another file to write")
    if to_jsonl and len(sources) > 1:
        raise UsageError("--to-jsonl takes a single log", "convert them one by one")

    found = [_read(source) for source in sources]
    curves = [plot.to_curve(*run) for run in zip(_names(sources), found, strict=True)]
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
        ui.say(f"wrote {printable(written)}")
    return 0


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


def _names(sources: Sequence[Path]) -> list[str]:
    """Name the runs; those of one name are told apart by their paths."""
    names = [plot.log_name(source) for source in sources]
    return [
        name if names.count(name) == 1 else str(source)
        for name, source in zip(names, sources, strict=True)
    ]


def _print_chart(curves: Sequence[Curve]) -> None:
    """Print the chart as wide as stdout shows it, and leave room for the summary below."""
    from rich.console import Console

    out = Console()
    sys.stdout.write(_chart(out, curves, min(out.height, 40) - len(curves) - 4))
    sys.stdout.flush()


def _chart(out: "Console", curves: Sequence[Curve], height: int) -> str:
    return plot.terminal_chart(
        curves,
        out.width,
        height,
        color=out.color_system is not None and not out.no_color,
        unicode=out.encoding.startswith("utf"),
    )


def _say_summary(curves: Sequence[Curve]) -> None:
    """Show where each run stands, and what its log has lost."""
    console = ui.console()
    console.print(_table(curves, console.width), soft_wrap=False)
    for curve in curves:
        if curve.dropped:
            ui.note(f"{curve.name}: {curve.dropped} lines of the log could not be read")


def _table(curves: Sequence[Curve], width: int) -> "Table":
    """Make the summary; in a narrow terminal it is cut at the right, not thinned everywhere."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, width=SUMMARY_WIDTH if width < SUMMARY_WIDTH else None)
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
    return table


def _show(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


# Following

News = tuple[list[Curve], list[str]]
"""The curves as they are now, and what is still waited for."""


def _follow(names: Sequence[str | None], output: Path | None) -> int:
    """Show runs again whenever their logs grow, until all have ended or the user has seen enough.

    Ctrl-C is how one leaves, as in watch or top, and no failure. Gives the exit code.
    """
    from rich.console import Console

    out = Console()
    on_screen = output is None and out.is_terminal and not out.is_dumb_terminal
    curves: list[Curve] = []
    signals = StopSignals()  # an exception could come amidst a drawing
    with signals.listening(), _screen(out) if on_screen else _lines(output) as show:
        for curves, waiting in _watch(names, lambda: out.size if on_screen else None, signals):
            show(curves, waiting)
    if signals.received == signal.SIGTERM:
        return 143
    if on_screen and curves:
        _print_chart(curves)
        _say_summary(curves)
    return 0


def _watch(
    names: Sequence[str | None], size: Callable[[], object], signals: StopSignals
) -> Iterator[News]:
    """Give the news whenever a log or the terminal's size has changed, until all runs are over.

    Or until a signal comes. Raises DataError where a run ended without a loss to draw.
    """
    logs: dict[str | None, GrowingLog] = {}
    before: object = None
    while True:
        started = time.monotonic()
        missing = _look_for(names, logs)
        grown = [log.read_on() for log in logs.values()]
        over = not missing and all(log.ended for log in logs.values())
        if any(grown) or before != (missing, size()):
            before = missing, size()
            yield _news(list(logs.values()), missing, over)
        if over:
            return
        spent = time.monotonic() - started
        _pause(max(PAUSE, 10 * spent), size, signals)  # the run needs the machine more
        if signals.received:
            return


def _pause(seconds: float, size: Callable[[], object], signals: StopSignals) -> None:
    """Wait, but no longer than until the terminal's size changes or a signal comes."""
    before, end = size(), time.monotonic() + seconds
    while time.monotonic() < end and size() == before and not signals.received:
        time.sleep(0.1)


def _look_for(names: Sequence[str | None], logs: dict[str | None, GrowingLog]) -> list[str]:
    """Begin to follow the logs that are there by now, and say which are not."""
    missing = []
    for name in names:
        if name not in logs:
            try:
                logs[name] = GrowingLog(_find_log(name))
            except DataError as error:
                missing.append(f"{error.message} ({error.hint})")
    return missing


def _news(logs: Sequence[GrowingLog], missing: list[str], over: bool) -> News:
    curves, empty = [], []
    for name, log in zip(_names([log.path for log in logs]), logs, strict=True):
        try:
            curves.append(plot.to_curve(name, log.log))
        except DataError:
            if over:
                raise
            empty.append(f"{log.path} holds no loss yet")
    return curves, missing + empty


@contextmanager
def _screen(out: "Console") -> Iterator[Callable[..., None]]:
    """Show the chart and the summary on a screen of their own, which is gone afterwards."""
    from rich.console import Group, RenderableType
    from rich.live import Live
    from rich.text import Text

    def show(curves: list[Curve], waiting: list[str]) -> None:
        state = [*(f"waiting: {text}" for text in waiting), time.strftime("%X, Ctrl-C leaves")]
        parts: list[RenderableType] = [Text(printable(text), "dim", no_wrap=True) for text in state]
        if curves:
            rest = 0 if ui.console().quiet else len(curves) + 1
            chart = _chart(out, curves, out.height - len(state) - rest - 1)
            table = [] if ui.console().quiet else [_table(curves, out.width)]
            parts = [Text.from_ansi(chart, no_wrap=True), *table, *parts]
        live.update(Group(*parts), refresh=True)

    with Live(console=out, screen=True, auto_refresh=False) as live:
        yield show


@contextmanager
def _lines(output: Path | None) -> Iterator[Callable[..., None]]:
    """Say each evaluation in a line, or draw the picture again after it."""
    waited_for: set[str] = set()
    shown: dict[str, plot.Points] = {}

    def show(curves: list[Curve], waiting: list[str]) -> None:
        for text in waiting:
            if text not in waited_for:
                ui.say(f"waiting: {printable(text)}")
        waited_for.update(waiting)
        before = dict(shown)
        shown.update({curve.name: curve.val or curve.train for curve in curves})
        if output and shown != before:
            plot.save_figure(curves, output)
            ui.say(f"wrote {printable(output)} at step {max(p[-1][0] for p in shown.values()):,}")
        elif not output:
            for curve in curves:
                for step, loss in _unseen(before.get(curve.name, []), curve.val):
                    print(f"{curve.name}: step {step:,}: val loss {loss:.4f}", flush=True)

    yield show


def _unseen(before: plot.Points, now: plot.Points) -> plot.Points:
    """Give the points that come after what the two have in common."""
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(before, now, strict=False))
    return now[len(list(same)) :]
