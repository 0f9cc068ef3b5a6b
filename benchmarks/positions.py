"""Compare the position embeddings: the same data, seeds and size, only --pos-embd differs.

Usage: python benchmarks/positions.py --text tinyshakespeare.txt [--out out/positions]
                                      [--seconds 45] [--seeds 3]

Trains default, rope and relative on dialogues (the demo corpus) and on the text, each for as many
seconds and then for as many steps: those that the first default run took in that time. Measures
the defined validation loss of the last state, and the loss over windows of 2 and 4 times the block
where that is defined. With the defaults these are 36 runs: 35 to 40 minutes on two quiet cores.
The folder gets results.json, table.md and positions.svg, anew after each run. Started again, the
same command resumes after the last finished run.
"""

import argparse
import json
import math
import shutil
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nanogpt_cli as nanogpt
from nanogpt_cli.checkpoint.load import load
from nanogpt_cli.data.store import open_dataset
from nanogpt_cli.evaluation.loss import token_byte_counts
from nanogpt_cli.evaluation.positions import BEYOND, measure_context
from nanogpt_cli.files import atomic_write
from nanogpt_cli.plot.measures import Estimate, Measure, Measures
from nanogpt_cli.plot.save import save_measures

KINDS = ("default", "rope", "relative")
BUDGETS = {"steps": "equal steps", "time": "equal time"}
STUDENT = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365}
"""The 97.5% quantiles of Student's t, by how many values there are."""
FIRST_SEED = 1337
Result = dict[str, Any]


@dataclass(frozen=True)
class Experiment:
    """What is compared, and where the results are."""

    out: Path
    settings: dict[str, Any]
    texts: dict[str, list[str]]
    """What is prepared as which dataset."""
    seeds: int
    seconds: float
    results: list[Result]

    def cells(self) -> Iterator[tuple[str, str, str, int]]:
        """Yield each run in the order in which they are made, seed by seed."""
        for seed in range(FIRST_SEED, FIRST_SEED + self.seeds):
            for budget in ("time", "steps"):
                for data in self.texts:
                    for kind in KINDS:
                        yield data, budget, kind, seed

    def find(self, data: str, budget: str, kind: str) -> list[Result]:
        """Return the results of a cell's seeds, in their order."""
        wanted = {"data": data, "budget": budget, "kind": kind}
        return [r for r in self.results if wanted.items() <= r.items()]

    def steps(self, data: str) -> int:
        """Return the steps of the runs with equal steps: those of the first timed default run."""
        return int(self.find(data, "time", "default")[0]["steps"])

    def save(self) -> None:
        """Write the results, the table and the picture."""
        content = {
            "settings": self.settings,
            "seconds": self.seconds,
            "results": self.results,
            "summary": summary(self),
        }
        _write(self.out / "results.json", json.dumps(content, indent=1))
        _write(self.out / "table.md", table(self))
        save_measures(picture(self), self.out / "positions.svg")


def _write(path: Path, text: str) -> None:
    with atomic_write(path) as file:
        file.write(text.encode())


def dataset(experiment: Experiment, name: str) -> Path:
    """Return a prepared dataset, prepared now if it is not yet."""
    folder = experiment.out / "data" / name
    if not (folder / "meta.json").is_file():
        kind = "char" if name == "text" else "auto"
        nanogpt.prepare(*experiment.texts[name], out=folder, tokenizer=kind, force=True)
    return folder


def measure(experiment: Experiment, data: str, budget: str, kind: str, seed: int) -> Result:
    """Train once and return what was measured of the last state."""
    out = experiment.out / "run"
    folder = dataset(experiment, data)
    length = (
        {"time": experiment.seconds}
        if budget == "time"
        else {"max_iters": experiment.steps(data), "lr_decay_iters": experiment.steps(data)}
    )
    shutil.rmtree(out, ignore_errors=True)
    outcome = nanogpt.train(
        folder,
        out_dir=out,
        **{**experiment.settings, **length, "pos_embd": kind, "seed": seed},
        eval_interval=10**9,
        sample_tokens=0,
    )
    if outcome.reason != "done":
        raise SystemExit(f"stopped by {outcome.reason}; the same command resumes")
    loaded = load(out / "last.pt", "auto")
    opened = open_dataset(folder)
    block = loaded.config.block_size
    contexts = [
        measure_context(loaded.model, opened.val, block * times, mask=opened.val_mask)
        for times in (1, *BEYOND)
    ]
    sizes = token_byte_counts(opened.tokenizer, loaded.config.vocab_size)
    shutil.rmtree(out)
    return {
        "data": data,
        "budget": budget,
        "kind": kind,
        "seed": seed,
        "steps": outcome.step,
        "seconds": outcome.seconds,
        "parameters": loaded.model.parameter_count(),
        "loss": contexts[0].loss,
        "bytes_per_token": float(sizes[opened.val[:]].mean()),
        "loss_at": {str(times): c.loss for times, c in zip(BEYOND, contexts[1:], strict=True)},
        "contexts": [context.to_dict() for context in contexts],
    }


def interval(values: Sequence[float]) -> tuple[float, float | None]:
    """Return the mean and half of its 95% interval (Student's t); one value has none."""
    mean = statistics.fmean(values)
    quantile = STUDENT.get(len(values), 1.96)
    half = None
    if len(values) > 1:
        half = quantile * statistics.stdev(values) / math.sqrt(len(values))
    return mean, half


def _values(results: Sequence[Result], times: int) -> list[float]:
    """Return losses for windows of so many blocks; none where they are not defined."""
    found = [r["loss"] if times == 1 else r["loss_at"][str(times)] for r in results]
    return [loss for loss in found if loss is not None]


