"""``nanogpt train --devices N``: torch's elastic launcher, on this machine alone.

It starts the command N times as torchrun would, ends all where one fails, and starts them again
where that is asked for. This module computes nothing and holds no device.
"""

import logging
import os
import signal
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from nanogpt_cli.errors import LostContactError, MachineError

GRACE = 120
"""Seconds that the processes have for saving, once they are asked to stop."""


def start_processes(count: int, arguments: list[str], max_restarts: int = 0) -> int:
    """Run ``nanogpt`` with ``arguments`` in ``count`` processes; return the exit code of all.

    Raises MachineError naming the process that was killed, if one was.
    """
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // count)))
    with tempfile.TemporaryDirectory(prefix="nanogpt-errors-") as errors, _quiet():
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=count,
            run_id=uuid.uuid4().hex,
            rdzv_backend="c10d",
            rdzv_endpoint="127.0.0.1:0",
            local_addr="127.0.0.1",
            max_restarts=max_restarts,
            shutdown_timeout=GRACE,
            logs_specs=DefaultLogsSpecs(log_dir=errors),
        )
        own = ["-P", "-m", "nanogpt_cli", *arguments]
        try:
            elastic_launch(config, sys.executable)(*own)
        except SignalException as stopped:
            return 128 + stopped.sigval
        except ChildFailedError as error:
            return exit_code(error.failures, count)
    return 0


def exit_code(failures: dict[int, ProcessFailure], count: int) -> int:
    """Return the code of the process whose failure is the cause, of ``failures`` by rank.

    Raises MachineError where that process was killed.
    """
    killed = [f for f in failures.items() if f[1].exitcode < 0 and -f[1].exitcode != signal.SIGTERM]
    if killed:
        rank, failure = killed[0]
        raise MachineError(
            f"process {rank} of {count} was killed by {signal.Signals(-failure.exitcode).name} "
            f"(pid {failure.pid})",
            "where the system does that, memory ran out: use a smaller --batch-size, or "
            "--strategy fsdp; then continue: --init-from resume, or with --max-restarts by itself",
        )
    own = [f for f in failures.values() if LostContactError.__name__ not in str(f.message)]
    return abs((own or list(failures.values()))[0].exitcode)


@contextmanager
def _quiet() -> Iterator[None]:
    """Let the processes alone say what there is to say."""
    logger = logging.getLogger("torch.distributed.elastic")
    before, logger.level = logger.level, logging.CRITICAL
    names = [name for name in logging.root.manager.loggerDict if name.startswith(logger.name)]
    disabled = [logging.getLogger(name) for name in names]
    for each in disabled:
        each.disabled = True
    try:
        yield
    finally:
        logger.level = before
        for each in disabled:
            each.disabled = False
