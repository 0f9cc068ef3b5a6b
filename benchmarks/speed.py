"""Tokens per second of training, and where they go.

Usage: python benchmarks/speed.py [steps|positions|head|data ...] [--nanogpt FOLDER] [--threads N]

steps      one architecture and batch, this project's step beside nanoGPT's (a checkout of it) and
           transformers', and beside the rate at which this machine multiplies matrices
positions  the three position embeddings at block 256
head       ways to get the loss of a large vocabulary: milliseconds and memory
data       the share of a step that fetching its batch takes

What is compared is run in turn, several times; medians are shown. A CUDA device is used if present:
there the peers run as they do on theirs, compiled and in bfloat16, and GPT-2 124M is measured too.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from nanogpt_cli.config import ModelConfig, Optimizer, TrainConfig
from nanogpt_cli.data.batches import training_batch
from nanogpt_cli.data.store import Tokens
from nanogpt_cli.device import autocast, find_device
from nanogpt_cli.model.factory import make_model
from nanogpt_cli.model.kernels import head_loss
from nanogpt_cli.registry import POSITIONS
from nanogpt_cli.training.batches import Batches
from nanogpt_cli.training.optim import make_optimizers
from nanogpt_cli.training.parallel import Parallel
from nanogpt_cli.training.state import TrainState
from nanogpt_cli.training.step import apply, gradients

DEVICE = find_device()
LAPTOP = ModelConfig(64, 4, 4, 128, 0.0, False, "default", "gpt2", 0, vocab_size=65)
LARGE = replace(LAPTOP, block_size=256, n_layer=6, n_head=6, n_embd=384)
GPT2 = replace(LAPTOP, block_size=1024, n_layer=12, n_head=12, n_embd=768, vocab_size=50304)
ON_CUDA = DEVICE.type == "cuda"


def random_tokens(config: ModelConfig) -> Tokens:
    """Return a text without meaning."""
    rng = np.random.default_rng(0)
    return rng.integers(0, config.vocab_size, 300_000).astype(np.uint16)


def their_batches(
    config: ModelConfig, batch_size: int
) -> Callable[[int], tuple[torch.Tensor, ...]]:
    """Give random batches, the same for all."""
    tokens = random_tokens(config)

    def batch(index: int) -> tuple[torch.Tensor, ...]:
        numbers = range(index * batch_size, (index + 1) * batch_size)
        pair = training_batch(tokens, seed=1, numbers=numbers, block_size=config.block_size)
        return tuple(t.contiguous().to(DEVICE) for t in pair)

    return batch


def our_step(
    config: ModelConfig, batch_size: int, dtype: torch.dtype, optimizer: Any = "adamw"
) -> Any:
    """Return a function that makes one training step of ours."""
    torch.manual_seed(0)
    model = make_model(config).to(DEVICE)
    settings = TrainConfig(optimizer=optimizer, batch_size=batch_size)
    state = TrainState(model, make_optimizers(model, settings))
    batches = Batches(random_tokens(config), config, settings, Parallel(DEVICE))
    forward: Any = torch.compile(model) if ON_CUDA else model

    def step() -> None:
        precision = partial(autocast, DEVICE, dtype)
        gradients(state, forward, batches, precision=precision, grad_clip=1.0)
        apply(state, lr=1e-4)
        state.step += 1

    return step


def plain_step(model: Any, optimizer: Any, batch: Any, loss_of: Any) -> Any:
    """Return a function that makes one step of the usual loop: float32 and eager on a CPU."""
    count = 0
    forward = torch.compile(model) if ON_CUDA else model

    def step() -> None:
        nonlocal count
        with autocast(DEVICE, torch.bfloat16 if ON_CUDA else torch.float32):
            loss = loss_of(forward, *batch(count))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        loss.item()
        count += 1

    return step


def nanogpt_step(folder: Path, config: ModelConfig, batch_size: int) -> Any:
    """Return nanoGPT's step."""
    sys.path.insert(0, str(folder))
    import model as theirs  # type: ignore[import-not-found]

    names = ("block_size", "vocab_size", "n_layer", "n_head", "n_embd", "dropout", "bias")
    gpt = theirs.GPT(theirs.GPTConfig(**{n: getattr(config, n) for n in names})).to(DEVICE)
    optimizer = gpt.configure_optimizers(0.1, 1e-4, (0.9, 0.99), DEVICE.type)
    return plain_step(gpt, optimizer, their_batches(config, batch_size), lambda m, x, y: m(x, y)[1])


