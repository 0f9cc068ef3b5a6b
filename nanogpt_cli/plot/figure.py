"""Loss curves: from metrics.jsonl or nanoGPT's console logs, to a terminal, a picture or a summary.

Knows nothing of training, of run names or of the command line. A picture needs no network, and the
same curves give the same bytes.
"""

import codecs
import html
import io
import itertools
import math
import re
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from nanogpt_cli.errors import DataError, UsageError
from nanogpt_cli.files import atomic_write
from nanogpt_cli.logs import metrics
from nanogpt_cli.logs.metrics import Event, Metrics
from nanogpt_cli.runs import METRICS
from nanogpt_cli.text import printable

Points = list[tuple[int, float]]
"""(step, loss) pairs, steps rising, every number finite."""

FIGURE_SUFFIXES = (".png", ".svg", ".html")

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's colours, told apart by colour-blind eyes too (jfly.uni-koeln.de/color)."""
TERMINAL_PALETTE = (33, 208, 36, 175, 220, 117)
"""The same in the 256 colours of a terminal, light enough for a dark ground."""
INK, FAINT = "#2b2f36", "#7b828c"


@dataclass(frozen=True)
class Curve:
    """The losses of one run; ``name`` is safe to show."""

    name: str
    train: Points
    val: Points
    tokens_per_sec: float | None = None
    """Median over the run."""
    seconds: float | None = None
    """Training time so far."""
    dropped: int = 0
    """Lines of the log that could not be read."""

    @cached_property
    def smooth_train(self) -> Points:
        """The training loss without its noise, each value at its own step."""
        steps, losses = _columns(self.train)
        return list(zip(steps, smooth(losses), strict=True))

    @property
    def best(self) -> tuple[int, float] | None:
        """The step of the lowest validation loss, and that loss."""
        return min(self.val, key=lambda point: point[1], default=None)

    @property
    def overfits_after(self) -> int | None:
        """The best step, where the validation loss went on to rise while the training loss fell.

        Said only where it is more than noise: at least three evaluations follow, the later half of
        them is worse than the earlier half, and the last is over 1 % above the best.
        """
        if self.best is None or not self.train:
            return None
        step, best = self.best
        after = [loss for s, loss in self.val if s > step]
        if len(after) < 3:
            return None
        half = len(after) // 2
        rises = statistics.fmean(after[half:]) > statistics.fmean(after[:half])
        falls = _at(self.smooth_train, self.val[-1][0]) < _at(self.smooth_train, step)
        return step if rises and falls and after[-1] - best > 0.01 * abs(best) else None


# Reading


def log_name(path: Path) -> str:
    """Name a log after its file, or after its run's folder."""
    return path.resolve().parent.name if path.name == METRICS else path.name


def load_events(path: Path) -> Metrics:
    """Read a metrics.jsonl or a console log as events; raises DataError where it cannot be read."""
    with metrics.reading(path) as file:
        return to_events(file.read())


def to_events(log: bytes) -> Metrics:
    """Give the events of a metrics.jsonl, or else the losses that nanoGPT printed.

    A console log has ``train`` and ``eval`` events; they lack the fields that nobody printed.
    """
    found = metrics.parse(io.BytesIO(log))
    return found if found.events else Metrics(list(_console_events(_decode(log))), dropped=0)


