"""Standard streams that are lost: talk is dropped, an answer is not."""

import io
import sys
from pathlib import Path

import pytest
from command_line import TINY, executable

from nanogpt_cli import cli
from nanogpt_cli.cli import ui
from nanogpt_cli.cli.streams import prepare_streams
from nanogpt_cli.errors import MachineError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs /dev/full")


class Pipe(io.RawIOBase):
    """A pipe whose reader has left."""

    def write(self, data):
        raise BrokenPipeError

    def writable(self):
        return True


def full_disk():
    return Path("/dev/full").open("wb", buffering=0)


@pytest.fixture
def lose(monkeypatch):
    """Let a standard stream of this process be one that is lost, as it is at its start."""

    raws = []

    def replace(name, raw):
        raws.append(raw)
        stream = io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8")
        monkeypatch.setattr(sys, name, stream)
        monkeypatch.setattr(sys, f"__{name}__", stream)

    ui.console.cache_clear()
    yield replace
    for raw in raws:
        raw.close()
    ui.console.cache_clear()


@pytest.mark.parametrize("raw", [full_disk, Pipe])
def test_a_lost_stderr_changes_nothing(lose, raw, text_data, capsys):  # row 66
    lose("stderr", raw())
    train = ["train", *TINY, "--max-iters=2", "--out-dir=out/t"]
    assert cli.run(train) == 0
    assert Path("out/t/last.pt").exists()
    assert cli.run(["plot-log", "t", "--json"]) == 0
    assert capsys.readouterr().out.startswith("{")
    assert cli.run(["fly"]) == 2


def test_a_lost_stdout_ends_the_command(lose, nanogpt):  # row 59 and 60
    lose("stdout", full_disk())
    code, _, err = nanogpt("--version")
    assert (code, err.splitlines()[0]) == (
        5,
        "error: cannot write to stdout: No space left on device",
    )
    lose("stdout", Pipe())
    assert nanogpt("--version") == (141, "", "")


def test_what_is_lost_once_is_not_written_again(lose):
    lose("stdout", full_disk())
    prepare_streams()
    with pytest.raises(MachineError):
        print("an answer", flush=True)
    print("as the interpreter flushes at its end", flush=True)


def test_losing_both_is_told_by_the_exit_code():
    with full_disk() as full:
        run = executable("--version", stdout=full, stderr=full)
    assert run.wait(timeout=60) == 5
