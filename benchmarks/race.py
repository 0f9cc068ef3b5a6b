"""Race to a validation loss: this project's quick start, nanoGPT's recipe, transformers, any peer.

Usage: python benchmarks/race.py DATA_DIR [--runs N] [--time 3s] [--equal-time]
                                 [--peer NAME='COMMAND with {data} and {out}'] [--only NAME ...]

The contestants run in turn, each in a process of its own, N rounds. Of each it tells the seconds
of training that it reports, those of its whole process (start-up, evaluations and saving included),
and the defined validation loss of the model it leaves, measured here afterwards and not timed. A
peer is any command that leaves {out}/ckpt.pt in nanoGPT's form. With --equal-time ours is run once
more for as long as nanoGPT's recipe trained.
"""

import argparse
import json
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from nanogpt_cli.checkpoint.load import load_checkpoint
from nanogpt_cli.checkpoint.weights import build_model
from nanogpt_cli.data.store import open_dataset
from nanogpt_cli.evaluation.loss import evaluate_loss, token_byte_counts
from nanogpt_cli.logs.metrics import read

OURS, RECIPE, PEER = "nanogpt, quick start", "nanogpt, nanoGPT's recipe", "transformers GPT-2"
TRAIN = (
    f"{sys.executable} -m nanogpt_cli train --data-dir {{data}} --out-dir {{out}} --seed {{seed}}"
)


@dataclass(frozen=True)
class Finish:
    """How a contestant came in: seconds, and nats per token."""

    training: float | None
    whole: float
    loss: float


def run(command: str, data: Path, seed: int) -> Finish:
    """Let one contestant train, then measure what it made."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        words = shlex.split(command.format(data=data, out=out, seed=seed))
        begin = time.perf_counter()
        done = subprocess.run(words, capture_output=True, text=True)
        whole = time.perf_counter() - begin
        if done.returncode:
            raise SystemExit(f"{command}\n{done.stderr[-2000:]}")
        checkpoint = load_checkpoint(out / "ckpt.pt")
        tokens = open_dataset(data)
        counts = token_byte_counts(tokens.tokenizer, checkpoint.config.vocab_size)
        loss = evaluate_loss(build_model(checkpoint), tokens.val, counts)
        training = None
        if (log := out / "metrics.jsonl").exists():
            training = float([e for e in read(log).events if e["event"] == "end"][-1]["time"])
        elif (told := done.stdout.strip().splitlines()[-1:]) and told[0].startswith("{"):
            training = float(json.loads(told[0])["seconds"])
        return Finish(training, whole, loss.per_token)


def middle(values: list[float | None]) -> float | None:
    """Give the median; None where something is missing."""
    known = [v for v in values if v is not None]
    return statistics.median(known) if len(known) == len(values) else None


def show(results: dict[str, list[Finish]]) -> None:
    """Print medians, the spread of losses, and how many times longer each took than ours."""
    ours = results.get(OURS)
    print(f"\n{'':28} training s  whole s  val loss (lowest, highest)   times ours")
    for name, runs in results.items():
        training, whole = middle([r.training for r in runs]), middle([r.whole for r in runs])
        losses = [r.loss for r in runs]
        ratios = ""
        if ours and name != OURS:
            base = middle([r.training for r in ours]), middle([r.whole for r in ours])
            both = [(training or whole, base[0]), (whole, base[1])]
            ratios = "  ".join(f"{a / b:.1f}" for a, b in both if a and b)
        print(
            f"{name:28} {training or float('nan'):10.1f} {whole:8.1f}  "
            f"{statistics.median(losses):.4f} ({min(losses):.4f}, {max(losses):.4f})   {ratios}"
        )


def main() -> None:
    """Run the race."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--time", default="3s", help="the budget of our quick start")
    parser.add_argument("--block-size", type=int, default=64, help="for ours; the others have 64")
    parser.add_argument("--equal-time", action="store_true")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=COMMAND")
    parser.add_argument("--only", action="append", default=[], metavar="NAME")
    args = parser.parse_args()
    transformers = Path(__file__).with_name("peer_transformers.py")
    quick = f"{TRAIN} --block-size {args.block_size} --sample-tokens 0 --time "
    contestants = {
        OURS: quick + args.time,
        RECIPE: f"{TRAIN} --preset shakespeare-char-cpu --sample-tokens 0 --eval-interval 1000",
        PEER: f"{sys.executable} {transformers} {{data}} {{out}} {{seed}}",
        **dict(peer.split("=", 1) for peer in args.peer),
    }
    if args.only:
        contestants = {n: c for n, c in contestants.items() if n in args.only}
    results: dict[str, list[Finish]] = {name: [] for name in contestants}

    def compete(name: str, command: str, seed: int) -> None:
        results[name].append(run(command, args.data_dir, seed))
        last = results[name][-1]
        print(f"seed {seed}, {name}: {last.loss:.4f} in {last.whole:.1f} s", flush=True)

    for seed in range(1337, 1337 + args.runs):
        for name, command in contestants.items():
            compete(name, command, seed)
    if args.equal_time and RECIPE in results:
        seconds = middle([r.training for r in results[RECIPE]])
        name = f"{OURS}, {seconds:.0f} s"
        results[name] = []
        for seed in range(1337, 1337 + args.runs):
            compete(name, f"{quick}{seconds:.0f}s", seed)
    show(results)


if __name__ == "__main__":
    main()