def transformers_step(config: ModelConfig, batch_size: int) -> Any:
    """Return a step of transformers' GPT-2."""
    import transformers

    gpt = transformers.GPT2LMHeadModel(
        transformers.GPT2Config(
            vocab_size=config.vocab_size, n_positions=config.block_size, n_embd=config.n_embd,
            n_layer=config.n_layer, n_head=config.n_head, resid_pdrop=0, embd_pdrop=0, attn_pdrop=0,
        )
    ).to(DEVICE)  # fmt: skip
    optimizer = torch.optim.AdamW(gpt.parameters(), lr=1e-4)

    def loss_of(model: Any, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(model(x).logits.flatten(0, 1), y.flatten())

    return plain_step(gpt, optimizer, their_batches(config, batch_size), loss_of)


def compare(steps: dict[str, Any], rounds: int = 7) -> dict[str, float]:
    """Run the steps in turn; return the median seconds of each."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(rounds + 2):
        for name, step in steps.items():
            count, begin = 0, time.perf_counter()
            while time.perf_counter() - begin < 0.3 or not count:
                step()
                count += 1
            if turn >= 2:
                times[name].append((time.perf_counter() - begin) / count)
    return {name: statistics.median(values) for name, values in times.items()}


def matrix_rate(dtype: torch.dtype) -> float:
    """Return the floating-point operations per second of a large matrix product."""
    side = 8192 if ON_CUDA else 2048
    a, b = (torch.randn(side, side, device=DEVICE, dtype=dtype) for _ in range(2))
    seconds = compare({"product": lambda: (a @ b)[0, 0].item()})["product"]
    return float(2 * side**3 / seconds)


def show_steps(args: argparse.Namespace) -> None:
    """Compare whole training steps."""
    rates = {t: matrix_rate(t) for t in (torch.float32, torch.bfloat16)}
    print(", ".join(f"matrices in {_name(t)}: {r / 1e9:.0f} GFLOP/s" for t, r in rates.items()))
    shapes = [("laptop", LAPTOP, 12), ("large", LARGE, 64 if ON_CUDA else 8)]
    if ON_CUDA:
        shapes.append(("GPT-2", GPT2, 16))
    for name, config, batch_size in shapes:
        steps = {
            "ours, float32": our_step(config, batch_size, torch.float32),
            "ours, bfloat16": our_step(config, batch_size, torch.bfloat16),
            "transformers": transformers_step(config, batch_size),
        }
        if args.nanogpt:
            steps["nanoGPT"] = nanogpt_step(args.nanogpt, config, batch_size)
        seconds = compare(steps)
        flops = make_model(config).flops_per_token() * batch_size * config.block_size
        base = seconds.get("nanoGPT", seconds["transformers"])
        print(f"\n{name}: {config.n_layer} layers, {config.n_embd} wide, {batch_size} x "
              f"{config.block_size} tokens")  # fmt: skip
        for kind, s in seconds.items():
            half = "bf" in kind or (ON_CUDA and "float32" not in kind)
            share = flops / s / rates[torch.bfloat16 if half else torch.float32]
            print(
                f"  {kind:16} {batch_size * config.block_size / s:9,.0f} tokens/s, {base / s:4.2f} "
                f"times the peer, {flops / s / 1e9:4.0f} GFLOP/s, {share:.0%} of that type's rate"
            )


def show_positions(args: argparse.Namespace) -> None:
    """Compare the position embeddings."""
    arches: tuple[tuple[str, Optimizer], ...] = (("gpt2", "adamw"), ("modern", "muon"))
    for arch, optimizer in arches:
        for dtype in (torch.float32, torch.bfloat16):
            steps = {
                kind: our_step(
                    ModelConfig(256, 4, 4, 128, 0.0, False, kind, arch, vocab_size=65),
                    8, dtype, optimizer,
                )
                for kind in POSITIONS
            }  # fmt: skip
            seconds = compare(steps)
            shown = ", ".join(
                f"{kind} {8 * 256 / s:,.0f} ({seconds['default'] / s:.2f})"
                for kind, s in seconds.items()
            )
            print(f"{arch}, {_name(dtype)}, tokens/s (of default): {shown}")


def peak_memory() -> float:
    """Return the most memory that this process has had, in MB; on Linux only, elsewhere nan."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    peaks = [float(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")]
    return peaks[0] if peaks else float("nan")


