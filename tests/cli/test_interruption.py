"""Signals outside of training: a command unwinds once, and no moment of it has a traceback."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nanogpt_cli.cli import interruption
from nanogpt_cli.cli.interruption import Interruption


def send(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)
def test_what_follows_the_first_does_not_disturb_its_unwinding(number, error):  # row 81
    before = signal.getsignal(number)
    stop = Interruption()
    with pytest.raises(error), stop.listening():
        try:
            send(number)
        finally:
            send(signal.SIGINT)
            send(signal.SIGTERM)
    assert stop.received == number
    assert signal.getsignal(number) is before


def test_an_exception_that_is_lost_is_raised_again(monkeypatch, capsys):  # row 84
    class Destroyed:
        def __del__(self):
            send(signal.SIGINT)

    monkeypatch.setattr(interruption, "AGAIN", 0.1)
    with pytest.raises(KeyboardInterrupt), Interruption().listening():
        Destroyed()
        time.sleep(5)
    assert capsys.readouterr() == ("", "")


EARLY = """
import builtins, os, signal
real = builtins.__import__
def interrupted(name, *args):
    if name == "typer":
        os.kill(os.getpid(), signal.SIGINT)
    return real(name, *args)
builtins.__import__ = interrupted
"""
LATE = "import atexit, os, signal; atexit.register(os.kill, os.getpid(), signal.SIGINT)"


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
@pytest.mark.parametrize(("when", "said"), [(EARLY, ""), (LATE, "nanogpt ")])
def test_before_and_after_a_command_ctrl_c_ends_the_process_silently(when, said):  # row 84
    program = f"{when}\nfrom nanogpt_cli.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "--version"], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")
    assert done.stdout.startswith(said)


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_the_copy_of_stdin_is_removed(name):  # row 81
    Path("tmp").mkdir()
    with subprocess.Popen(
        [sys.executable, "-m", "nanogpt_cli", "prepare", "-", "--tokenizer=byte"],
        stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | {"TMPDIR": "tmp"},
    ) as run:  # fmt: skip
        deadline = time.monotonic() + 60
        while not list(Path("tmp").glob("*/text")) and time.monotonic() < deadline:
            time.sleep(0.01)
        run.send_signal(signal.Signals[name])
        assert run.wait(timeout=60) == 128 + signal.Signals[name]
        assert run.stderr.read() == b""
    assert not list(Path("tmp").iterdir())
