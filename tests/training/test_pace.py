"""Steps that have become slow are noticed, once; single slow ones are not."""

from nanogpt_cli.training.pace import WINDOW, Pace


def noticed(*steps):
    pace = Pace()
    found = [(number, pace.add(seconds)) for number, seconds in enumerate(steps)]
    return [(number, report) for number, report in found if report]


def test_steps_that_become_slow_are_noticed_once():
    ((number, report),) = noticed(*[0.03] * 50, *[0.15] * 50, *[0.03] * 50, *[0.9] * 50)
    assert 50 < number < 50 + WINDOW
    assert report == (0.03, 0.15)


def test_a_few_slow_steps_are_not():
    assert noticed(*([0.03] * 10 + [2.0] * 3) * 10) == []
    assert noticed(*[5.0] * 2, *[0.03] * 100) == []
    assert noticed(*[0.03] * 50, *[0.07] * 50) == []


def test_a_run_that_begins_on_a_busy_machine():
    ((number, _),) = noticed(*[0.15] * 20, *[0.03] * 20, *[0.15] * 20)
    assert number > 40
