"""What counts as a spike, and what is remembered of the steps before a divergence."""

import math

import pytest

from nanogpt_cli.training.watch import RECENT, Watch


def watched(losses):
    """Give a watch that has seen ``losses``, and the steps that it called spikes."""
    watch = Watch()
    spikes = [step for step, loss in enumerate(losses, 1) if watch.add(step, loss, 1.0) is not None]
    return watch, spikes


def wobbly(count, mean=3.0):
    return [mean + 0.1 * math.sin(step) for step in range(count)]


def test_a_loss_far_above_those_before_is_a_spike():
    assert watched([*wobbly(40), 4.0, *wobbly(5)])[1] == [41]


@pytest.mark.parametrize(
    "losses",
    [
        [8 - step / 10 for step in range(60)],
        [*wobbly(40), 3.25],  # noise
        [*wobbly(3), 9.0],  # nothing to compare it with
        [*([3.0] * 40), 3.2],  # six deviations of none at all
    ],
)
def test_noise_and_a_falling_loss_are_no_spikes(losses):
    assert watched(losses)[1] == []


def test_a_spike_tells_the_mean_before_it():
    watch, _ = watched([2.0] * 20)
    assert watch.add(21, 5.0, 1.0) == 2.0


def test_the_last_steps_are_remembered_and_come_back():
    watch, _ = watched(wobbly(50))
    watch.skipped = 1
    again = Watch()
    again.load_state_dict(watch.state_dict())
    assert again == watch
    assert [step["step"] for step in again.recent_steps()] == list(range(50 - RECENT + 1, 51))
