"""What a step costs on many GPUs: the bytes that are exchanged, and the speed that is left.

    python benchmarks/scaling.py                     the published figures, and this model of them
    python benchmarks/scaling.py --parameters 124e6 --layers 12 --tokens 49152 --step-seconds 0.25
    python benchmarks/scaling.py --measure           2 processes here against 1 with 2 threads

The model is deliberately small. A step takes what it takes on one GPU, plus all of the time of its
collectives, as if none of them were hidden behind computation:

    step(N) = compute + sum over collectives of  bytes (N - 1) / N / bandwidth  +  (N - 1) hops

FSDP gathers every parameter twice (2 bytes each in bfloat16, 1 in float8) and scatters every
gradient once (4 bytes), unit by unit. DDP reduces every gradient once, which is twice its 4 bytes;
Muon's matrices are scattered and their updates gathered, which is as much. Bandwidth is 80% of the
nominal one: NVLink's within a machine, that of all its network cards between machines, since NCCL's
rings use them all. A hop takes 1.5 us within a machine and 8 us between two.

What is left out works in both directions: collectives are hidden in part, they slow down the
kernels beside them, and the slowest of N GPUs is waited for.
"""

import argparse
import math
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

EFFICIENCY = 0.8
"""Which part of its nominal bandwidth a link is taken to reach."""


@dataclass(frozen=True)
class Machine:
    """A node of a cluster; bandwidths are per GPU and direction."""

    name: str
    gpus: int = 8
    inside: float = 450e9
    """Bytes per second between its GPUs."""
    between: float = 50e9
    """Bytes per second of a GPU's share of the network: 400 Gb/s."""
    hop_inside: float = 1.5e-6
    hop_between: float = 8e-6

    def collective_seconds(self, moved: float, size: int) -> float:
        """Return the time in which each of ``size`` GPUs gets ``moved`` bytes in a ring."""
        if size == 1:
            return 0.0
        nodes = math.ceil(size / self.gpus)
        slowest = self.inside if nodes == 1 else min(self.inside, self.gpus * self.between)
        crossings = nodes if nodes > 1 else 0
        hops = crossings * self.hop_between + (size - 1 - crossings) * self.hop_inside
        return moved * (size - 1) / size / (EFFICIENCY * slowest) + hops


H100, H200 = Machine("H100"), Machine("H200")


@dataclass(frozen=True)
class Job:
    """What is trained, on each GPU alike."""

    parameters: float
    layers: int
    tokens: float
    """Per GPU and step."""
    strategy: str = "fsdp"
    gathered_bytes: float = 2
    """Of a parameter, when FSDP gathers it."""

    def collectives(self) -> list[tuple[int, float]]:
        """Return how many collectives a step has, and how many bytes move in each."""
        units = self.layers + 1
        if self.strategy == "ddp":
            buckets = max(1, math.ceil(4 * self.parameters / 25e6))  # torch's size of a bucket
            return [(buckets, 2 * 4 * self.parameters / buckets)]
        return [
            (2 * units, self.gathered_bytes * self.parameters / units),
            (units, 4 * self.parameters / units),
        ]

    def volume(self, size: int) -> float:
        """Return the bytes that each of ``size`` GPUs sends in a step."""
        return sum(count * moved for count, moved in self.collectives()) * (size - 1) / size

    def exchange_seconds(self, machine: Machine, size: int) -> float:
        """Return how long the collectives of a step take."""
        return sum(n * machine.collective_seconds(b, size) for n, b in self.collectives())

    def rate(self, machine: Machine, known: tuple[int, float], size: int) -> float:
        """Return tokens per second and GPU on ``size`` GPUs, from those ``known`` for another."""
        compute = self.tokens / known[1] - self.exchange_seconds(machine, known[0])
        return self.tokens / (compute + self.exchange_seconds(machine, size))


LLAMA = Job(8.03e9, 32, 2 * 8192)
FLOAT8 = Job(8.03e9, 32, 2 * 8192, gathered_bytes=1)

