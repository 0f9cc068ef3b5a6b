"""A long run that saves every few seconds, and a reader beside it: what grows, what gets lost.

Usage: python benchmarks/soak.py [--minutes M] [--save-every 3s]

Prints how the memory and the descriptors of the training process went, how often the reader loaded
its checkpoints and read its log, and whether the log has each step once. Ends with 1 where memory
grows by more than 20 MB in an hour (from 5 minutes on), descriptors do not return, the reader was
refused, or a line is missing.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from nanogpt_cli.checkpoint.load import load_checkpoint
from nanogpt_cli.data.prepare import PrepareOptions, prepare
from nanogpt_cli.errors import NanoGPTError
from nanogpt_cli.logs import metrics
from nanogpt_cli.runs import BEST, LAST, METRICS

SHAPE = ["--n-layer=2", "--n-head=2", "--n-embd=64", "--block-size=64", "--ngram-rows=1024"]
GROWTH_PER_HOUR = 20e6
"""Bytes."""


@dataclass
class Seen:
    """What was seen of the run from outside."""

    seconds: list[float] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    """Resident bytes that no file backs."""
    descriptors: list[int] = field(default_factory=list)
    loads: int = 0
    refused: list[str] = field(default_factory=list)


def watch(process: psutil.Popen, out: Path) -> Seen:
    """Poll a run until it ends: measure it, load its checkpoints, read its log."""
    seen, begun = Seen(), time.monotonic()
    while process.poll() is None:
        try:
            memory = process.memory_info()
            descriptors = process.num_fds()
        except psutil.Error:
            break
        seen.seconds.append(time.monotonic() - begun)
        seen.memory.append(memory.rss - memory.shared)
        seen.descriptors.append(descriptors)
        for name in (BEST, LAST):
            if (out / name).exists():
                try:
                    load_checkpoint(out / name)
                    seen.loads += 1
                except NanoGPTError as error:
                    seen.refused.append(error.message)
        if (out / METRICS).exists():
            metrics.read(out / METRICS)
        time.sleep(1)
    return seen


def log_faults(path: Path) -> list[str]:
    """Say what is wrong with a log: each step is to be there once, in order, and an end."""
    log = metrics.read(path)
    steps = [event["step"] for event in log.events if event["event"] == "train"]
    faults = [f"{log.dropped} lines cannot be read"] if log.dropped else []
    if steps != list(range(1, len(steps) + 1)):
        faults.append("steps are missing, double or out of order")
    if not log.events or log.events[-1].get("reason") != "done":
        faults.append("it has no end")
    print(f"log: {len(log.events):,} events, {len(steps):,} steps")
    return faults


def main() -> int:
    """Train, watch, and say how it went."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--save-every", default="3s")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "text.txt").write_text("To be, or not to be, that is the question.\n" * 4000)
        prepare(PrepareOptions((str(folder / "text.txt"),), folder / "data", tokenizer="char"))
        out = folder / "out"
        command = [
            sys.executable, "-m", "nanogpt_cli", "train", "--quiet", *SHAPE, "--device=cpu",
            f"--data-dir={folder / 'data'}", f"--out-dir={out}", f"--time={60 * args.minutes:.0f}s",
            f"--save-every={args.save_every}", "--keep=3", "--log-interval=1",
            "--eval-interval=500",
        ]  # fmt: skip
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        process = psutil.Popen(command, env=environment)
        seen = watch(process, out)
        if process.wait():
            print(f"fault: training ended with {process.returncode}")
            return 1
        faults = seen.refused
        # memory grows while the first evaluations and saves pass, and goes when the process ends
        settled = len(seen.seconds) // 4
        memory = seen.memory[settled:-3]
        hours = [second / 3600 for second in seen.seconds[settled:-3]]
        slope, _ = statistics.linear_regression(hours, memory)
        low, high = min(memory), max(memory)
        print(
            f"memory after the first quarter: {low / 1e6:.1f} to {high / 1e6:.1f} MB, slope "
            f"{slope / 1e6:+.2f} MB an hour, {len(hours):,} measurements"
        )
        first, last = max(seen.descriptors[:settled]), min(seen.descriptors[-settled:])
        print(f"descriptors: at most {first} in the first quarter, at least {last} in the last")
        print(f"reader: {seen.loads:,} checkpoints loaded, {len(seen.refused)} refused")
        faults += log_faults(out / METRICS)
        if args.minutes >= 5 and slope > GROWTH_PER_HOUR:  # before, the slope is mostly noise
            faults.append("memory grows")
        if last > first:
            faults.append("descriptors are not given back")
    for fault in faults:
        print(f"fault: {fault}")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
