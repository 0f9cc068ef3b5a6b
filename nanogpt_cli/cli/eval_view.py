"""What ``nanogpt eval`` prints: a table of metrics by models, as text, CSV or Markdown; replies."""

import csv
import sys
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nanogpt_cli.cli import ui
from nanogpt_cli.text import printable

if TYPE_CHECKING:
    from rich.console import Console

    from nanogpt_cli.evaluation.metrics.base import Metric
    from nanogpt_cli.evaluation.run import Evaluation
    from nanogpt_cli.evaluation.statistics import Number

LONGEST_NAME = 18
"""Characters of a model's name at the head of a column."""
ABSENT = "-"
FILE_WIDTH = 10_000
"""Columns of a pipe or a file, which has no last one."""


@dataclass(frozen=True)
class Column:
    """A model or a yardstick, with its numbers."""

    name: str
    numbers: "Mapping[str, Number]"
    is_model: bool = True


def names_of(results: "Sequence[Evaluation]") -> list[str]:
    """Return a short name for each model: its run's, or its path where that says too little."""
    from nanogpt_cli.runs import BEST, RUNS

    short = []
    for result in results:
        path = result.checkpoint
        named = path.parent if path.name == BEST and path.parent != Path() else path
        short.append(printable(named.relative_to(RUNS) if RUNS in named.parents else named))
    if len(set(short)) == len(short):
        return short
    return [f"{i}: {name}" for i, name in enumerate(short, start=1)]


def columns(results: "Sequence[Evaluation]") -> list[Column]:
    """Return the models, then what they are measured against."""
    from nanogpt_cli.evaluation.compare import baselines

    models = [
        Column(n, result.numbers) for n, result in zip(names_of(results), results, strict=True)
    ]
    return [*models, *(Column(row.name, row.numbers, False) for row in baselines(results))]


def show_table(results: "Sequence[Evaluation]") -> None:
    """Print a row for each number and a column for each model, in blocks as wide as the terminal.

    After a value stands half of its 95% interval.
    """
    from nanogpt_cli.evaluation.compare import best, compare, differences, not_comparable

    out = _console()
    metrics = metrics_of(results)
    shown = columns(results)
    marked = not_comparable(results) & set(metrics)
    _print_blocks(out, metrics, shown, best=best(results), marked=marked)
    if marked:
        ui.say("† per token of each model's own tokenizer or data: cannot be compared")
    pairs = [pair for pair in differences(results) if pair.numbers]
    if pairs:
        names = names_of(results)
        out.print()
        out.print(ui.escape(f"difference from {_short(names[0])}"))
        rows = [Column(names[pair.model], pair.numbers) for pair in pairs]
        of_pairs = {n: m for n, m in metrics.items() if any(n in row.numbers for row in rows)}
        _print_blocks(out, of_pairs, rows, signed=True)
        ui.say("* the 95% interval of the difference, on the same prompts or text, excludes 0")
    if note := compare(results).note:
        ui.note(note)


def _console() -> "Console":
    from rich.console import Console

    return Console(soft_wrap=True, width=None if sys.stdout.isatty() else FILE_WIDTH)


def metrics_of(results: "Sequence[Evaluation]") -> "dict[str, Metric]":
    """Return the metric of each number that any model has, in the registry's order."""
    from nanogpt_cli.evaluation.compare import by_number
    from nanogpt_cli.evaluation.metrics.base import registered_metrics

    found = {name for result in results for name in result.numbers}
    return {name: m for name, m in by_number(registered_metrics()).items() if name in found}


def _print_blocks(
    out: "Console",
    metrics: "Mapping[str, Metric]",
    shown: Sequence[Column],
    best: Mapping[str, frozenset[int]] | None = None,
    signed: bool = False,
    marked: Set[str] = frozenset(),
) -> None:
    """Print as many columns beside each other as fit."""
    from rich.table import Table
    from rich.text import Text

    titles = {
        name: title_of(metric, name) + (" †" if name in marked else "")
        for name, metric in metrics.items()
    }
    cells = [
        [cell(metric, name, column.numbers.get(name), signed) for name, metric in metrics.items()]
        for column in shown
    ]
    heads = [_short(column.name) for column in shown]
    widths = [max(map(len, [head, *texts])) for head, texts in zip(heads, cells, strict=True)]
    first = max(map(len, titles.values()), default=0)
    for block in _blocks(widths, out.width - first):
        table = Table(box=None, pad_edge=False)
        table.add_column("")
        for i in block:
            table.add_column(Text(heads[i]), justify="right", no_wrap=True)
        for row, name in enumerate(metrics):
            if all(cells[i][row] == ABSENT for i in block):
                continue
            chosen = (best or {}).get(name, ())
            texts = [Text(cells[i][row], "bold" if i in chosen else "") for i in block]
            table.add_row(Text(titles[name]), *texts)
        if block[0]:
            out.print()
        out.print(table)


