"""A training run in a Jupyter notebook: one output that shows progress and the curves of the loss.

It is HTML with an SVG in it, replaced twice a second, and stays as it was last in the saved
notebook. Without IPython there is nothing to show it, and nothing happens.
"""

import time
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nanogpt_cli.training.reporter import EvalReport, StepReport

WIDTH, HEIGHT = 480, 160
"""Of the curves, in pixels."""
_MOST_POINTS = 400
_EVERY = 0.5
"""Seconds between updates."""

Points = list[tuple[int, float]]


class NotebookView:
    """Receives the reports of a run, as the callbacks of ``api.train`` do."""

    def __init__(self) -> None:
        self._train: Points = []
        self._val: Points = []
        self._last: StepReport | None = None
        self._shown_at = 0.0
        self._output: Any = None

    def step(self, report: "StepReport") -> None:
        """Take an optimizer step."""
        self._train.append((report.step, report.loss))
        if len(self._train) > _MOST_POINTS:
            del self._train[::2]
        self._last = report
        if time.monotonic() - self._shown_at >= _EVERY:
            self.show()

    def evaluation(self, report: "EvalReport") -> None:
        """Take an evaluation."""
        self._val.append((report.step, report.val_loss))
        self.show()

    def show(self) -> None:
        """Update the output, which appears at the first call."""
        if find_spec("IPython") is None:
            return
        from IPython.display import HTML, display

        self._shown_at = time.monotonic()
        content = HTML(self.html())
        if self._output is None:
            self._output = display(content, display_id=True)
        else:
            self._output.update(content)

    def html(self) -> str:
        """Return what is shown."""
        said = []
        if self._last:
            said.append(f"step {self._last.step:,} ({self._last.fraction:.0%})")
            said.append(f"loss {self._last.loss:.3f}")
            said.append(f"{self._last.tokens_per_sec:,.0f} tokens/s")
        if self._val:
            step, best = min(self._val, key=lambda point: point[1])
            said.append(f"best validation loss {best:.4f} at step {step:,}")
        done = (
            f"<progress max='1' value='{self._last.fraction if self._last else 0:.3f}'></progress>"
        )
        return f"<div>{done} {', '.join(said)}</div>{_curves(self._train, self._val)}"


def _curves(train: Points, val: Points) -> str:
    """Return an SVG: the training loss as a line, the validation loss as a line with points."""
    both = train + val
    if len(both) < 2:
        return ""
    last = max(step for step, _ in both) or 1
    low, high = min(loss for _, loss in both), max(loss for _, loss in both)
    span = (high - low) or 1.0

    def place(point: tuple[int, float]) -> str:
        x = 40 + (WIDTH - 50) * point[0] / last
        return f"{x:.1f},{10 + (HEIGHT - 30) * (high - point[1]) / span:.1f}"

    def line(points: Points, colour: str) -> str:
        places = " ".join(map(place, points))
        return f"<polyline points='{places}' fill='none' stroke='{colour}' stroke-width='1.5'/>"

    marks = "".join(
        "<circle cx='{}' cy='{}' r='2.5' fill='#d95f02'/>".format(*place(point).split(","))
        for point in val
    )
    labels = (
        f"<text x='0' y='14'>{high:.2f}</text><text x='0' y='{HEIGHT - 18}'>{low:.2f}</text>"
        f"<text x='40' y='{HEIGHT - 4}'>0</text>"
        f"<text x='{WIDTH - 10}' y='{HEIGHT - 4}' text-anchor='end'>step {last:,}</text>"
    )
    return (
        f"<svg width='{WIDTH}' height='{HEIGHT}' font-size='11' fill='currentColor' role='img' "
        f"aria-label='training and validation loss'>{labels}{line(train, '#1b9e77')}"
        f"{line(val, '#d95f02')}{marks}</svg>"
    )
