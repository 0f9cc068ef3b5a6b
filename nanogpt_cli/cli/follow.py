"""``plot-log --follow``: curves shown again as their logs grow, until the runs end."""

import itertools
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from nanogpt_cli.cli import ui
from nanogpt_cli.cli.plot_view import chart, print_chart, print_summary, summary_table
from nanogpt_cli.errors import DataError
from nanogpt_cli.logs import load
from nanogpt_cli.logs.curves import Curve, Points, to_curve
from nanogpt_cli.logs.growing import GrowingLog
from nanogpt_cli.plot.save import save
from nanogpt_cli.plot.view import PLAIN, View
from nanogpt_cli.text import printable
from nanogpt_cli.training.signals import StopSignals

if TYPE_CHECKING:
    from rich.console import Console

PAUSE = 1.0
"""Seconds between two looks at a log, at the least."""

_QUIT = (signal.SIGQUIT,) if hasattr(signal, "SIGQUIT") else ()

Show = Callable[[list[Curve], list[str]], None]
"""Shows the curves as they are now, and what is still missing."""
Pause = Callable[[float, Callable[[], bool]], None]
"""Waits some seconds, or less where the second argument says that there is something to do."""


def wait(seconds: float, interrupted: Callable[[], bool]) -> None:
    """Wait, but no longer than until ``interrupted`` is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not interrupted():
        time.sleep(0.1)


def follow(
    names: Sequence[str | None],
    output: Path | None,
    view: View = PLAIN,
    pause: Pause = wait,
) -> int:
    """Show runs again whenever their logs grow, until all have ended or the user leaves.

    They are drawn on the screen or into ``output``; in a pipe each evaluation is a line. ``pause``
    waits between two looks. Ctrl-C is how one leaves, as in watch or top, and not a failure.
    Returns the exit code. Raises DataError where a run ended without a loss to draw.
    """
    from rich.console import Console

    out = Console()
    on_screen = output is None and out.is_terminal and not out.is_dumb_terminal
    size: Callable[[], object] = (lambda: out.size) if on_screen else (lambda: None)
    curves: list[Curve] = []
    # an exception could come in the middle of a drawing, and Ctrl-\\ would leave its screen behind
    signals = StopSignals(*_QUIT)
    with signals.listening(), _screen(out, view) if on_screen else _lines(output, view) as show:
        for curves, waiting in _watch(names, size, signals, pause):
            show(curves, waiting)
    if signals.received not in (0, signal.SIGINT):
        return 128 + signals.received
    if on_screen and curves:
        print_chart(curves, view)
        print_summary(curves)
    return 0


def _watch(
    names: Sequence[str | None],
    size: Callable[[], object],
    signals: StopSignals,
    pause: Pause,
) -> Iterator[tuple[list[Curve], list[str]]]:
    """Yield the curves, and what is missing, whenever a log or the terminal's size has changed.

    Ends when all runs are over, or with a signal.
    """
    logs: dict[str | None, GrowingLog] = {}
    before: object = None
    while True:
        started = time.monotonic()
        missing = _open_logs(names, logs)
        grown = [log.update() for log in logs.values()]
        over = not missing and all(log.log.ended for log in logs.values())
        state = missing, size()
        if any(grown) or state != before:
            before = state
            yield _curves(list(logs.values()), missing, over)
        if over:
            return
        spent = time.monotonic() - started
        # the longer a look takes, the rarer it is: the run needs the machine more
        pause(max(PAUSE, 10 * spent), _interruption(size, signals))
        if signals.received:
            return


def _interruption(size: Callable[[], object], signals: StopSignals) -> Callable[[], bool]:
    """Return whether, from now on, the terminal's size has changed or a signal has come."""
    before = size()
    return lambda: size() != before or bool(signals.received)


def _open_logs(names: Sequence[str | None], logs: dict[str | None, GrowingLog]) -> list[str]:
    """Add the logs that exist by now to ``logs``, and return what is to be said of the others."""
    missing = []
    for name in names:
        if name not in logs:
            try:
                logs[name] = GrowingLog(load.find(name))
            except DataError as error:
                missing.append(f"{error.message} ({error.hint})")
    return missing


def _curves(
    logs: Sequence[GrowingLog], missing: list[str], over: bool
) -> tuple[list[Curve], list[str]]:
    curves, empty = [], []
    for name, log in zip(load.display_names([log.path for log in logs]), logs, strict=True):
        try:
            curves.append(to_curve(name, log.log))
        except DataError:
            if over:
                raise
            empty.append(f"no losses in {log.path} yet")
    return curves, missing + empty


@contextmanager
def _screen(out: "Console", view: View) -> Iterator[Show]:
    """Show the chart and the summary on a screen of their own, which is gone afterwards."""
    from rich.console import Group, RenderableType
    from rich.live import Live
    from rich.text import Text

    def show(curves: list[Curve], waiting: list[str]) -> None:
        state = [*(f"waiting: {text}" for text in waiting), time.strftime("%X, Ctrl-C leaves")]
        parts: list[RenderableType] = [Text(printable(text), "dim", no_wrap=True) for text in state]
        if curves:
            rest = 0 if ui.console().quiet else len(curves) + 1
            drawn = chart(out, curves, out.height - len(state) - rest - 1, view)
            table = [] if ui.console().quiet else [summary_table(curves, out.width)]
            parts = [Text.from_ansi(drawn, no_wrap=True), *table, *parts]
        live.update(Group(*parts), refresh=True)

    with Live(console=out, screen=True, auto_refresh=False) as live:
        yield show


@contextmanager
def _lines(output: Path | None, view: View) -> Iterator[Show]:
    """Print each evaluation as a line, or draw the picture again after it."""
    waited_for: set[str] = set()
    shown: dict[str, Points] = {}

    def show(curves: list[Curve], waiting: list[str]) -> None:
        for text in waiting:
            if text not in waited_for:
                ui.say(f"waiting: {printable(text)}")
        waited_for.update(waiting)
        before = dict(shown)
        shown.update({curve.name: curve.val or curve.train for curve in curves})
        if output and shown != before:
            save(curves, output, view)
            ui.say(f"wrote {printable(output)} at step {max(p[-1][0] for p in shown.values()):,}")
        elif not output:
            for curve in curves:
                for step, loss in _unseen(before.get(curve.name, []), curve.val):
                    print(f"{curve.name}: step {step:,}: val loss {loss:.4f}", flush=True)

    yield show


def _unseen(before: Points, now: Points) -> Points:
    """Return the points that come after what the two have in common."""
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(before, now, strict=False))
    return now[len(list(same)) :]
