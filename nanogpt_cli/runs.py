"""Where runs and datasets lie, and how a name typed by the user finds them. No torch."""

import difflib
from pathlib import Path

from nanogpt_cli.errors import CheckpointError, DataError

RUNS, DATASETS = Path("out"), Path("data")
BEST, LAST, METRICS = "ckpt.pt", "last.pt", "metrics.jsonl"


def newest(paths: list[Path]) -> Path | None:
    """Give the path modified last, if there is one."""
    return max(paths, key=lambda p: p.stat().st_mtime, default=None)


def run_folders(root: Path | None = None) -> list[Path]:
    """List the folders under ``out/`` that hold a model or a log, at any depth."""
    files = (p for name in (BEST, LAST, METRICS) for p in (root or RUNS).rglob(name))
    return sorted({p.parent for p in files})


def find_run(name: str | None = None) -> Path:
    """Find a run's folder by path or by name under ``out/``; without a name, the newest one.

    Raises CheckpointError where there is none, naming the nearest.
    """
    if name is None:
        newest_file = newest([p for f in run_folders() for p in f.iterdir() if p.is_file()])
        if newest_file is None:
            raise CheckpointError(
                f"there is no run under {RUNS}/ yet", "train one: nanogpt train, or name a file"
            )
        return newest_file.parent
    for folder in (Path(name), RUNS / name):
        if folder.is_dir():
            return folder
    known = [str(folder.relative_to(RUNS)) for folder in run_folders()]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if near:
        hint = f"did you mean {near[0]}?"
    elif known:
        hint = f"known runs: {', '.join(known[:8])}"
    else:
        hint = "train one: nanogpt train, or name a checkpoint file"
    raise CheckpointError(f"no run, folder or file is called {name}", hint)


def find_checkpoint(name: str | None = None, *, last: bool = False) -> Path:
    """Find the checkpoint file of a run by name, folder or file; without a name, the newest run.

    A run's model to use is ``ckpt.pt``; ``last`` asks for the state to go on from.
    """
    if name is not None and Path(name).is_file():
        return Path(name)
    if name is not None and name.endswith(".pt") and not (RUNS / name).is_file():
        raise CheckpointError(f"there is no file {name}", "check the path")
    if name is not None and (RUNS / name).is_file():
        return RUNS / name
    folder = find_run(name)
    order = (LAST, BEST) if last else (BEST, LAST)
    for file in (folder / part for part in order):
        if file.is_file():
            return file
    inside = run_folders(folder) if name is not None else []
    others = sorted(folder.glob("*.pt"))
    if len(others) == 1:
        return others[0]
    hint = (
        f"name one of them: {', '.join(str(p) for p in (inside or others)[:8])}"
        if inside or others
        else "train it first: nanogpt train"
    )
    raise CheckpointError(f"{folder} holds no {BEST}", hint)


def find_dataset(name: str | None = None) -> Path:
    """Find a dataset folder by path or by name under ``data/``; without a name, the newest one.

    Raises DataError where there is none.
    """
    if name is None:
        file = newest(sorted(DATASETS.rglob("train.bin")))
        if file is None:
            raise DataError(
                f"there is no prepared dataset under {DATASETS}/",
                "prepare one: nanogpt prepare YOUR.txt, or nanogpt prepare for the demo corpus",
            )
        return file.parent
    for folder in (Path(name), DATASETS / name):
        if folder.is_dir():
            return folder
    raise DataError(f"there is no dataset {name}", f"prepare it: nanogpt prepare --out {name}")
