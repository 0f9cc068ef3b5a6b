"""What ``nanogpt eval`` shows beside its table: yardsticks, positions, memorisation, speed."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from nanogpt_cli.cli import ui
from nanogpt_cli.text import byte_size, counted, printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from nanogpt_cli.evaluation.memorisation import Copies, Memorisation
    from nanogpt_cli.evaluation.run import Evaluation
    from nanogpt_cli.evaluation.speed import Speed
    from nanogpt_cli.evaluation.studies import Name, PositionLosses, Study, Yardsticks

YardsticksFlag = Annotated[
    bool,
    typer.Option(
        "--yardsticks", help="Compare with n-grams and compressors that read the training text."
    ),
]
PositionsFlag = Annotated[
    bool,
    typer.Option(
        "--positions", help="The loss by position; rope and relative also beyond the block."
    ),
]
MemorisationFlag = Annotated[
    bool,
    typer.Option(
        "--memorisation", help="What of generated text stands verbatim in the training text."
    ),
]
SpeedFlag = Annotated[
    bool,
    typer.Option("--speed", help="Prefill and decode tokens per second at batch 1, 4 and 16."),
]


def chosen_studies(**wanted: bool) -> "list[Name]":
    """Return the names of the studies that were asked for."""
    return [cast("Name", name) for name, asked in wanted.items() if asked]


def run_studies(
    models: Sequence[str | Path],
    names: "Sequence[Name]",
    data: str | None,
    device: str,
    results: "Sequence[Evaluation]",
) -> "list[Study]":
    """Measure what was asked for of models with these results, under a progress bar."""
    if not names:
        return []
    from nanogpt_cli.evaluation.studies import studies

    with ui.progress(counts=False) as bar:
        task = bar.add_task("loading the model", total=None, note="")
        shown = ""

        def working(doing: str, done: int = 0, total: int | None = None) -> None:
            nonlocal shown
            if doing != shown:  # the time left is that of what is being done now
                shown = doing
                bar.reset(task, description=ui.escape(printable(doing)), total=total)
            bar.update(task, completed=done)

        losses = {r.checkpoint: r.loss for r in results if r.loss and r.loss_on == "all"}
        return list(studies(models, names, data, device, ui.note, working, losses))


def studies_json(studies: "Iterable[Study]") -> dict[str, list[dict[str, Any]]]:
    """Return the keys that studies add to the JSON document."""
    keys: dict[str, list[dict[str, Any]]] = {}
    for study in studies:
        keys.setdefault(study.name, []).append(study.to_dict())
    return keys


def show_studies(studies: "Sequence[Study]") -> None:
    """Print studies below the table; yardsticks that models share, once."""
    from nanogpt_cli.evaluation.studies import Yardsticks

    out = _console()
    groups: dict[int, list[Study]] = {}
    for study in studies:
        if isinstance(study.result, Yardsticks):
            groups.setdefault(id(study.result), []).append(study)
    for group in groups.values():
        models = {
            printable(study.checkpoint): study.loss.bits_per_byte for study in group if study.loss
        }
        assert isinstance(group[0].result, Yardsticks)
        _show_yardsticks(out, group[0].result, models)
    for study in studies:
        name = printable(study.checkpoint)
        if study.result is None:
            out.print(f"\n{study.name} of {ui.escape(name)}: not measured, {study.reason}")
        elif not isinstance(study.result, Yardsticks):
            _SHOW[study.name](out, name, study.result)


def _console() -> "Console":
    """Return the console of results, with lines that end between words on a terminal alone."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else 10_000
    return Console(width=width, highlight=False)


