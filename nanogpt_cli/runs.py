"""Where runs and datasets lie, and how a name typed by the user finds them. No torch."""

import difflib
from collections.abc import Iterable
from pathlib import Path

from nanogpt_cli.errors import CheckpointError, DataError

RUNS, DATASETS = Path("out"), Path("data")
BEST, LAST, METRICS = "ckpt.pt", "last.pt", "metrics.jsonl"


def newest(files: Iterable[Path]) -> Path | None:
    """Give the file modified last, if there is one."""
    return max(files, key=lambda p: p.stat().st_mtime, default=None)


def run_files(root: Path | None = None, names: Iterable[str] = (BEST, LAST, METRICS)) -> list[Path]:
    """List the models and logs under ``out/``, at any depth."""
    return [path for name in names for path in (root or RUNS).rglob(name)]


def run_folders(root: Path | None = None) -> list[Path]:
    """List the folders under ``out/`` that hold a model or a log, at any depth."""
    return sorted({path.parent for path in run_files(root)})


def find_run(name: str | None = None) -> Path:
    """Find a run's folder by path or by name under ``out/``; without a name, the newest one.

    Raises CheckpointError where there is none, naming the nearest.
    """
    if name is None:
        return _newest_folder((BEST, LAST, METRICS))
    if folder := _find_folder(name, RUNS, (BEST, LAST, METRICS)):
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


def _newest_folder(names: Iterable[str]) -> Path:
    """Give the folder of the newest of these files. Raises CheckpointError where there is none."""
    file = newest(run_files(names=names))
    if file is None:
        raise CheckpointError(
            f"there is no run under {RUNS}/ yet", "train one: nanogpt train, or name a file"
        )
    return file.parent


def _find_folder(name: str, root: Path, files: Iterable[str]) -> Path | None:
    """Find a folder by path or by name under ``root``, first of all one that holds ``files``."""
    folders = [folder for folder in (Path(name), root / name) if folder.is_dir()]
    filled = (f for f in folders if any((f / file).is_file() for file in files))
    return next(filled, folders[0] if folders else None)


def find_checkpoint(name: str | None = None, *, last: bool = False) -> Path:
    """Find the checkpoint file of a run by name, folder or file; without a name, the newest run.

    A run's model to use is ``ckpt.pt``; ``last`` asks for the state to go on from. A folder from
    Hugging Face, which holds a config.json, is itself the checkpoint.
    """
    if name is not None:
        for file in (Path(name), RUNS / name):
            if file.is_file():
                return file
        if name.endswith(".pt"):
            raise CheckpointError(f"there is no file {name}", "check the path")
    folder = find_run(name) if name is not None else _newest_folder((BEST, LAST))
    order = (LAST, BEST) if last else (BEST, LAST)
    for file in (folder / part for part in order):
        if file.is_file():
            return file
    if not last and (folder / "config.json").is_file():
        return folder
    others = sorted(folder.glob("*.pt"))
    if len(others) == 1:
        return others[0]
    found = run_folders(folder) or others
    hint = (
        f"name one of them: {', '.join(str(path) for path in found[:8])}"
        if found
        else "train it first: nanogpt train"
    )
    raise CheckpointError(f"{folder} holds no {BEST}", hint)


def find_dataset(name: str | None = None) -> Path:
    """Find a dataset folder by path or by name under ``data/``; without a name, the newest one.

    Raises DataError where there is none.
    """
    if name is not None:
        folder = _find_folder(name, DATASETS, ("train.bin",))
        if folder is None:
            raise DataError(
                f"there is no dataset {name}",
                f"prepare it: nanogpt prepare YOUR.txt --out {name}, or name another dataset",
            )
        return folder
    file = newest(DATASETS.rglob("train.bin"))
    if file is None:
        raise DataError(
            f"there is no prepared dataset under {DATASETS}/",
            "prepare one: nanogpt prepare YOUR.txt, or nanogpt prepare for the demo corpus",
        )
    return file.parent
