"""What a shell completes on Tab: names of runs, datasets and the like. Nothing here loads torch.

A name that is not one printable word is left out: the shells would take it apart.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from nanogpt_cli.files import TEMPORARY
from nanogpt_cli.runs import COMMITTED, DATASETS, RUNS, run_folders


def any_of(*names: str) -> Callable[[str], list[str]]:
    """Return what completes one of some fixed names."""
    return lambda incomplete: _beginning(names, incomplete)


def runs(incomplete: str) -> list[str]:
    """Return the names of runs under out/ that begin like this."""
    with suppress(OSError):
        return _named(run_folders(), RUNS, incomplete)
    return []


def datasets(incomplete: str) -> list[str]:
    """Return the names of datasets under data/ that begin like this."""
    with suppress(OSError):
        folders = {file.parent for file in DATASETS.rglob("train.bin")}
        whole = (f for f in folders if f.name != COMMITTED and not f.name.endswith(TEMPORARY))
        return _named(sorted(whole), DATASETS, incomplete)
    return []


def starts(incomplete: str) -> list[str]:
    """Return what a run can start from: nothing, its own last state, or another run."""
    return [*_beginning(("scratch", "resume"), incomplete), *runs(incomplete)]


def _named(folders: Iterable[Path], root: Path, incomplete: str) -> list[str]:
    return _beginning((f.relative_to(root).as_posix() for f in folders if f != root), incomplete)


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return [n for n in names if n.startswith(incomplete) and n.isprintable() and " " not in n]
