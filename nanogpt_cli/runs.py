"""Where runs and datasets lie, and how a name typed by the user finds them. No torch."""

import difflib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from nanogpt_cli.errors import CheckpointError, DataError
from nanogpt_cli.files import TEMPORARY

RUNS, DATASETS = Path("out"), Path("data")
BEST, LAST, METRICS = "ckpt.pt", "last.pt", "metrics.jsonl"
COMMITTED = ".new-dataset"
"""The folder in a dataset's own from which its new files go, one by one, to their places."""
LOCK = ".lock"
"""Held by the run that trains in a folder, or by the ``prepare`` that replaces a dataset in it."""


def step_file(step: int) -> str:
    """Name the state of a step that is kept beside ``last.pt``."""
    return f"step-{step:08d}.pt"


def step_files(folder: Path) -> list[Path]:
    """List the states that are kept beside ``last.pt``, the newest first."""
    pattern = "step-" + 8 * "[0-9]" + "*.pt"
    return sorted(folder.glob(pattern), key=lambda p: (len(p.name), p.name), reverse=True)


def saved_states(folder: Path) -> list[Path]:
    """List what a run can go on from, the newest first, and its best model last."""
    places = (folder / LAST, *step_files(folder), folder / BEST)
    return [path for path in places if path.is_file()]


def newest(files: Iterable[Path]) -> Path | None:
    """Give the file modified last, if there is one."""
    dated = []
    for path in files:
        with suppress(FileNotFoundError):  # a run started over removes its old log
            dated.append((path.stat().st_mtime, path))
    return max(dated)[1] if dated else None


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
        file = newest(run_files())
        if file is None:
            raise CheckpointError(
                f"there is no run under {RUNS}/ yet", "train one: nanogpt train, or name a file"
            )
        return file.parent
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


def _find_folder(name: str, root: Path, files: Iterable[str]) -> Path | None:
    """Find a folder by path or by name under ``root``, first of all one that holds ``files``."""
    folders = [folder for folder in (Path(name), root / name) if folder.is_dir()]
    filled = (f for f in folders if any((f / file).is_file() for file in files))
    return next(filled, folders[0] if folders else None)


def find_checkpoint(name: str | None = None, *, last: bool = False) -> Path:
    """Find the checkpoint file of a run by name, folder or file; without a name, the newest one's.

    A run's model to use is ``ckpt.pt``; ``last`` asks for the state to go on from. A folder from
    Hugging Face, which holds a config.json, is itself the checkpoint.
    """
    if name is not None:
        for file in (Path(name), RUNS / name):
            if file.is_file():
                return file
        if name.endswith(".pt"):
            raise CheckpointError(f"there is no file {name}", "check the path")
    saved = newest(run_files(names=(BEST, LAST))) if name is None else None
    folder = saved.parent if saved else find_run(name)
    for file in saved_states(folder) if last else (folder / BEST, folder / LAST):
        if file.is_file():
            return file
    if not last and (folder / "config.json").is_file():
        return folder
    others = sorted(folder.glob("*.pt"))
    if len(others) == 1:
        return others[0]
    found = [path for path in run_folders(folder) if path != folder] or others
    if found:
        hint = f"name one of them: {', '.join(str(path) for path in found[:8])}"
    elif (folder / METRICS).is_file():
        hint = "its run has saved nothing yet: wait for the first evaluation"
    else:
        hint = "train it first: nanogpt train"
    raise CheckpointError(f"{folder} holds no {BEST}", hint)


def unsaved_run() -> Path | None:
    """Give the newest run where it has no checkpoint yet, so that an older one's was found."""
    run = find_run()
    return None if any((run / name).is_file() for name in (BEST, LAST)) else run


def find_dataset(name: str | None = None) -> Path:
    """Find a dataset folder by path or by name under ``data/``; without a name, the newest one.

    Raises DataError where there is none.
    """
    if name is not None:
        folder = _find_folder(name, DATASETS, ("train.bin", f"{COMMITTED}/train.bin"))
        if folder is None:
            raise DataError(
                f"there is no dataset {name}",
                f"prepare it: nanogpt prepare YOUR.txt --out {name}, or name another dataset",
            )
        return folder
    found = DATASETS.rglob("train.bin")
    file = newest(file for file in found if not file.parent.name.endswith(TEMPORARY))
    if file is None:
        raise DataError(
            f"there is no prepared dataset under {DATASETS}/",
            "prepare one: nanogpt prepare YOUR.txt, or nanogpt prepare for the demo corpus",
        )
    return file.parent.parent if file.parent.name == COMMITTED else file.parent


def dataset_file(folder: Path, name: str) -> Path:
    """Give where a dataset's file is; one that ``prepare --force`` had yet to move is the new one.

    So whoever reads a folder whose replacement was cut short reads the new dataset, whole.
    """
    new = folder / COMMITTED / name
    return new if new.exists() else folder / name
