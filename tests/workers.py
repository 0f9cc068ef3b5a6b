"""Processes that are started once, and train together whatever they are asked to.

A process that has to load torch takes seconds; these load it once, and each job takes what it
computes.
"""

import os
import socket
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

LAUNCHER = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


class Workers:
    """Up to ``count`` processes; a context manager."""

    def __init__(self, count: int) -> None:
        context = get_context("spawn")
        self._pipes: list[Connection] = []
        self._processes = []
        for _ in range(count):
            here, there = context.Pipe()
            process = context.Process(target=_serve, args=(there,), daemon=True)
            process.start()
            there.close()
            self._pipes.append(here)
            self._processes.append(process)

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *exc_info: object) -> None:
        for pipe in self._pipes:
            pipe.close()  # which ends them
        for process in self._processes:
            process.join(10)
            process.kill()

    def run(self, size: int, work: Callable[..., Any], *args: Any, **settings: Any) -> list[Any]:
        """Call ``work`` in ``size`` processes as torchrun would; return what each returns.

        What is raised comes back as an exception. ``work`` is a function of a module.
        """
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        for rank, pipe in enumerate(self._pipes[:size]):
            values = (rank, size, rank, size, "127.0.0.1", port)
            launcher = dict(zip(LAUNCHER, map(str, values), strict=True)) if size > 1 else {}
            pipe.send((Path.cwd(), launcher, work, args, settings))
        return [pipe.recv() for pipe in self._pipes[:size]]


def _serve(pipe: Connection) -> None:
    """Do what comes, until the other end is closed."""
    import torch

    import nanogpt_cli.training.loop

    assert nanogpt_cli.training.loop
    torch.set_num_threads(1)
    while True:
        try:
            folder, launcher, work, args, settings = pipe.recv()
        except EOFError:
            return
        os.chdir(folder)
        for name in LAUNCHER:
            os.environ.pop(name, None)
        os.environ.update(launcher)
        try:
            answer = work(*args, **settings)
        except BaseException as error:  # the test shall see it, whatever it is
            answer = error
        pipe.send(answer)
