"""Loss curves for the tests of what draws and analyses them."""

from nanogpt_cli.logs.curves import Curve, Sample

FALLING = [(step, 4 - step / 500) for step in range(0, 1001, 10)]
RISING = [(step, 2 + step / 500) for step in range(0, 1001, 10)]


def curve(*val: float, train=FALLING, name: str = "run") -> Curve:
    """A curve with an evaluation every 100 steps."""
    return Curve(name, list(train), [(100 * i, float(loss)) for i, loss in enumerate(val)])


HEALTHY = curve(4, 3, 2.5, 2.2, 2.1, 2.0, name="healthy")
OVERFITTING = curve(4, 3, 2.5, 2.6, 2.7, 2.8, 2.9, name="overfitting")

_STEPS = range(10, 1001, 10)
STEEP = Curve(
    "steep",
    [(step, 1 + 3.2 * 2 ** (-step / 10) + 0.4 * (1 - step / 1000)) for step in _STEPS],
    [(0, 4.2), *((step, 1.1 + 0.4 * (1 - step / 1000)) for step in range(100, 1001, 100))],
    positions={
        "tokens": {step: 512 * step for step in range(0, 1001, 10)},
        "time": {step: step / 5 for step in range(0, 1001, 10)},
    },
    panels={
        "lr": [(step, 1e-3 * (1 - step / 1001)) for step in _STEPS],
        "grad_norm": [(step, 50.0 if step == 500 else 1.0) for step in _STEPS],
        "speed": [(step, 5000.0) for step in _STEPS],
    },
    samples=[Sample(0, "To be", " x"), Sample(500, "To be", " or not </script><b>")],
)
"""Most of the fall is in the first steps."""
