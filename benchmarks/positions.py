"""Compare the position embeddings: the same data, steps and seeds, only --pos-embd differs.

Usage: python benchmarks/positions.py DATA_DIR [--seeds N] [--preset NAME] [--max-iters N]

Trains in a temporary folder and prints the defined validation loss of the last state. Seconds are
those of the whole run, which is only comparable where nothing else runs.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

from nanogpt_cli.checkpoint.load import load_checkpoint
from nanogpt_cli.checkpoint.weights import build_model
from nanogpt_cli.evaluation.loss import evaluate_loss, token_byte_counts
from nanogpt_cli.training.loop import train
from nanogpt_cli.training.plan import Request, make_run

KINDS = ("default", "rope", "relative")


def measure(
    pos_embd: str, seed: int, args: argparse.Namespace, folder: Path
) -> tuple[float, float]:
    """Train once; return the validation loss in nats per token, and the seconds it took."""
    settings = {"pos_embd": pos_embd, "seed": seed, "eval_interval": 10**9, "sample_tokens": 0}
    if args.max_iters:
        settings["max_iters"] = args.max_iters
    out = folder / f"{pos_embd}-{seed}"
    run = make_run(Request(settings, str(args.data_dir), out, preset=args.preset))
    outcome = train(run)
    if outcome.reason != "done":
        raise SystemExit(f"stopped by {outcome.reason}")
    checkpoint = load_checkpoint(out / "last.pt")
    counts = token_byte_counts(run.dataset.tokenizer, run.dataset.vocab_size)
    loss = evaluate_loss(build_model(checkpoint), run.dataset.val, counts)
    return loss.per_token, outcome.seconds


def main() -> None:
    """Run the comparison and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_Raw)
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--preset", default="shakespeare-char-cpu")
    parser.add_argument("--max-iters", type=int, default=0)
    args = parser.parse_args()
    results: dict[str, list[tuple[float, float]]] = {kind: [] for kind in KINDS}
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(args.seeds):
            for kind in KINDS:
                results[kind].append(measure(kind, 1337 + seed, args, Path(folder)))
                loss, seconds = results[kind][-1]
                print(f"seed {1337 + seed}, {kind}: {loss:.4f} in {seconds:.0f} s", flush=True)
    print(f"\n{'':10} val loss  against default  seconds")
    base = statistics.mean(loss for loss, _ in results["default"])
    for kind, runs in results.items():
        loss = statistics.mean(loss for loss, _ in runs)
        seconds = statistics.median(seconds for _, seconds in runs)
        print(f"{kind:10} {loss:8.4f}  {loss - base:+15.4f}  {seconds:7.0f}")


_Raw = argparse.RawDescriptionHelpFormatter

if __name__ == "__main__":
    main()
