"""What a save costs training: the copy that the loop waits for, and the steps beside the write.

Usage: python benchmarks/saving.py [--saves N] [--optimizer adamw|muon] [--folder DIR]

A GPT-2 of 124 M parameters trains on random text. After some quiet steps a save is made as
`nanogpt train` makes it; what it costs is the time of the copy, and by how much the steps that run
while the thread writes are slower than the median of the quiet ones. The share is for one save a
minute. A save in the loop itself, as most trainers do it, is timed beside it. A CUDA device is used
if present.
"""

import argparse
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from nanogpt_cli.checkpoint.schema import Checkpoint
from nanogpt_cli.config import ModelConfig, TrainConfig
from nanogpt_cli.device import autocast, find_device, find_dtype
from nanogpt_cli.model.gpt import GPT
from nanogpt_cli.runs import LAST
from nanogpt_cli.training.batches import Batches
from nanogpt_cli.training.folder import RunFolder
from nanogpt_cli.training.optim import make_optimizers
from nanogpt_cli.training.parallel import Parallel
from nanogpt_cli.training.saver import Saver
from nanogpt_cli.training.state import TrainState
from nanogpt_cli.training.step import apply, gradients

GPT2 = ModelConfig(1024, 12, 12, 768, 0.0, False, "default", "gpt2", 0, vocab_size=50304)
QUIET = 6
"""Steps between the saves."""


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--saves", type=int, default=8)
    parser.add_argument("--optimizer", choices=("adamw", "muon"), default="adamw")
    parser.add_argument("--folder", type=Path, default=None)
    args = parser.parse_args()

    device = find_device()
    dtype = find_dtype("auto", device)
    block_size = 1024 if device.type == "cuda" else 256
    config = TrainConfig(batch_size=8 if device.type == "cuda" else 2, optimizer=args.optimizer)
    model = GPT(GPT2).to(device)
    state = TrainState(model, make_optimizers(model, config))
    tokens = np.random.default_rng(0).integers(0, 50257, 300_000).astype(np.uint16)

    shape = replace(GPT2, block_size=block_size)
    batches = Batches(tokens, shape, config, Parallel(device))

    def step() -> float:
        begun = time.perf_counter()
        gradients(state, model, batches, precision=lambda: autocast(device, dtype), grad_clip=1.0)
        apply(state, lr=1e-5)
        state.step += 1
        return time.perf_counter() - begun

    def checkpoint() -> Checkpoint:
        training = {"optimizers": state.optimizers.state_dict()}
        return Checkpoint(GPT2, model.state_dict(), step=state.step, training=training)

    copies, writes, beside, costs, quiet = [], [], [], [], []
    with (
        tempfile.TemporaryDirectory(dir=args.folder) as name,
        Saver(RunFolder(Path(name))) as saver,
    ):
        saver.save(LAST, checkpoint())  # takes the memory that all later copies use again
        saver.wait(LAST)
        step()
        for _ in range(args.saves):
            rested = [step() for _ in range(QUIET)]
            begun = time.perf_counter()
            saver.save(LAST, checkpoint())
            copy = time.perf_counter() - begun
            busy = []
            while saver.is_writing(LAST):
                busy.append(step())
            usual = statistics.median(rested)
            copies.append(copy)
            writes.append(saver.seconds)
            beside.append(len(busy))
            costs.append(copy + sum(busy) - len(busy) * usual)
            quiet.append(usual)
        size = (Path(name) / LAST).stat().st_size
        waits = []
        for _ in range(args.saves):
            begun = time.perf_counter()
            checkpoint().save(Path(name) / LAST)
            waits.append(time.perf_counter() - begun)

    def row(what: str, values: list[float], unit: str = "s") -> None:
        low, middle, high = min(values), statistics.median(values), max(values)
        print(f"{what:<44} {middle:8.3f} {unit}  ({low:.3f} to {high:.3f})")

    print(
        f"{model.parameter_count() / 1e6:.0f} M parameters, {args.optimizer}, {size / 1e6:,.0f} MB "
        f"a save, {device}, {torch.get_num_threads()} threads; median of {args.saves} (range)"
    )
    row("a step", quiet)
    row("the loop waits for the copy", copies)
    row("the thread writes, with fsync, for", writes)
    row("steps that ran beside the write", [float(n) for n in beside], " ")
    row("cost: copy, and slower steps beside it", costs)
    row("a save in the loop itself", waits)
    print(f"at one save a minute: {statistics.median(costs) / 60:.2%} of the time", end="")
    print(f", in the loop itself {statistics.median(waits) / 60:.2%}")


if __name__ == "__main__":
    main()
