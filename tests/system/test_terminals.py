"""What a terminal is left as, and what a command does without one or without a disk."""

import os
import resource
import signal
import stat
import sys
import time
from pathlib import Path

import pexpect
import pytest
from command_line import TINY

from nanogpt_cli import cli

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")

HIDDEN = "\x1b[?25l"
"""What hides the cursor of a terminal."""


def in_a_terminal(*args, **kwargs):
    """Start the program in a terminal of 80 x 24."""
    return pexpect.spawn(
        sys.executable, ["-m", "nanogpt_cli", *args],
        encoding="utf-8", timeout=60, dimensions=(24, 80), **kwargs,
    )  # fmt: skip


@pytest.fixture
def trained(text_data):
    assert cli.run(["train", *TINY, "--max-iters=1", "--out-dir=out/t", "-q"]) == 0


@pytest.mark.long
def test_a_terminal_that_closes_ends_training_saved(text_data):  # rows 70 and 90
    run = in_a_terminal("train", *TINY, "--max-iters=1000000", "--out-dir=out/t")
    run.expect("tok/s")
    assert HIDDEN not in run.before  # what kills the program could not show it again
    run.ptyproc.fileobj.close()  # the window is closed: SIGHUP, and nothing to write to
    assert os.waitstatus_to_exitcode(os.waitpid(run.pid, 0)[1]) == 128 + signal.SIGHUP
    run.ptyproc.terminated = True
    assert Path("out/t/last.pt").exists()


@pytest.mark.long
def test_a_chat_without_a_disk_that_is_ended(trained):  # row 90
    history = Path("state/nanogpt/chat_history")
    history.parent.mkdir(parents=True)
    history.write_text("+before\n")
    history.chmod(0o644)

    def fill_the_disk():
        resource.setrlimit(resource.RLIMIT_FSIZE, (8, 8))

    chat = in_a_terminal("chat", "--max-tokens", "1", preexec_fn=fill_the_disk)
    chat.expect("Send a message")
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    chat.send("To be\r")
    assert chat.expect(["history is not saved: .*large", "Press ENTER"]) == 0
    chat.expect("Send a message")
    chat.send("or not\r")
    assert chat.expect(["Send a message", "history is not saved"]) == 0
    assert not chat.getecho()  # the editor reads key by key
    chat.kill(signal.SIGTERM)
    deadline = time.monotonic() + 20
    while not chat.getecho() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert chat.getecho()
    chat.expect(pexpect.EOF)
    chat.close()
    assert chat.exitstatus == 143
