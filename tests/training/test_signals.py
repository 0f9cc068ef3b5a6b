"""The first signal asks, the second leaves; what interrupts raises at once."""

import os
import signal

import pytest

from nanogpt_cli.training.signals import StopRequestedError, StopSignals


def send(number):
    os.kill(os.getpid(), number)


def test_a_second_interrupt_leaves_at_once():
    with StopSignals().listening():
        send(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)


def test_the_first_is_remembered_and_a_second_sigterm_changes_nothing():
    with StopSignals().listening() as signals:
        signals.check()
        send(signal.SIGINT)
        send(signal.SIGTERM)
        with pytest.raises(StopRequestedError):
            signals.check()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_what_the_parent_has_ignored_stays_ignored():  # row 70
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with StopSignals().listening() as signals:
            send(signal.SIGHUP)
            assert not signals.received
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_within_interrupting_a_signal_raises_at_once_and_no_handler_of_failures_takes_it():
    reached = []
    signals = StopSignals()
    with signals.listening(), pytest.raises(StopRequestedError), signals.interrupting():
        try:
            send(signal.SIGTERM)
            reached.append("after the signal")
        except Exception:
            reached.append("a handler of failures")
    assert reached == []
    assert signals.received == signal.SIGTERM


def test_after_interrupting_a_signal_only_asks():
    with StopSignals().listening() as signals:
        with signals.interrupting():
            pass
        send(signal.SIGINT)
    assert signals.received == signal.SIGINT


def test_what_is_asked_to_stop_before_does_not_begin():
    with StopSignals().listening() as signals:
        send(signal.SIGINT)
        with pytest.raises(StopRequestedError), signals.interrupting():
            pytest.fail("it began")
