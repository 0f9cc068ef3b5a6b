"""The executable, started as a user would, and flags for the smallest of runs."""

import subprocess
import sys

TINY = ["--n-layer=1", "--n-head=2", "--n-embd=16", "--block-size=16", "--batch-size=4",
        "--eval-iters=1", "--sample-tokens=4", "--device=cpu", "--dtype=float32"]  # fmt: skip


def executable(*args, **kwargs):
    """Start the real program."""
    pipe = subprocess.PIPE
    kwargs = {"stdin": subprocess.DEVNULL, "stdout": pipe, "stderr": pipe, **kwargs}
    return subprocess.Popen([sys.executable, "-m", "nanogpt_cli", *args], text=True, **kwargs)