def summary(experiment: Experiment) -> list[Result]:
    """Return means with intervals; differences are between runs of the same seed."""
    rows = []
    for data in experiment.texts:
        for budget in BUDGETS:
            base = {r["seed"]: r for r in experiment.find(data, budget, "default")}
            for kind in KINDS:
                results = experiment.find(data, budget, kind)
                if not results:
                    continue
                row: Result = {"data": data, "budget": budget, "kind": kind, "runs": len(results)}
                for times in (1, *BEYOND):
                    values = _values(results, times)
                    row[f"loss_{times}x"] = interval(values) if values else None
                pairs = [r["loss"] - base[r["seed"]]["loss"] for r in results if r["seed"] in base]
                row["against_default"] = interval(pairs) if pairs and kind != "default" else None
                row["steps"] = round(statistics.fmean(r["steps"] for r in results))
                row["seconds"] = statistics.fmean(r["seconds"] for r in results)
                rows.append(row)
    return rows


def _shown(found: tuple[float, float | None] | None, signed: bool = False) -> str:
    if found is None:
        return "–"
    mean, half = found
    text = f"{mean:+.4f}" if signed else f"{mean:.4f}"
    return text if half is None else f"{text} ±{half:.4f}"


def table(experiment: Experiment) -> str:
    """Return the summary in Markdown."""
    beyond = [f"at {times}x the block" for times in BEYOND]
    heads = ["data", "budget", "positions", "loss", "against default", *beyond, "steps", "seconds"]
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * 3}{'---:|' * (len(heads) - 3)}"]
    for row in summary(experiment):
        cells = [
            row["data"],
            BUDGETS[row["budget"]],
            f"`{row['kind']}`",
            _shown(row["loss_1x"]),
            _shown(row["against_default"], signed=True),
            *(_shown(row[f"loss_{times}x"]) for times in BEYOND),
            f"{row['steps']:,}",
            f"{row['seconds']:.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n\n" + "\n".join(verdicts(experiment)) + "\n"


def verdicts(experiment: Experiment) -> list[str]:
    """Return in words what the experiment is for: who beats whom, and by how much."""
    said = []
    for data in experiment.texts:
        for budget, words in BUDGETS.items():
            found = {kind: experiment.find(data, budget, kind) for kind in KINDS}
            if not all(found.values()):
                continue
            loss = {k: statistics.fmean(_values(runs, 1)) for k, runs in found.items()}
            better = [k for k in KINDS[1:] if loss[k] < loss["default"]]
            beat = f"{' and '.join(better)} better than default" if better else "none beats default"
            gap = loss["relative"] - loss["rope"]
            said.append(f"{data}, {words}: {beat}; relative minus rope {gap:+.4f}.")
    return said


def picture(experiment: Experiment) -> Measures:
    """Return the summary as what is drawn: a panel for each loss."""
    rows = {(r["data"], r["budget"], r["kind"]): r for r in summary(experiment)}
    measures = []
    for data in experiment.texts:
        for budget, words in BUDGETS.items():
            for times in (1, *BEYOND):
                found = [rows.get((data, budget, kind)) for kind in KINDS]
                values = [None if row is None else row[f"loss_{times}x"] for row in found]
                at = "" if times == 1 else f", {times}x block"
                if any(values):
                    measures.append(Measure(f"{data}, {words}{at}", [_estimate(v) for v in values]))
    return Measures(KINDS, measures, title="Validation loss, nats per token")


def _estimate(found: tuple[float, float | None] | None) -> Estimate | None:
    if found is None:
        return None
    mean, half = found
    return Estimate(mean) if half is None else Estimate(mean, mean - half, mean + half)


def start(args: argparse.Namespace) -> Experiment:
    """Return the experiment, with the results that its folder has. Exits where it is another's."""
    settings = {
        name: getattr(args, name)
        for name in ("n_layer", "n_head", "n_embd", "block_size", "batch_size")
    }
    settings["gradient_accumulation_steps"] = 1
    texts = {"dialogues": list(args.dialogues or []), "text": [args.text]}
    file, results = args.out / "results.json", []
    if file.is_file():
        known = json.loads(file.read_text())
        if (known["settings"], known["seconds"]) != (settings, args.seconds):
            raise SystemExit(f"{args.out} has results of other settings: name another --out")
        results = known["results"]
    return Experiment(args.out, settings, texts, args.seeds, args.seconds, results)


def main() -> None:
    """Make the runs that are missing, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--text", required=True, help="a text file, such as Tiny Shakespeare")
    parser.add_argument("--dialogues", nargs="*", help="other dialogues than the demo corpus")
    parser.add_argument("--out", type=Path, default=Path("out/positions"))
    parser.add_argument("--seconds", type=float, default=45.0, help="training time of a run")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--n-layer", type=int, default=2)
    parser.add_argument("--n-head", type=int, default=4)
    parser.add_argument("--n-embd", type=int, default=128)
    parser.add_argument("--block-size", type=int, default=256)
    parser.add_argument("--batch-size", type=int, default=8)
    args = parser.parse_args()
    experiment = start(args)
    cells = list(experiment.cells())
    done = {(r["data"], r["budget"], r["kind"], r["seed"]) for r in experiment.results}
    for number, cell in enumerate(cells, start=1):
        if cell in done:
            continue
        result = measure(experiment, *cell)
        experiment.results.append(result)
        experiment.save()
        data, budget, kind, seed = cell
        print(
            f"{number} of {len(cells)}: {data}, {BUDGETS[budget]}, {kind}, seed {seed}: loss "
            f"{result['loss']:.4f}, {result['steps']:,} steps in {result['seconds']:.0f} s",
            flush=True,
        )
    print(f"\n{table(experiment)}\nwrote results.json, table.md and positions.svg in {args.out}")


if __name__ == "__main__":
    main()