def _blocks(widths: Sequence[int], room: int) -> list[list[int]]:
    """Return which columns stand beside each other, each with two spaces before it."""
    blocks: list[list[int]] = [[]]
    used = 0
    for i, width in enumerate(widths):
        if blocks[-1] and used + width + 2 > room:
            blocks.append([])
            used = 0
        blocks[-1].append(i)
        used += width + 2
    return blocks


def title_of(metric: "Metric", name: str) -> str:
    """Return what a number is called in a table."""
    return metric.titles.get(name) or metric.title or name


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"...{name[3 - LONGEST_NAME :]}"


def cell(metric: "Metric", name: str, found: "Number | None", signed: bool = False) -> str:
    """Return a value with half of its interval, ``1.23 ±0.04``, or a dash."""
    if found is None or found.value is None:
        return ABSENT
    text = metric.show(found.value)
    if signed and found.value >= 0:
        text = f"+{text}"
    if found.low is None or found.high is None:
        return text
    sure = "*" if signed and (found.low > 0 or found.high < 0) else " " if signed else ""
    return f"{text} ±{metric.show((found.high - found.low) / 2)}{sure}"


def print_csv(results: "Sequence[Evaluation]") -> None:
    """Print a line for each number of each model, with its interval; then the differences."""
    from nanogpt_cli.evaluation.compare import differences

    rows = csv.writer(sys.stdout, lineterminator="\n")
    rows.writerow(["model", "against", "metric", "value", "low", "high", "absent"])
    names = names_of(results)
    for column in columns(results):
        for name, found in column.numbers.items():
            rows.writerow([column.name, "", name, found.value, found.low, found.high, ""])
    for name, result in zip(names, results, strict=True):
        for metric, reason in result.absent.items():
            rows.writerow([name, "", metric, "", "", "", reason])
    for pair in differences(results):
        for name, found in pair.numbers.items():
            row = [names[pair.model], names[0], name, found.value, found.low, found.high, ""]
            rows.writerow(row)


def print_markdown(results: "Sequence[Evaluation]") -> None:
    """Print the table in Markdown, each value with its 95% interval."""
    from nanogpt_cli.evaluation.compare import not_comparable

    shown, marked = columns(results), not_comparable(results)
    print(_row(["", *(column.name for column in shown)]))
    print(_row(["---", *("---:" for _ in shown)]))
    for name, metric in metrics_of(results).items():
        title = title_of(metric, name) + (" †" if name in marked else "")
        print(_row([title, *(_with_interval(metric, c.numbers.get(name)) for c in shown)]))


def _row(texts: Iterable[str]) -> str:
    return f"| {' | '.join(text.replace('|', chr(92) + '|') for text in texts)} |"


def _with_interval(metric: "Metric", found: "Number | None") -> str:
    if found is None or found.value is None:
        return "-"
    if found.low is None or found.high is None:
        return metric.show(found.value)
    return f"{metric.show(found.value)} [{metric.show(found.low)}, {metric.show(found.high)}]"


def show_replies(results: "Sequence[Evaluation]", count: int) -> None:
    """Print prompts, references and each model's reply to them, one under the other."""
    from rich.table import Table
    from rich.text import Text

    out = _console()
    replied = [
        (_short(name), result.replies.replies)
        for name, result in zip(names_of(results), results, strict=True)
        if result.replies is not None
    ]
    if not replied:
        return
    first = replied[0][1]
    for i in range(min(count, len(first))):
        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold", max_width=None)
        prompt = first[i].prompt[-1][1]
        table.add_row(Text("prompt", "dim"), Text(printable(prompt)))
        table.add_row(Text("reference", "dim"), Text(printable(first[i].reference)))
        for name, replies in replied:
            same = i < len(replies) and replies[i].prompt == first[i].prompt
            text = printable(replies[i].reply) if same else "(another prompt)"
            end = "" if not same or replies[i].ended else " ..."
            table.add_row(Text(name, "bold"), Text(f"{text}{end}"))
        out.print()
        out.print(table)


def list_metrics() -> None:
    """Print the metrics with what each measures and needs."""
    from rich.table import Table
    from rich.text import Text

    from nanogpt_cli.evaluation.metrics.base import registered_metrics

    needs = {"text": "any text", "replies": "dialogues", "labels": "labels"}
    table = Table(box=None, pad_edge=False)
    for title in ("metric", "needs", "measures"):
        table.add_column(title, no_wrap=title != "measures")
    for name, metric in registered_metrics().items():
        about = f"{metric.about}; requires {metric.requires}" if metric.requires else metric.about
        table.add_row(Text(name), Text(needs.get(metric.needs, metric.needs)), Text(about))
    out = _console()
    out.print(table)


def note_absent(results: "Sequence[Evaluation]", asked: bool) -> None:
    """Say which metrics do not apply to which model, and why."""
    for name, result in zip(names_of(results), results, strict=True):
        if not asked and result.replies is None:
            continue
        reasons: dict[str, list[str]] = {}
        for metric, reason in result.absent.items():
            reasons.setdefault(reason, []).append(metric)
        for reason, metrics in reasons.items():
            ui.note(f"{name}: no {', '.join(metrics)}: {reason}")