class GrowingLog:
    """A log that is still being written, of either kind; ``read_on`` parses only what is new.

    A last line without its end is left for the next time. Where the line that was read last no
    longer stands in its place, the file was cut or made anew, and is read from the start.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._forget()

    def _forget(self) -> None:
        self.log = Metrics([], 0)
        self._size = 0
        """Bytes read so far."""
        self._last_line = b""
        self._console: bytes | None = b""
        """All that was read, unless it is a metrics.jsonl."""

    @property
    def ended(self) -> bool:
        """Whether its run is over."""
        return bool(self.log.events) and self.log.events[-1]["event"] == "end"

    def read_on(self) -> bool:
        """Take in what was written since, and tell whether the log has changed.

        A file that is not there counts as empty; raises DataError where one cannot be read.
        """
        before = self._size
        try:
            with metrics.reading(self.path) as file:
                file.seek(self._size - len(self._last_line))
                found = file.read()
                if not found.startswith(self._last_line):
                    self._forget()
                    file.seek(0)
                    found = file.read()
        except DataError as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                raise
            self._forget()
            return before > 0
        new = found[len(self._last_line) : found.rfind(b"\n") + 1]
        if new:
            self._size += len(new)
            self._last_line = new.splitlines(keepends=True)[-1]
            self._add(new)
        return bool(new) or self._size != before

    def _add(self, lines: bytes) -> None:
        if self._console is None:
            new = metrics.parse(lines.splitlines())
            self.log.events.extend(new.events)
            self.log = Metrics(self.log.events, self.log.dropped + new.dropped)
            return
        self._console += lines
        self.log = metrics.parse(self._console.splitlines())
        if self.log.events:
            self._console = None
        else:
            self.log = to_events(self._console)


def to_curve(name: str, log: Metrics) -> Curve:
    """Take the losses out of a run's events; raises DataError where there are none."""
    events = {kind: [e for e in log.events if e["event"] == kind] for kind in ("train", "eval")}
    train = _points(events["train"], "loss") or _points(events["eval"], "train_loss")
    val = _points(events["eval"], "val_loss")
    if not train and not val:
        raise DataError(
            f"{printable(name)} holds no loss to draw",
            "it needs a metrics.jsonl, or lines such as `step 250: train loss 1.9, val loss 2.0`",
        )
    speeds = [s for e in events["train"] if (s := _number(e.get("tokens_per_sec"))) is not None]
    times = [t for e in log.events if (t := _number(e.get("time"))) is not None]
    return Curve(
        printable(name),
        train,
        val,
        tokens_per_sec=statistics.median(speeds) if speeds else None,
        seconds=times[-1] if times else None,
        dropped=log.dropped,
    )


_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\r\n]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_COUNT = r"\d[\d,]{0,18}"
_NUMBER = r"([-+]?(?:\d+(?:\.\d*)?(?:e[-+]?\d+)?|nan|inf))"
_LINE = re.compile(
    rf"\biter (?P<iter>{_COUNT}): loss {_NUMBER}(?:, time {_NUMBER}ms)?"
    rf"|\bstep (?P<step>{_COUNT}): train loss {_NUMBER}, val loss {_NUMBER}"
    rf"|\btokens per iteration will be: (?P<batch>{_COUNT})",
    re.IGNORECASE | re.ASCII,
)


def _console_events(text: str) -> Iterable[Event]:
    """Find what nanoGPT's train.py prints, wherever it stands in a line."""
    batch = 0
    for match in _LINE.finditer(_ESCAPES.sub("", text)):
        _, loss, time_ms, _, train_loss, val_loss, _ = match.groups()
        if match["batch"]:
            batch = _count(match["batch"])
            continue
        step = _count(match["iter"] or match["step"])
        known: Event = {"step": step} | ({"tokens": step * batch} if batch else {})
        if match["step"]:
            losses = {"train_loss": float(train_loss), "val_loss": float(val_loss)}
            yield {"event": "eval"} | known | losses
        else:
            seconds = float(time_ms or 0) / 1000
            speed = {"tokens_per_sec": batch / seconds} if batch and seconds > 0 else {}
            yield {"event": "train"} | known | {"loss": float(loss)} | speed


def _count(text: str) -> int:
    return int(text.replace(",", ""))


def _decode(log: bytes) -> str:
    """Decode a console log, also as PowerShell's ``>`` writes it."""
    wide = log.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return log.decode("utf-16" if wide else "utf-8", errors="replace")


def _points(events: Iterable[Event], field: str) -> Points:
    """Take one loss out of events; a run that went back to a checkpoint starts over from there."""
    points: Points = []
    for event in events:
        step, loss = _number(event.get("step")), _number(event.get(field))
        if step is None or loss is None:
            continue
        while points and points[-1][0] >= step:
            points.pop()
        points.append((int(step), loss))
    return points


def _number(value: object) -> float | None:
    """Give a number that a chart can scale, or None."""
    usable = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12
    return float(value) if usable else None  # type: ignore[arg-type]


# Analysing