def _table(*titles: str, wrapped: int | None = None) -> "Table":
    """Return a table without lines; the first column is on the left, as is a ``wrapped`` one."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for number, title in enumerate(titles):
        left = number in (0, wrapped)
        folds = number == wrapped or (number == 0 and wrapped is not None)
        table.add_column(title, justify="left" if left else "right", no_wrap=not folds)
    return table


def _show_yardsticks(
    out: "Console", found: "Yardsticks", models: Mapping[str, float | None]
) -> None:
    """Print models among the yardsticks, the weakest first, and whether they beat a compressor."""
    from nanogpt_cli.evaluation.yardsticks import verdict

    rows = [(y.bits_per_byte, y.name, y.means, False) for y in found.yardsticks]
    rows += [(bits, name, "the model", True) for name, bits in models.items()]
    table = _table("", "bits per byte", "what it is", wrapped=2)
    for value, name, means, is_model in sorted(rows, key=lambda row: -(row[0] or 0)):
        if value is not None:
            style = "bold" if is_model else None
            table.add_row(ui.escape(name), f"{value:.3f}", means, style=style)
    out.print()
    out.print(table)
    for yardstick in found.yardsticks:
        if yardstick.reason:
            ui.say(f"{yardstick.name}: not measured, {yardstick.reason}")
    if found.trained_on:
        ui.say(f"all of them have read the training text of {printable(found.trained_on)}")
    if found.replies_alone:
        ui.say("measured here on all of the text, not on replies alone")
    for name, bits in models.items():
        if said := verdict(bits, found.yardsticks):
            out.print(f"{ui.escape(name)} is {said}")


def _show_positions(out: "Console", name: str, found: "PositionLosses") -> None:
    """Print a row for each range of positions, and a column for each length of windows."""
    measured = [context for context in found.contexts if context.reason is None]
    rows: dict[str, list[str]] = {}
    for column, context in enumerate(measured):
        parts = [
            (f"{s.first:,}" if s.first == s.last else f"{s.first:,} to {s.last:,}", s.loss)
            for s in context.spans
        ]
        for title, loss in [*parts, ("all", context.loss)]:
            if title == "all" and title in rows:
                rows[title] = rows.pop(title)  # it stays the last
            cells = rows.setdefault(title, ["-"] * len(measured))
            cells[column] = f"{loss:.4f}"
    out.print(
        f"\nloss by position of {ui.escape(name)}, in nats per token, for windows of so many tokens"
    )
    table = _table("position", *(f"{context.context:,}" for context in measured))
    for title, cells in rows.items():
        table.add_row(title, *cells, style="bold" if title == "all" else None)
    out.print(table)
    for context in found.contexts:
        if context.reason:
            ui.say(f"windows of {context.context:,}: not measured, {context.reason}")


def _show_memorisation(out: "Console", name: str, found: "Memorisation") -> None:
    """Print what is verbatim of generated and of validation text, and both losses."""
    both = (found.generated, found.validation)
    longest = [copies.longest.characters if copies.longest else 0 for copies in both]
    table = _table("in characters", "generated", "validation")
    table.add_row("text", *(f"{copies.characters:,}" for copies in both))
    table.add_row("longest verbatim span", *(f"{count:,}" for count in longest), style="bold")
    table.add_row("median span", *(f"{copies.median:,.0f}" for copies in both))
    for length in found.generated.shares:
        shares = (f"{copies.shares[length]:.1%}" for copies in both)
        table.add_row(f"in spans of {length} or more", *shares)
    out.print(f"\nwhat stands verbatim in the training text of {ui.escape(name)}")
    out.print(table)
    for title, copies in zip(("generated", "validation"), both, strict=True):
        if copies.longest:
            out.print(f"longest {title}: {_span(copies)}")
    train, val = found.train.per_token, found.val.per_token
    out.print(
        f"training loss {train:.4f}, validation loss {val:.4f}: a gap of {val - train:.4f} nats "
        "per token"
    )
    sampling = found.sampling
    ui.say(
        f"{counted(found.samples, 'text')} generated at temperature {sampling.temperature:g}, seed "
        f"{sampling.seed}"
    )


def _span(copies: "Copies") -> str:
    """Return the longest span, shortened in the middle, and where it stands."""
    longest = copies.longest
    assert longest
    text = printable(longest.text)
    if len(text) > 2 * _SHOWN:
        text = f"{text[:_SHOWN]} ... {text[-_SHOWN:]}"
    where = f" ({printable(longest.place)})" if longest.place else ""
    times = f", {longest.count:,} times" if longest.count > 1 else ""
    return ui.escape(f'"{text}"{where}{times}')


def _show_speed(out: "Console", name: str, found: "Speed") -> None:
    """Print a row for each number of sequences at a time."""
    out.print(f"\nspeed of {ui.escape(name)} on {found.device}, in tokens per second")
    table = _table("batch", "prefill", "decode", "memory", "bandwidth")
    for batch in found.batches:
        if batch.reason is not None:
            table.add_row(str(batch.batch), batch.reason, "", "", "")
            continue
        table.add_row(
            str(batch.batch),
            f"{batch.prefill_tokens_per_sec:,.0f}",
            f"{batch.decode_tokens_per_sec:,.0f}",
            byte_size(batch.memory),
            f"{batch.bandwidth_share:.0%}",
        )
    out.print(table)
    threads = "" if found.device.startswith("cuda") else f" with {counted(found.threads, 'thread')}"
    ui.say(
        f"memory gives {found.bandwidth / 1e9:,.1f} GB/s{threads}; the parameters take "
        f"{byte_size(found.parameter_bytes)}, the process {byte_size(found.process_memory)}"
    )


_SHOWN = 60
"""Characters of each end of a long span that are shown."""

_SHOW: "dict[str, Callable[[Console, str, Any], None]]" = {
    "positions": _show_positions,
    "memorisation": _show_memorisation,
    "speed": _show_speed,
}