PUBLISHED = (
    ("H100, bfloat16", LLAMA, H100, (8, 5762.0), (128, 5605.0)),
    ("H100, compiled", LLAMA, H100, (8, 6667.0), (128, 6514.0)),
    ("H200, float8", FLOAT8, H200, (32, 10938.0), (64, 10753.0)),
)
"""torchtitan's Llama 3.1 8B under FSDP, tokens per second and GPU on two numbers of GPUs."""


def check() -> None:
    """Print the published figures, and what the model makes of the first of each pair."""
    print("| | GPUs | tokens/s/GPU | GPUs | tokens/s/GPU | model | error |")
    print("|---|---|---|---|---|---|---|")
    for name, job, machine, known, other in PUBLISHED:
        found = job.rate(machine, known, other[0])
        print(
            f"| {name} | {known[0]} | {known[1]:,.0f} | {other[0]} | {other[1]:,.0f} "
            f"| {found:,.0f} | {found / other[1] - 1:+.1%} |"
        )


def predict(job: Job, machine: Machine, step_seconds: float) -> None:
    """Print what a step that takes so long on one GPU becomes on more of them."""
    print("| GPUs | GB sent per GPU and step | exchange | tokens/s/GPU | efficiency |")
    print("|---|---|---|---|---|")
    alone = job.tokens / step_seconds
    for size in (1, 8, 64, 1024):
        rate = job.rate(machine, (1, alone), size)
        print(
            f"| {size:,} | {job.volume(size) / 1e9:.2f} "
            f"| {job.exchange_seconds(machine, size) * 1e3:,.1f} ms | {rate:,.0f} "
            f"| {rate / alone:.0%} |"
        )


def measure(rounds: int) -> None:
    """Time one process with 2 threads and two with one each, in turn, and print the ratio."""
    with tempfile.TemporaryDirectory() as folder:
        _run(folder, 2, "prepare", "--out", "data/demo")
        rates: dict[str, list[float]] = {"1 x 2 threads": [], "2 x 1 thread": []}
        for number in range(rounds):
            for name, threads, more in (
                ("1 x 2 threads", 2, []),
                ("2 x 1 thread", 1, ["--devices=2"]),
            ):
                out = f"out/{number}-{threads}"
                flags = ["--data-dir=data/demo", "--max-iters=120", "--eval-tokens=256",
                         "--eval-interval=1000", "--sample-tokens=0", "--batch-size=16",
                         "--device=cpu", f"--out-dir={out}"]  # fmt: skip
                _run(folder, threads, "train", *flags, *more)
                rates[name].append(_rate(Path(folder, out, "metrics.jsonl")))
        for name, found in rates.items():
            print(f"{name}: {', '.join(f'{rate:,.0f}' for rate in found)} tokens/s")
        one, two = (max(found) for found in rates.values())
        print(f"2 processes against 1 with 2 threads, best of {rounds}: {two / one:.2f}")


def _run(folder: str, threads: int, *args: str) -> None:
    command = ["env", f"OMP_NUM_THREADS={threads}", sys.executable, "-P", "-m", "nanogpt_cli"]
    subprocess.run([*command, *args, "-q"], cwd=folder, check=True)
    time.sleep(1)


def _rate(log: Path) -> float:
    """Return the median rate of a run's lines."""
    import json
    from statistics import median

    events = map(json.loads, log.read_text().splitlines())
    return float(median(event["tokens_per_sec"] for event in events if event["event"] == "train"))


def main() -> None:
    """Read the arguments, and do one of the three."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--measure", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--parameters", type=float)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--tokens", type=float, default=65536, help="per GPU and step")
    parser.add_argument("--step-seconds", type=float, default=1.0)
    parser.add_argument("--strategy", choices=("ddp", "fsdp"), default="ddp")
    parser.add_argument("--inside", type=float, default=H100.inside)
    parser.add_argument("--between", type=float, default=H100.between)
    args = parser.parse_args()
    if args.measure:
        measure(args.rounds)
    elif args.parameters:
        job = Job(args.parameters, args.layers, args.tokens, args.strategy)
        machine = Machine("given", inside=args.inside, between=args.between)
        predict(job, machine, args.step_seconds)
    else:
        check()


if __name__ == "__main__":
    main()
