"""Every command in hostile surroundings: lost streams, signals at any moment, limits, schedulers.

Whatever happens, there is no traceback, the exit code is a documented one, and files are whole.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from command_line import TINY
from old_checkpoints import nanogpt_content, save

from nanogpt_cli import cli
from nanogpt_cli.checkpoint.torchfile import read
from nanogpt_cli.data.store import open_dataset

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(sys.platform == "win32", reason="needs signals and limits"),
]

TRAIN = f"train {' '.join(TINY)} --eval-interval 20 --save-every 10 --data-dir data/hamlet"
COMMANDS = {
    "prepare": "prepare hamlet.txt --tokenizer char --force",
    "prepare a pipe": "prepare - --tokenizer bpe:300 --out data/piped",
    "train": f"{TRAIN} --max-iters 60 --out-dir out/new",
    "resume": "train --init-from resume --out-dir out/t --max-iters 90",
    "dry run": f"{TRAIN} --max-iters 60 --dry-run --json",
    "chat": "chat t -p To --max-tokens 20",
    "eval": "eval t --data data/hamlet",
    "migrate-ckpt": "migrate-ckpt old.pt",
    "plot-log": "plot-log t --json",
    "picture": "plot-log t -o loss.svg",
    "follow": "plot-log t --follow",
}
SILENT = ("prepare", "prepare a pipe", "train", "resume", "picture")
"""What prints nothing on stdout."""
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
CODES = {0, 2, 3, 4, 5, 6, 141, *(128 + s for s in STOPPING), *(-s for s in STOPPING)}
"""The documented ones; before a command begins and after its end, a signal ends the process."""

PROGRAM = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.write(int(sys.argv.pop(1)), b"begun")
from nanogpt_cli.__main__ import main
main()
"""
"""The executable, which says when the interpreter has begun: signals before that are Python's."""


@dataclass
class Case:
    command: str
    redirect: str = ""
    limit: str = ":"
    env: dict[str, str] = field(default_factory=dict)
    signals: tuple[int, ...] = ()
    at: float = 0.0
    """When the signals come, in seconds from the beginning."""


@pytest.fixture
def folder(text_data):
    """Make the folder that each case gets a copy of."""
    line = f"{TRAIN} --max-iters 30 --out-dir out/t -q"
    assert cli.run(line.split()) == 0
    torch.manual_seed(1)
    save(nanogpt_content(), "old.pt")
    return Path.cwd()


def start(case: Case, folder: Path) -> "tuple[int, str, float]":
    """Run a case; give its exit code, what it said, and how long it took."""
    began, begun = os.pipe()
    line = f'{case.limit}; exec "$0" "$@" {case.redirect}'
    program = [sys.executable, "-c", PROGRAM, str(begun), *COMMANDS[case.command].split()]
    env = os.environ | {"OMP_NUM_THREADS": "1", "TMPDIR": str(folder / "tmp")} | case.env
    with (folder / "hamlet.txt").open() as text, subprocess.Popen(
        ["bash", "-c", line, *program], stdin=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        cwd=folder, env=env, pass_fds=[begun],
    ) as run:  # fmt: skip
        os.close(begun)
        os.read(began, 5)
        os.close(began)
        started = time.monotonic()
        for number in case.signals:
            time.sleep(case.at if number is case.signals[0] else 0.01)
            run.send_signal(number)
        try:
            _, said = run.communicate(timeout=120)
        except subprocess.TimeoutExpired:  # its exit code is not a documented one
            run.kill()
            _, said = run.communicate()
    return run.returncode, said.decode(errors="replace"), time.monotonic() - started


def faults(case: Case, code: int, said: str, folder: Path) -> Iterator[str]:
    """Yield what a case must not do."""
    if code not in CODES:
        yield f"exit code {code}"
    if "Traceback" in said or "Exception ignored" in said:
        yield "a traceback"
    if list((folder / "tmp").iterdir()) or list(folder.rglob("*.tmp-nanogpt")):
        yield "temporary files are left"
    for file in ["out/t/last.pt", *folder.rglob("*.pt")]:
        try:
            content = read(folder / file)
        except Exception as error:
            yield f"{file}: {error}"
            continue
        if case.command == "resume" and file == "out/t/last.pt" and code in (0, 129, 130, 143):
            lines = (folder / "out/t/metrics.jsonl").read_text().splitlines()
            end = next(e for e in map(json.loads, reversed(lines)) if e["event"] == "end")
            if content["step"] != end["step"]:
                yield f"saved at step {content['step']}, but ended at {end['step']}"
    try:
        open_dataset(folder / "data/hamlet")
    except Exception as error:
        yield f"the dataset: {error}"


def tried(case: Case, folder: Path, number: int) -> str:
    """Run a case in a copy of the folder; give what was wrong, or nothing."""
    copy = folder / f"case-{number}"
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("case-*"))
    (copy / "tmp").mkdir()
    code, said, _ = start(case, copy)
    wrong = "; ".join(faults(case, code, said, copy))
    if case.redirect.startswith("2>") and code != 0:
        wrong += f"; stderr was lost: exit code {code}"
    if case.redirect.startswith(">"):
        lost = {141} if "(:)" in case.redirect else {5}
        if code not in ({0} if case.command in SILENT else lost):
            wrong += f"; stdout was lost: exit code {code}"
    shutil.rmtree(copy)
    return f"{case}: {wrong}\n{said[-1500:]}" if wrong else ""


def all_well(cases: list[Case], folder: Path) -> None:
    """Run cases, two at a time."""
    with ThreadPoolExecutor(2) as pool:
        wrong = list(
            filter(None, pool.map(lambda n: tried(cases[n], folder, n), range(len(cases))))
        )
    print(f"{len(cases)} runs")
    assert not wrong, f"{len(wrong)} of {len(cases)}:\n" + "\n".join(wrong)


def test_streams(folder):
    ways = ("2>/dev/full", "2> >(:)", "2>&-", ">/dev/full", "> >(:)", ">/dev/full 2>&1",
            "> >(:) 2>&1")  # fmt: skip
    all_well([Case(command, redirect=way) for command in COMMANDS for way in ways], folder)


@pytest.mark.parametrize("number", STOPPING)
def test_signals(folder, number):
    draw = random.Random(number)
    cases = []
    for command in COMMANDS:
        shutil.copytree(folder, probe := folder / "case-probe", ignore=lambda *_: {"case-probe"})
        (probe / "tmp").mkdir()
        code, said, seconds = start(Case(command), probe)
        assert code == 0, said
        shutil.rmtree(probe)
        for _ in range(10):
            often = draw.choice([(number,), (number,) * 3, (number, signal.SIGINT)])
            cases.append(Case(command, signals=often, at=draw.uniform(0, seconds)))
    all_well(cases, folder)


@pytest.mark.parametrize(
    ("flag", "low", "high"), [("v", 650_000, 1_500_000), ("f", 0, 80), ("n", 8, 60)]
)
def test_limits(folder, flag, low, high):
    """With less memory than importing torch takes, Python itself may loop in its imports."""
    draw = random.Random(flag)
    values = [(c, draw.randint(low, high)) for c in COMMANDS for _ in range(6)]
    all_well([Case(c, limit=f"ulimit -{flag} {value}") for c, value in values], folder)


def test_schedulers(folder):
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
    draw = random.Random(0)
    cases = []
    for command in COMMANDS:
        for _ in range(8):
            some = draw.sample(names, draw.randint(1, 4))
            env = {name: draw.choice(["0", "1", "-1", "abc", "", "9" * 30]) for name in some}
            cases.append(Case(command, env=env))
    all_well(cases, folder)