def _head(method: str, tokens: int, width: int, vocab: int, send: Any) -> None:
    """Time one way to get the loss and its gradients; send the memory that it took."""
    torch.manual_seed(0)
    x = torch.randn(tokens, width, requires_grad=True)
    weight = (torch.randn(vocab, width) * 0.02).requires_grad_()
    targets = torch.randint(0, vocab, (tokens,))
    half = method != "all logits, float32"

    def loss() -> torch.Tensor:
        if method == "ours":
            return head_loss(x, weight, targets)
        if method == "torch's linear_cross_entropy":
            options = torch.nn.LinearCrossEntropyOptions()
            return F.linear_cross_entropy(x.bfloat16(), weight.bfloat16(), targets, options=options)
        logits = F.linear(x, weight)
        return F.cross_entropy(logits if "straight" in method else logits.float(), targets)

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16) if half else nullcontext():
            value = loss()
        value.backward()  # type: ignore[no-untyped-call]
        x.grad = weight.grad = None

    before = peak_memory()
    step()
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        step()
        times.append(time.perf_counter() - begin)
    send.put((statistics.median(times), peak_memory() - before))


def show_head(args: argparse.Namespace) -> None:
    """Compare the ways, each in a process of its own, so that its memory can be measured."""
    methods = ["ours", "all logits, float32", "all logits, bfloat16 to float32",
               "all logits, bfloat16 straight"]  # fmt: skip
    if hasattr(torch.nn, "LinearCrossEntropyOptions"):
        methods.append("torch's linear_cross_entropy")
    context = get_context("spawn")
    for tokens, width, vocab in ((2048, 256, 50304), (2048, 192, 8192)):
        print(f"{tokens} tokens, {width} wide, vocabulary {vocab}")
        for method in methods:
            queue = context.Queue()
            process = context.Process(target=_head, args=(method, tokens, width, vocab, queue))
            process.start()
            seconds, memory = queue.get()
            process.join()
            print(f"  {method:32} {seconds * 1000:7.0f} ms, {memory:6.0f} MB")


def show_data(args: argparse.Namespace) -> None:
    """Print the share of a step that is spent on its batch."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.bin"
        np.random.default_rng(0).integers(0, 65, 50_000_000).astype(np.uint16).tofile(path)
        tokens = np.memmap(path, dtype=np.dtype("<u2"), mode="r")
        for width, layers in ((64, 2), (192, 3)):
            config = ModelConfig(256, layers, width // 32, width, vocab_size=65)
            step = our_step(config, 8, torch.bfloat16, "muon")
            spent, begin = 0.0, 0.0
            for index in range(220):
                if index == 20:
                    spent, begin = 0.0, time.perf_counter()
                before = time.perf_counter()
                numbers = range(index * 8, (index + 1) * 8)
                training_batch(tokens, seed=1, numbers=numbers, block_size=256)
                spent += time.perf_counter() - before
                step()
            share = spent / (time.perf_counter() - begin)
            print(f"{layers} layers, {width} wide: data takes {share:.2%} of a step")


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def main() -> None:
    """Run the parts that were named, or all."""
    parts = {"steps": show_steps, "positions": show_positions, "head": show_head, "data": show_data}
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", default=[], metavar="PART")
    parser.add_argument("--nanogpt", type=Path, help="a checkout of nanoGPT to run beside ours")
    parser.add_argument("--threads", type=int, default=0)
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    for name in args.parts or parts:
        print(f"--- {name}", flush=True)
        parts[name](args)


if __name__ == "__main__":
    main()
