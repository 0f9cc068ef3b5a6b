"""``eval -o FILE``: the table and the loss by position as a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nanogpt_cli.cli import eval_view, ui
from nanogpt_cli.plot import save
from nanogpt_cli.text import printable

if TYPE_CHECKING:
    from nanogpt_cli.evaluation.run import Evaluation
    from nanogpt_cli.evaluation.studies import PositionLosses, Study
    from nanogpt_cli.plot.measures import Line, Measure


def check_output(output: Path | None, force: bool) -> None:
    """Raise UsageError where a picture cannot be drawn into ``output``."""
    if output is not None:
        save.check_target(output, [], force, save.MEASURE_KINDS)


def draw(results: "Sequence[Evaluation]", studies: "Sequence[Study]", output: Path | None) -> None:
    """Draw models with their intervals, and losses by position where they were measured."""
    if output is None:
        return
    from nanogpt_cli.evaluation.studies import PositionLosses
    from nanogpt_cli.plot.measures import Measures

    columns = eval_view.columns(results)
    numbers = {str(result.checkpoint): i for i, result in enumerate(results)}
    lines: list[Line] = []
    blocks = []
    for study in studies:
        if isinstance(study.result, PositionLosses):
            lines += _lines(numbers[str(study.checkpoint)], study.result)
            blocks.append(study.result.contexts[0].context)
    names = [column.name for column in columns]
    found = Measures(names, _measures(results, columns), lines, blocks, models=len(results))
    save.save_measures(found, output)
    ui.say(f"wrote {printable(output)}")


def _measures(
    results: "Sequence[Evaluation]", columns: "Sequence[eval_view.Column]"
) -> "list[Measure]":
    """Return what can be compared: each number that a column has, with its unit."""
    from nanogpt_cli.evaluation.compare import not_comparable
    from nanogpt_cli.plot.measures import Estimate, Measure

    hidden = not_comparable(results)
    found = []
    for name, metric in eval_view.metrics_of(results).items():
        numbers = [column.numbers.get(name) for column in columns]
        estimates = [
            None if n is None or n.value is None else Estimate(n.value, n.low, n.high)
            for n in numbers
        ]
        if any(estimates) and name not in hidden:
            arrow = {"higher": " ↑", "lower": " ↓"}.get(metric.better or "", "")
            found.append(Measure(eval_view.title_of(metric, name) + arrow, estimates))
    return found


def _lines(index: int, losses: "PositionLosses") -> "list[Line]":
    """Return a line for windows as in training, and one for the longest that were measured.

    A range of positions stands at the middle of its logarithms.
    """
    from nanogpt_cli.plot.measures import Line

    measured = [context for context in losses.contexts if context.reason is None]
    return [
        Line(index, [((s.first * s.last) ** 0.5, s.loss) for s in context.spans], beyond)
        for context, beyond in zip(measured[:1] + measured[1:][-1:], (False, True), strict=False)
        if context.spans
    ]
