"""Loss curves made of a log's events: smoothed, their best step, and where a run overfits.

Does not know how a curve is drawn.
"""

import itertools
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from nanogpt_cli.errors import DataError
from nanogpt_cli.logs.events import Event, Log
from nanogpt_cli.text import printable

Points = list[tuple[int, float]]
"""(step, loss) pairs in nats per token, steps rising, every number finite."""

PANELS = {"lr": "lr", "grad_norm": "grad_norm", "speed": "tokens_per_sec"}
"""What can be drawn beside losses, and under which name a log has it."""


@dataclass(frozen=True)
class Sample:
    """A text that the model wrote during training."""

    step: int
    prompt: str
    text: str


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
    positions: Mapping[str, Mapping[int, float]] = field(default_factory=dict)
    """What the log says of the steps besides losses: ``tokens`` and ``time``, each by step."""
    panels: Mapping[str, Points] = field(default_factory=dict)
    """What the log has of ``PANELS``; in place of a loss it has their values."""
    samples: Sequence[Sample] = ()

    @cached_property
    def smooth_train(self) -> Points:
        """The training loss without its noise, each value at its own step."""
        return smooth_points(self.train)

    @property
    def best(self) -> tuple[int, float] | None:
        """The step of the lowest validation loss, and that loss."""
        return min(self.val, key=lambda point: point[1], default=None)

    @property
    def overfits_after(self) -> int | None:
        """The best step, where the validation loss then rose while the training loss fell.

        Only where the rise is more than noise: at least three evaluations follow, the later half of
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


def to_curve(name: str, log: Log) -> Curve:
    """Return the losses of a run. Raises DataError where its log has none."""
    events = {kind: [e for e in log.events if e["event"] == kind] for kind in ("train", "eval")}
    train = _points(events["train"], "loss") or _points(events["eval"], "train_loss")
    val = _points(events["eval"], "val_loss")
    if not train and not val:
        raise DataError(
            f"no losses found in {printable(name)}",
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
        positions=_positions(events["train"] + events["eval"]),
        panels={
            p: found for p, name in PANELS.items() if (found := _points(events["train"], name))
        },
        samples=_samples(log.events),
    )


def _samples(events: Iterable[Event]) -> tuple[Sample, ...]:
    """Collect the samples; those of a resumed run replace what came after its checkpoint."""
    found: list[Sample] = []
    for event in events:
        step, text = _number(event.get("step")), event.get("text")
        if event["event"] != "sample" or step is None or not isinstance(text, str):
            continue
        while found and found[-1].step >= step:
            found.pop()
        prompt = event.get("prompt")
        found.append(Sample(int(step), prompt if isinstance(prompt, str) else "", text))
    return tuple(found)


def _positions(events: Iterable[Event]) -> dict[str, dict[int, float]]:
    """Return the tokens and the seconds of training after each step, as far as they are known."""
    found: dict[str, dict[int, float]] = {}
    for event in events:
        step = _number(event.get("step"))
        for axis in ("tokens", "time"):
            value = _number(event.get(axis))
            if step is not None and value is not None:
                found.setdefault(axis, {})[int(step)] = value
    return found


def _points(events: Iterable[Event], field: str) -> Points:
    """Collect one loss from events; a run resumed from a checkpoint replaces what came after it."""
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
    """Return a number that a chart can scale, or None."""
    usable = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12
    return float(value) if usable else None  # type: ignore[arg-type]


def summary(curves: Sequence[Curve]) -> list[dict[str, Any]]:
    """Return the state of each run; what its log does not say is None."""
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


def smooth_points(points: Points, count: int | None = None) -> Points:
    """Return points with the values that ``smooth`` gives, each at its own step."""
    values = smooth([value for _, value in points], count)
    return [(step, value) for (step, _), value in zip(points, values, strict=True)]


def smooth(values: Sequence[float], count: int | None = None) -> list[float]:
    """Average ``count`` neighbours, by default about a thirtieth of the values to either side.

    The window is centred, so that a falling loss is not shown late; at the start it shrinks to the
    first value itself, at the end it looks back.
    """
    reach = len(values) // 30 if count is None else count // 2
    sums = [0.0, *itertools.accumulate(values)]
    averages = []
    for i in range(len(values)):
        left = min(i, reach)
        right = min(left, len(values) - 1 - i)
        averages.append((sums[i + right + 1] - sums[i - left]) / (left + right + 1))
    return averages


def _at(points: Points, step: int) -> float:
    """Return the loss nearest to ``step``."""
    return min(points, key=lambda point: abs(point[0] - step))[1]
