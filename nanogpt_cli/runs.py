"""Where runs and datasets are stored, and how a name typed by the user finds them. No torch."""

import difflib
import os
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from nanogpt_cli.errors import CheckpointError, DataError
from nanogpt_cli.files import TEMPORARY
from nanogpt_cli.text import shell_word

RUNS, DATASETS = Path("out"), Path("data")
DOWNLOADS = "downloads"
"""The folder under DATASETS for files of known corpora."""
BEST, LAST, METRICS = "ckpt.pt", "last.pt", "metrics.jsonl"
STATE = "state.pt"
"""In the folder of a state that several processes wrote: what it holds beside tensors."""
COMMITTED = ".new-dataset"
"""The folder inside a dataset's folder from which its new files are moved, one by one."""
TEXT_INDEX = "train.index"
CHECKED = "checked.json"
"""Where each part of the training text stands, beside a dataset; made when it is first needed."""
LOCK = ".lock"
"""Held by the run that trains in a folder, or by the ``prepare`` that replaces a dataset in it."""


_SHOWN = 300
"""Characters of a name that are shown."""


def step_file(step: int) -> str:
    """Return the name of a step's state, which is kept beside ``last.pt``."""
    return f"step-{step:08d}.pt"


def step_files(folder: Path) -> list[Path]:
    """List the states that are kept beside ``last.pt``, the newest first."""
    pattern = "step-" + 8 * "[0-9]" + "*.pt"
    return sorted(folder.glob(pattern), key=lambda p: (len(p.name), p.name), reverse=True)


def state_folder(step: int) -> str:
    """Return the name of the folder in which several processes write a step's state."""
    return f"state-{step:08d}"


def state_folders(folder: Path) -> list[Path]:
    """List the states that several processes wrote, the newest first."""
    pattern = "state-" + 8 * "[0-9]" + "*"
    found = (path for path in folder.glob(pattern) if (path / STATE).is_file())
    return sorted(found, key=lambda p: (len(p.name), p.name), reverse=True)


def run_of(file: Path) -> Path:
    """Return the folder of the run that a saved state belongs to."""
    return file.parent.parent if file.name == STATE else file.parent


def saved_states(folder: Path) -> list[Path]:
    """List the states a run can be resumed from, the newest first, and its best model last."""
    shared = [path / STATE for path in state_folders(folder)]
    places = [path for path in (folder / LAST, *step_files(folder)) if _is_there(path)]
    if shared and places and shared[0].stat().st_mtime < places[0].stat().st_mtime:
        shared, places = places, shared  # the strategy was changed
    return [*shared, *places, *(path for path in [folder / BEST] if _is_there(path))]


def _is_there(file: Path) -> bool:
    """Whether a file has this name, also one that cannot be read; reading it will say so."""
    return os.path.lexists(file) and not file.is_dir()


def newest(files: Iterable[Path]) -> Path | None:
    """Return the file modified last; None where there is none."""
    dated = []
    for path in files:
        with suppress(OSError):  # a run that starts over removes its old log
            dated.append((path.stat().st_mtime, path))
    return max(dated)[1] if dated else None


def run_files(root: Path | None = None, names: Iterable[str] = (BEST, LAST, METRICS)) -> list[Path]:
    """List the models and logs under ``out/``, at any depth."""
    return [path for name in names for path in (root or RUNS).rglob(name)]


def run_folders(root: Path | None = None) -> list[Path]:
    """List the folders under ``out/`` that contain a model or a log, at any depth."""
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
        hint = f"did you mean {shell_word(near[0])}?"
    elif known:
        hint = f"known runs: {', '.join(map(shell_word, known[:8]))}"
    else:
        hint = "train one: nanogpt train, or name a checkpoint file"
    raise CheckpointError(f"no run, folder or file is called {name}", hint)


def _find_folder(name: str, root: Path, files: Iterable[str]) -> Path | None:
    """Find a folder by path or by name under ``root``, preferring one that contains ``files``."""
    # which, unlike Path's, take a name that no file can have for one that none has
    folders = [folder for folder in (Path(name), root / name) if os.path.isdir(folder)]
    filled = (f for f in folders if any(os.path.isfile(f / file) for file in files))
    return next(filled, folders[0] if folders else None)


def find_checkpoint(name: str | None = None, *, last: bool = False) -> Path:
    """Find the checkpoint file of a run by name, folder or file; without a name, the newest one's.

    A run's model to use is ``ckpt.pt``; ``last`` asks for the state to resume from. A folder from
    Hugging Face, which has a config.json, is itself the checkpoint.
    """
    if name is not None:
        for file in (Path(name), RUNS / name):
            if _is_there(file):
                return file
        if name.endswith(".pt") and _find_folder(name, RUNS, ()) is None:
            raise CheckpointError(f"there is no file {name}", "check the path")
    saved = newest(run_files(names=(BEST, LAST))) if name is None else None
    folder = saved.parent if saved else find_run(name)
    for file in saved_states(folder) if last else (folder / BEST, folder / LAST):
        if _is_there(file):
            return file
    if not last and (folder / "config.json").exists():
        return folder
    others = sorted(path for path in folder.glob("*.pt") if path.is_file())
    if len(others) == 1:
        return others[0]
    found = [path for path in run_folders(folder) if path != folder] or others
    if found:
        hint = f"name one of them: {', '.join(map(shell_word, found[:8]))}"
    elif (folder / METRICS).is_file():
        hint = "the run has saved nothing yet: wait for the first evaluation"
    else:
        hint = "train it first: nanogpt train"
    raise CheckpointError(f"{folder} has no {BEST}", hint)


def unsaved_run() -> Path | None:
    """Return the newest run if it has no checkpoint yet, so that an older run's was found."""
    run = find_run()
    return None if any((run / name).is_file() for name in (BEST, LAST)) else run


def find_dataset(name: str | None = None) -> Path:
    """Find a dataset folder by path or by name under ``data/``; without a name, the newest one.

    Raises DataError where there is none.
    """
    if name is not None:
        folder = _find_folder(name, DATASETS, ("train.bin", f"{COMMITTED}/train.bin"))
        if folder is None:
            name = name if len(name) <= _SHOWN else f"{name[:_SHOWN]} ..."
            prepare = f"nanogpt prepare YOUR.txt --out {shell_word(name)}"
            raise DataError(
                f"there is no dataset {name}", f"prepare it: {prepare}, or name another dataset"
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
    """Return the path of a dataset's file: the new one, if ``prepare --force`` has yet to move it.

    So a reader of a folder whose replacement was cut short gets all of the new dataset.
    """
    new = folder / COMMITTED / name
    return new if has_committed(folder) and new.exists() else folder / name


def has_committed(folder: Path) -> bool:
    """Whether new files wait in ``folder`` to be moved; a link to another folder is none."""
    committed = folder / COMMITTED
    return os.path.isdir(committed) and not os.path.islink(committed)


_SHARD = re.compile(r"(train|val)\.[1-9]\d*\.bin")


def shard_name(split: str, number: int) -> str:
    """Return the name of a file of ``train`` or ``val``; the first has the number 0."""
    return f"{split}.{number}.bin" if number else f"{split}.bin"


def later_shards(folder: Path) -> list[str]:
    """Return the names of the files of a dataset that are not the first of their split."""
    try:
        return sorted(name for name in os.listdir(folder) if _SHARD.fullmatch(name))
    except (FileNotFoundError, NotADirectoryError):
        return []
