"""The models that can be asked for by name, and the engines of those in memory.

A name in a request is looked up among the runs that were found; it never becomes a path.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from nanogpt_cli.checkpoint.load import LoadedModel, load
from nanogpt_cli.errors import MachineError
from nanogpt_cli.files import identity
from nanogpt_cli.inference.scheduler import Scheduler
from nanogpt_cli.inference.server.errors import ApiError
from nanogpt_cli.inference.server.limits import Limits
from nanogpt_cli.inference.server.worker import Worker
from nanogpt_cli.runs import BEST, LAST, METRICS, RUNS, run_files

LOOK_AGAIN = 2.0
"""Seconds for which the list of runs is taken as it was."""


@dataclass
class Engine:
    """A model in memory, and what generates with it."""

    name: str
    loaded: LoadedModel
    worker: Worker
    file: object
    """Which file it was loaded from, also where another one has its name now."""
    used: float = field(default_factory=time.monotonic)


def run_name(path: Path) -> str:
    """Return what a checkpoint is called: its run under ``out/``, else its folder or file."""
    run = path.parent if path.name in (BEST, LAST) else path
    try:
        return run.resolve().relative_to(RUNS.resolve()).as_posix()
    except ValueError:
        return run.resolve().name


def known_runs() -> dict[str, Path]:
    """Return the checkpoint of each run under ``out/``, by the run's name."""
    found: dict[str, Path] = {}
    for path in run_files(names=(LAST, BEST)):  # the best replaces the last
        name = run_name(path)
        if name.isprintable():
            found[name] = path
    return dict(sorted(found.items()))


def start_engine(loaded: LoadedModel, name: str, limits: Limits) -> Engine:
    """Return a running engine for a model.

    Raises MachineError where there is no memory for the cache of one text.
    """
    config = loaded.config
    size = 2 * config.n_layer * config.block_size * config.n_embd * 4
    rows = max(1, min(limits.rows, limits.cache // size))
    try:
        scheduler = Scheduler(
            loaded.model, rows=rows, waiting=limits.waiting, vocab_size=loaded.tokenizer.vocab_size
        )
    except RuntimeError as error:
        raise MachineError(
            f"{loaded.path}: not enough memory for {rows} contexts of {config.block_size:,} tokens",
            "use a smaller model, or a machine with more memory",
        ) from error
    worker = Worker(scheduler, name, limits.stall_seconds)
    return Engine(name, loaded, worker, identity(loaded.path))


class Models:
    """The runs that are there, and the engines of those in use; for one event loop."""

    def __init__(
        self,
        first: LoadedModel,
        limits: Limits,
        device: str = "auto",
        find: Callable[[], dict[str, Path]] = known_runs,
    ) -> None:
        self.default = run_name(first.path)
        self._first, self._limits, self._device, self._find = first.path, limits, device, find
        self._engines = {self.default: start_engine(first, self.default, limits)}
        self._paths: dict[str, Path] = {}
        self._looked = 0.0
        self._loading = asyncio.Lock()

    @property
    def engines(self) -> list[Engine]:
        """Those in memory."""
        return list(self._engines.values())

    def engine(self, name: str) -> Engine | None:
        """Return the engine of a model that is in memory."""
        return self._engines.get(name)

    async def names(self) -> dict[str, Path]:
        """Return the checkpoints that can be asked for, by name."""
        if time.monotonic() - self._looked > LOOK_AGAIN:
            self._paths = {self.default: self._first} | await asyncio.to_thread(self._find)
            self._looked = time.monotonic()
        return self._paths

    async def log_of(self, name: str) -> Path | None:
        """Return where a run's metrics are. Raises ApiError (404) for an unknown name."""
        path = await self._path(name)
        return path.parent / METRICS if path.name in (BEST, LAST) else None

    async def _path(self, name: str) -> Path:
        path = (await self.names()).get(name)
        if path is None:
            raise ApiError(
                404, "there is no such model; /v1/models lists them", param="model",
                code="model_not_found",
            )  # fmt: skip
        return path

    async def get(self, name: str | None) -> Engine:
        """Return the engine of a model, which is loaded where it is not in memory.

        A checkpoint that training has replaced is loaded anew. Raises ApiError for an unknown name
        or where no more models fit, and as ``load`` does.
        """
        name = self.default if name is None else name
        path = await self._path(name)
        async with self._loading:
            engine = self._engines.get(name)
            now = await asyncio.to_thread(identity, path)
            if engine is None or (now is not None and engine.file != now):
                engine = await self._load(name, path)
            engine.used = time.monotonic()
            return engine

    async def _load(self, name: str, path: Path) -> Engine:
        while name not in self._engines and len(self._engines) >= self._limits.models:
            idle = [e for e in self.engines if e.worker.idle and e.name != self.default]
            if not idle:
                raise ApiError(503, "too many models are in use", retry_after=10)
            self._drop(min(idle, key=lambda engine: engine.used).name)
        loaded = await asyncio.to_thread(load, path, self._device)
        engine = start_engine(loaded, name, self._limits)
        if name in self._engines:
            self._drop(name)
        self._engines[name] = engine
        return engine

    def _drop(self, name: str) -> None:
        self._engines.pop(name).worker.stop()

    def stop(self) -> None:
        """End all engines, each once it has nothing to do."""
        for name in list(self._engines):
            self._drop(name)
