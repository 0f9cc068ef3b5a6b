"""A state that was made to do harm is refused, or resumed as what it holds; nothing crashes."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from command_line import TINY

TESTS = Path(__file__).parents[1]
ARCHITECTURES = {
    "adamw": ["--optimizer=adamw", "--arch=gpt2", "--pos-embd=relative"],
    "muon": ["--optimizer=muon", "--arch=modern", "--ngram-rows=8"],
}


@pytest.fixture
def states(nanogpt, text_data):
    """Train two runs of two steps."""
    for name, settings in ARCHITECTURES.items():
        line = ["train", *TINY, *settings, "--data-dir", text_data, "--max-iters=2", "-q"]
        assert nanogpt(*line, f"--out-dir=out/{name}", "--log-interval=1")[0] == 0


def hunt(first, count, processes=2):
    """Resume mutated states in processes of their own; return how many ended in which way."""
    share = count // processes
    path = os.pathsep.join([str(TESTS), *sys.path])
    pool = [
        subprocess.Popen(
            [sys.executable, TESTS / "state_mutations.py", str(at), str(at + share)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
            text=True,
        )
        for at in range(first, first + share * processes, share)
    ]
    codes = Counter()
    for process in pool:
        out, err = process.communicate()
        assert process.returncode == 0, (process.returncode, err[-3000:])
        codes.update(json.loads(out))
    return codes


@pytest.mark.usefixtures("states")
def test_mutated_states_end_in_a_run_or_in_one_error():
    """The first would end with SIGSEGV, and the others are a few of those below."""
    assert sum(hunt(0, 6, processes=1).values()) == 6


@pytest.mark.long
@pytest.mark.usefixtures("states")
def test_thousands_of_mutated_states_end_in_a_run_or_in_one_error():
    codes = hunt(0, 4000)
    print(f"{sum(codes.values())} mutated states, by exit code: {dict(codes)}")
    assert sum(codes.values()) == 4000