def summary(curves: Sequence[Curve]) -> list[dict[str, Any]]:
    """Say where each run stands; what its log does not tell is None."""
    return [
        {
            "run": curve.name,
            "steps": max(points[-1][0] for points in (curve.train, curve.val) if points),
            "train_loss": curve.smooth_train[-1][1] if curve.train else None,
            "val_loss": curve.val[-1][1] if curve.val else None,
            "best_val_loss": curve.best[1] if curve.best else None,
            "best_step": curve.best[0] if curve.best else None,
            "overfits_after": curve.overfits_after,
            "tokens_per_sec": curve.tokens_per_sec,
            "seconds": curve.seconds,
            "dropped_lines": curve.dropped,
        }
        for curve in curves
    ]


def smooth(values: Sequence[float]) -> list[float]:
    """Average each value with its neighbours, about a thirtieth of them to either side.

    The window is centred, so that a falling loss is not shown late; at the start it shrinks to the
    first value itself, at the end it looks back.
    """
    sums = [0.0, *itertools.accumulate(values)]
    averages = []
    for i in range(len(values)):
        left = min(i, len(values) // 30)
        right = min(left, len(values) - 1 - i)
        averages.append((sums[i + right + 1] - sums[i - left]) / (left + right + 1))
    return averages


def _at(points: Points, step: int) -> float:
    """Give the loss nearest to ``step``."""
    return min(points, key=lambda point: abs(point[0] - step))[1]


def _columns(points: Points) -> tuple[list[int], list[float]]:
    return [step for step, _ in points], [loss for _, loss in points]


def _thin(points: Points, limit: int) -> Points:
    """Leave out points evenly where there are more than can be seen; the last one stays."""
    every = len(points) // limit + 1
    return [*points[:-1:every], *points[-1:]]


def _range(values: Iterable[float], pad: float) -> tuple[float, float]:
    """Give the range of an axis, with room on both sides, also around one single value."""
    low, high = min(found := list(values)), max(found)
    room = pad * (high - low) or max(abs(high) * 0.1, 0.5)
    return low - room, high + room


def _step_range(curves: Sequence[Curve]) -> tuple[int, int]:
    """Give the first and the last step, also of one single point."""
    steps = [step for curve in curves for step, _ in curve.train + curve.val]
    return min(steps), max(max(steps), min(steps) + 1)


def _losses(curves: Sequence[Curve]) -> list[float]:
    """Give the losses that must be in the picture; single wild batches need not."""
    return [loss for curve in curves for _, loss in curve.smooth_train + curve.val]


# The terminal


def terminal_chart(
    curves: Sequence[Curve], width: int, height: int, *, color: bool, unicode: bool
) -> str:
    """Draw curves in ``width`` by ``height`` characters: below them a line of legend for each.

    The training loss is faint and without its noise; the validation loss has the run's colour, or
    its letter where several runs cannot be told apart by colour, and its best step a mark.
    """
    import plotext

    plotext.terminal.limit(False, False)  # the caller knows the size, also where there is no screen
    figure = plotext.figure
    figure.clear()
    figure.theme("simple").canvas("default")
    figure.plot_size(width, max(height - len(curves) - 1, 8))
    figure.axes(False, axis="x", side="upper").axes(False, axis="y", side="right")
    figure.label("step", axis="x")

    x_range = _step_range(curves)
    y_range = _range(_losses(curves), 0.04)
    figure.ruler("x").lim(*x_range).ticks(*_ticks(*x_range, width // 14, least=1))
    figure.ruler("y").lim(*y_range).ticks(*_ticks(*y_range, height // 4))

    def draw(points: Points, symbol: str, pixel: Any) -> None:
        marker = plotext.marker(symbol, pixel)
        signal = figure.signal(*_columns(_thin(points, 4 * width)), marker=marker)
        figure.draw(signal.lines(True).density("full"))

    fine = unicode and (color or len(curves) == 1)
    faint = "braille" if unicode and color else "·" if unicode else "."
    best = "●" if unicode else "*"
    symbols = ["braille" if fine else chr(ord("A") + i % 26) for i in range(len(curves))]
    hues = [TERMINAL_PALETTE[i % len(TERMINAL_PALETTE)] for i in range(len(curves))]
    for curve, hue in zip(curves, hues, strict=True):
        draw(curve.smooth_train, faint, (hue, None, "dim"))
    for curve, symbol, hue in zip(curves, symbols, hues, strict=True):
        draw(curve.val, symbol, hue)
    for curve, hue in zip(curves, hues, strict=True):
        draw([curve.best] if curve.best else [], best, hue)

    rows = ["loss", *figure.build().string(colorless=not color).splitlines()]
    for symbol, hue, text in zip(symbols, hues, _legend(curves, best, width - 3), strict=True):
        swatch = "━━" if fine else symbol
        rows.append(f"\x1b[38;5;{hue}m{swatch}\x1b[0m {text}" if color else f"{swatch} {text}")
    chart = "".join(f"{row.rstrip()}\n" for row in rows)
    return chart if unicode else chart.translate(_ASCII).encode("ascii", "replace").decode()


_ASCII = str.maketrans("│┤├─┬┴┼└┘┌┐", "|++-+++++++")


def _legend(curves: Sequence[Curve], best: str, width: int) -> list[str]:
    """Say of each run, in one line, its name, its best loss and where it overfits."""
    from rich.cells import cell_len, set_cell_size

    column = min(max(cell_len(curve.name) for curve in curves), width // 3)
    lines = []
    for curve in curves:
        if curve.best:
            step, loss = curve.best
            words = f"{best} best val loss {loss:.4f} at step {step:,}"
        else:
            step, loss = curve.smooth_train[-1]
            words = f"train loss {loss:.4f} at step {step:,}, never evaluated"
        words += ", then overfits" if curve.overfits_after is not None else ""
        lines.append(set_cell_size(f"{set_cell_size(curve.name, column)}  {words}", width).rstrip())
    return lines


def _ticks(low: float, high: float, count: int, least: float = 0) -> tuple[list[float], list[str]]:
    """Give about ``count`` round numbers between ``low`` and ``high``, and how to write them."""
    raw = max((high - low) / max(count, 2), least)
    power = 10.0 ** math.floor(math.log10(raw))
    gap = next(m * power for m in (1, 2, 5, 10) if m * power >= raw * 0.999)
    decimals = max(0, -math.floor(math.log10(gap * 1.001)))
    ticks = [n * gap for n in range(math.ceil(low / gap), math.floor(high / gap) + 1)]
    return ticks, [f"{tick:,.{decimals}f}" for tick in ticks]


# Pictures


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
    "svg.hashsalt": "nanogpt",
}


def save_figure(curves: Sequence[Curve], path: Path) -> None:
    """Draw curves into a .png, an .svg or a self-contained .html, whole or not at all.

    Raises UsageError for another suffix, MachineError where the file cannot be written.
    """
    kind = check_suffix(path)
    picture = _render(curves, "png" if kind == ".png" else "svg")
    if kind == ".html":
        picture = _page(curves, picture.decode()).encode()
    with atomic_write(path) as file:
        file.write(picture)


def check_suffix(path: Path) -> str:
    """Give the kind of picture that a file's name asks for. Raises UsageError for another."""
    kind = path.suffix.lower()
    if kind not in FIGURE_SUFFIXES:
        raise UsageError(
            f"cannot draw into {path}: the suffix says no known format",
            f"end its name in one of: {', '.join(FIGURE_SUFFIXES)}",
        )
    return kind


def _render(curves: Sequence[Curve], kind: str) -> bytes:
    """Draw with matplotlib, undisturbed by the user's settings of it, and without its talk."""
    import logging
    import warnings

    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    from matplotlib import style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with style.context(["default", _STYLE]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name in a script that DejaVu lacks is drawn as boxes
        figure = Figure(figsize=(8.4, 4.8), layout="constrained")
        FigureCanvasAgg(figure)
        _draw(figure.add_subplot(), curves)
        file = io.BytesIO()
        nameless = {"Software": None} if kind == "png" else {"Date": None, "Creator": None}
        figure.savefig(file, format=kind, dpi=160, metadata=nameless)
    return file.getvalue()


def _draw(axes: Any, curves: Sequence[Curve]) -> None:
    """Put the curves, their marks and their names on matplotlib's axes."""
    low, high = _range(_losses(curves), 0.06)
    axes.set_ylim(low, high)
    first, last = _step_range(curves)
    axes.set_xlim(first - 0.015 * (last - first), last + 0.015 * (last - first))
    axes.set_xlabel("step")
    axes.set_ylabel("loss")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.xaxis.get_major_locator().set_params(integer=True)
    if len(curves) == 1:
        axes.set_title(_short(curves[0].name, 60), loc="left", weight="bold")
    else:
        caption = "validation loss (dots) and training loss (thin)"
        axes.set_title(caption, loc="left", color=FAINT, size=10)
    ends = []
    for index, curve in enumerate(curves):
        hue = PALETTE[index % len(PALETTE)]
        dash = ("-", "--", ":")[index // len(PALETTE) % 3]
        train, val = _thin(curve.smooth_train, 4000), curve.val
        axes.plot(*_columns(_thin(curve.train, 4000)), color=hue, alpha=0.18, linewidth=0.7)
        axes.plot(
            *_columns(train), dash, color=hue, alpha=0.55, linewidth=1.2,
            marker="o" if len(train) == 1 else "", markersize=3,
        )  # fmt: skip
        axes.plot(
            *_columns(val), dash, color=hue, linewidth=2,
            marker="o", markersize=4, markevery=len(val) // 40 + 1,
        )  # fmt: skip
        if curve.best:
            axes.plot(*curve.best, "o", color="white", mec=hue, mew=2, markersize=7.5, zorder=4)
        if curve.overfits_after is not None:
            axes.axvline(curve.overfits_after, color=hue, alpha=0.7, linewidth=1, linestyle=":")
            axes.annotate(
                "overfits from here", (curve.overfits_after, high), (6, -12 * (index + 1)),
                textcoords="offset points", color=hue, size=9,
            )  # fmt: skip
        best = "\nbest {1:.4f} at {0:,}".format(*curve.best) if curve.best else ""
        if len(curves) > 1:
            ends.append((_short(curve.name, 28) + best, (val or train)[-1][1], hue))
        else:
            ends += [("validation" + best, val[-1][1], hue)] if val else []
            ends += [("training", train[-1][1], hue)] if train else []
    _label_ends(axes, ends, high, gap=(high - low) * min(0.1, 1 / len(ends)))


def _label_ends(axes: Any, ends: Iterable[tuple[str, float, str]], high: float, gap: float) -> None:
    """Write each curve's label where it ends, moved apart where two would touch."""
    ends = sorted(ends, key=lambda end: end[1])
    places = list(itertools.accumulate((loss for _, loss, _ in ends), lambda a, b: max(b, a + gap)))
    down = max(0.0, places[-1] - high)
    for (label, _, hue), place in zip(ends, places, strict=True):
        axes.annotate(
            label, (1, place - down), (8, 0), xycoords=("axes fraction", "data"), color=hue,
            textcoords="offset points", va="center", annotation_clip=False, size=9,
            linespacing=1.3,
        )  # fmt: skip


def _short(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _page(curves: Sequence[Curve], svg: str) -> str:
    """Wrap a picture into a page that needs nothing else, with its numbers as a table."""
    rows = summary(curves)
    head = "".join(f"<th>{html.escape(key.replace('_', ' '))}</th>" for key in rows[0])
    body = "".join(
        f"<tr>{''.join(f'<td>{html.escape(_cell(value))}</td>' for value in row.values())}</tr>"
        for row in rows
    )
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{html.escape(", ".join(curve.name for curve in curves))}: loss</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; color: {INK}; max-width: 60rem; margin: 2rem auto; }}
svg {{ width: 100%; height: auto; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }}
td, th {{ padding: .3em .8em; text-align: right; border-bottom: 1px solid #e3e6ea; }}
td:first-child, th:first-child {{ text-align: left; }}
</style>
{svg[svg.index("<svg") :]}
<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>
</html>
"""


def _cell(value: object) -> str:
    """Write one number of the summary for people."""
    match value:
        case None:
            return "–"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.4f}" if abs(value) < 100 else f"{value:,.0f}"
    return str(value)
