"""A run that starts over where another one is, killed or failing at each change of the folder.

The other run is whole at every moment, in its place or in ``old-1``, and a reader of the folder
finds the files of one run alone.
"""

import os
import sys
import warnings
from pathlib import Path

import pytest

from nanogpt_cli.checkpoint.load import load_checkpoint
from nanogpt_cli.checkpoint.schema import Checkpoint
from nanogpt_cli.errors import MachineError
from nanogpt_cli.logs import metrics
from nanogpt_cli.training.folder import RunFolder

RUN = Path("out/a")
CHANGES = {"os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink"}
KILLED = 9

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")


def in_a_child(act):
    """Let a forked child do something; return how it ended."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads, all idle
        child = os.fork()
    if child == 0:
        try:
            act()
            os._exit(0)
        except MachineError:
            os._exit(5)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def disturb(number, act):
    """Have ``act`` happen just before the ``number``-th change of the folder by this process."""
    left = [number]

    def hook(event, args):
        written = event == "open" and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if (event in CHANGES or written) and str(RUN) in str(args[0]) and ".lock" not in args[0]:
            left[0] -= 1
            if left[0] == 0:
                Path("disturbed").touch()
                act()

    sys.addaudithook(hook)


def fail():
    raise OSError(5, "Input/output error")


class Series:
    """An old run of the steps 7 to 9, and a new one that takes its place."""

    def __init__(self, model, config):
        states = [Checkpoint(config, model, step=step) for step in (0, 7, 8, 9)]
        self.new, best, kept, last = states
        best.save(RUN / "ckpt.pt")
        kept.save(RUN / "step-00000008.pt")
        last.save(RUN / "last.pt")
        with metrics.MetricsLog(RUN / "metrics.jsonl") as log:
            log.write("run", of="old")
        self.before = contents(RUN)

    def restore(self):
        for path in sorted(RUN.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        for name, data in self.before.items():
            (RUN / name).write_bytes(data)

    def start_over(self):
        """Do what training does in the folder of another run."""
        folder = RunFolder(RUN)
        with folder.held():
            folder.start_over()
            with folder.open_log() as log:
                log.write("run", of="new")
                folder.write("ckpt.pt", self.new.save)
                log.write("train", of="new")

    def check(self):
        assert self.before in (contents(RUN), contents(RUN / "old-1"))
        steps = [load_checkpoint(path).step for path in RUN.glob("[!.]*.pt")]
        found = {"old" if step else "new" for step in steps}
        if (RUN / "metrics.jsonl").exists():
            found |= {event["of"] for event in metrics.read(RUN / "metrics.jsonl").events}
        assert len(found) <= 1
        return found


def contents(folder):
    if not folder.exists():
        return {}
    files = [path for path in folder.iterdir() if path.name[0] != "." and path.is_file()]
    return {path.name: path.read_bytes() for path in files}


@pytest.fixture
def series(tiny):
    model = tiny(n_layer=1)
    return Series(dict(model.state_dict()), model.config)


@pytest.mark.long
@pytest.mark.parametrize(("fault", "code"), [(lambda: os._exit(KILLED), KILLED), (fail, 5)])
def test_each_change_fails_or_is_the_last(series, fault, code):
    number, found = 0, []
    while number == 0 or Path("disturbed").exists():
        number += 1
        series.restore()
        Path("disturbed").unlink(missing_ok=True)

        def act(number=number):
            disturb(number, fault)
            series.start_over()

        ended = in_a_child(act)
        found.append(series.check())
        assert ended in (0, code)
        if code == KILLED:
            with RunFolder(RUN).held():  # the next start
                pass
        assert not list(RUN.glob(".*.new")), number
    assert number > 15
    assert {"old"} in found
    assert found[-1] == {"new"}


def test_links_in_the_old_run_are_kept_as_links(series):
    Path("elsewhere.pt").write_bytes((RUN / "last.pt").read_bytes())
    (RUN / "last.pt").unlink()
    (RUN / "last.pt").symlink_to("../../elsewhere.pt")
    series.start_over()
    assert load_checkpoint(RUN / "old-1/last.pt").step == 9
    assert load_checkpoint(Path("elsewhere.pt")).step == 9
    assert series.check() == {"new"}
