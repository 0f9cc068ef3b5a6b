"""Nothing grows and nothing gets lost in a run that saves all the time, with a reader beside it."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("resource", reason="descriptors are counted as on Linux and macOS")

SOAK = Path(__file__).resolve().parents[2] / "benchmarks" / "soak.py"


@pytest.mark.long
def test_a_soak():
    arguments = ["--minutes", "10", "--save-every", "3s"]
    done = subprocess.run([sys.executable, SOAK, *arguments], capture_output=True, text=True)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 refused" in done.stdout
