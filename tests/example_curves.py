"""Loss curves for the tests of what draws and analyses them."""

from nanogpt_cli.logs.curves import Curve

FALLING = [(step, 4 - step / 500) for step in range(0, 1001, 10)]
RISING = [(step, 2 + step / 500) for step in range(0, 1001, 10)]


def curve(*val: float, train=FALLING, name: str = "run") -> Curve:
    """A curve with an evaluation every 100 steps."""
    return Curve(name, list(train), [(100 * i, float(loss)) for i, loss in enumerate(val)])


HEALTHY = curve(4, 3, 2.5, 2.2, 2.1, 2.0, name="healthy")
OVERFITTING = curve(4, 3, 2.5, 2.6, 2.7, 2.8, 2.9, name="overfitting")
