"""The commands that are printed to be typed next run, whatever the names in them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import TINY

NAMES = ["-dash-rope", "a b's", "\x1b[2J\u202e1", "caf\u00e9\udcff7", "model.pt"]

pytestmark = pytest.mark.skipif(os.name == "nt", reason="quotes for a POSIX shell")


def typed(said, before, after=""):
    """Return the arguments of the printed command, as a shell understands them."""
    (line,) = re.findall(f"{before} +(.*){after}", said)
    assert line.isprintable()
    shell = ["bash", "-c", f"printf '%s\\0' {line}"]
    found = subprocess.run(shell, capture_output=True, check=True, stdin=subprocess.DEVNULL)
    return [os.fsdecode(word) for word in found.stdout.split(b"\0")[:-1]]


@pytest.mark.skipif(sys.platform == "darwin", reason="names are text there")
@pytest.mark.parametrize("name", NAMES)
def test_what_is_printed_can_be_typed(nanogpt, name):
    Path("h.txt").write_text("To be, or not to be\n" * 90)
    few = [*TINY, "--max-iters=1"]
    code, _, err = nanogpt("prepare", "h.txt", "--tokenizer=byte", "--out", Path("data", name))
    assert code == 0
    train = typed(err, "next: nanogpt")
    out = ["--out-dir", Path("out", name)]
    Path(name).touch()  # what the working folder has under that name is not the run
    code, _, err = nanogpt(*train, *few, *out)
    assert code == 0, err
    assert nanogpt(*typed(err, "talk to it:  nanogpt"), "-p", "To", "--max-tokens=1")[0] == 0
    Path(name).unlink()
    code, _, err = nanogpt("train", *few, *out)
    assert code == 2
    again = typed(err, "resume it:", "; or")
    assert nanogpt("train", *again, "--max-iters=2")[0] == 0
    code, _, err = nanogpt("chat", Path("out"), "-p", "To")
    assert code == 4
    assert nanogpt("chat", *typed(err, "name one of them:"), "-p", "To", "--max-tokens=1")[0] == 0
    (run,) = typed(nanogpt("chat", f"{name}x"[1:])[2], "did you mean", r"\?")
    assert nanogpt("chat", run, "-p", "To", "--max-tokens=1")[0] == 0
