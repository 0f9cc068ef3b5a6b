"""A run's folder is one run's: whatever ends it, whatever it replaces, wherever it is moved."""

import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

import pytest
from short_runs import SETTINGS, Listener, events, same, start, timeless, weights

from nanogpt_cli import files
from nanogpt_cli.checkpoint.load import load_checkpoint
from nanogpt_cli.checkpoint.schema import Checkpoint
from nanogpt_cli.errors import CheckpointError, MachineError, UsageError
from nanogpt_cli.training.folder import RunFolder
from nanogpt_cli.training.loop import train
from nanogpt_cli.training.plan import Request, make_run
from nanogpt_cli.training.reporter import Reporter

RUN, OLD = Path("out/a"), Path("out/a/old-1")


def contents(folder):
    """Return the files of a run by name; those without meaning to readers are left out."""
    seen = [path for path in Path(folder).iterdir() if path.name[0] != "." and path.is_file()]
    return {path.name: path.read_bytes() for path in seen}


def over(init_from="scratch", **settings):
    settings = {**SETTINGS, "seed": 3, **settings}
    return make_run(Request(settings, "data/hamlet", RUN, init_from, force=True))


@pytest.mark.usefixtures("text_data")
class TestStartingOver:
    def test_the_run_before_stays_until_there_is_a_state_and_is_kept_then(self):
        few = {"max_iters": 2, "sample_tokens": 0}
        train(start(save_every="1", keep=2, **few))
        before = contents(RUN)

        class Killed(Reporter):
            def start(self, *args):
                assert contents(RUN) == before
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            train(over(**few), Killed())
        assert contents(RUN) == before
        listener = Listener()
        train(over(**few), listener)
        assert contents(OLD) == before
        assert {*contents(RUN)} == {"ckpt.pt", "last.pt", "metrics.jsonl"}
        assert [e["config"]["seed"] for e in events(RUN, "run")] == [3]
        assert f"the run in {RUN} is kept as {OLD} when this one has saved" in listener.notes
        train(over(**few))
        assert contents(OLD) == before
        assert (RUN / "old-2/last.pt").is_file()
        assert not list(RUN.glob(".*.new"))

    def test_a_run_can_start_from_the_one_that_it_replaces(self):
        train(start())
        before, best = contents(RUN), weights(RUN, "ckpt.pt")
        train(over(init_from=str(RUN), eval_interval=0, save_every="0", max_iters=0))
        assert contents(OLD) == before
        assert same(weights(RUN), best)

    def test_the_first_state_is_saved_before_the_first_step_whatever_the_interval(self):
        train(start())

        class Look(Reporter):
            def step(self, report):
                deadline = time.monotonic() + 20
                while not OLD.exists() or saved_step() != 0:
                    assert time.monotonic() < deadline

        def saved_step():
            with suppress(CheckpointError):  # until the first state is in place
                return load_checkpoint(RUN / "last.pt").step

        train(over(eval_interval=0, save_every="0"), Look())

    def test_a_disk_that_fails_leaves_the_run_before(self, nanogpt, monkeypatch):
        train(start())
        before = contents(RUN)

        def full(checkpoint, path, **kwargs):
            raise MachineError(f"cannot write {path}: full", "free some space")

        monkeypatch.setattr(Checkpoint, "save", full)
        with pytest.raises(MachineError):
            train(over(init_from=str(RUN)))
        assert contents(RUN) == before
        assert {p.name for p in RUN.iterdir()} - {*before} <= {".lock"}

    def test_a_log_alone_is_a_run_that_cannot_be_resumed(self):
        RUN.mkdir(parents=True)
        (RUN / "metrics.jsonl").write_text("{}\n")
        with pytest.raises(UsageError) as error:
            start(RUN)
        assert error.value.hint == "start over: --force"


@pytest.mark.usefixtures("text_data")
class TestMoved:
    class Move(Reporter):
        """Does something to the folder at a step."""

        def __init__(self, act, at=5):
            self.act, self.at, self.notes = act, at, []

        def step(self, report):
            if report.step == self.at:
                self.act()

        def note(self, text):
            self.notes.append(text)

    @pytest.mark.skipif(os.name == "nt", reason="a folder in use cannot be renamed")
    def test_a_folder_that_is_renamed_gets_the_rest_of_the_run(self):
        train(start("out/whole", save_every="1", keep=2))
        move = self.Move(lambda: RUN.rename("out/b"))
        outcome = train(start(RUN, save_every="1", keep=2), move)
        assert outcome.out_dir == Path("out/b")
        assert [p.name for p in Path("out").iterdir() if p.name != "whole"] == ["b"]
        assert f"{RUN} was renamed: the run continues in out/b" in move.notes
        assert timeless("out/b") == timeless("out/whole")
        assert {*contents("out/b")} == {*contents("out/whole")}
        for name in ("last.pt", "ckpt.pt"):
            assert same(weights("out/b", name), weights("out/whole", name))

    @pytest.mark.skipif(os.name == "nt", reason="a folder in use cannot be removed")
    def test_a_folder_that_is_gone_is_not_made_again(self):
        def remove():
            RUN.rename("trash")
            while Path("trash").exists():  # a save may be under way
                shutil.rmtree("trash", ignore_errors=True)

        move = self.Move(remove)
        with pytest.raises(MachineError, match="moved or removed while it trained"):
            train(start(RUN), move)
        assert not RUN.exists()

    @pytest.mark.skipif(os.name == "nt", reason="a folder in use cannot be renamed")
    def test_another_folder_in_its_place_is_left_alone(self):
        move = self.Move(lambda: (RUN.rename("out/b"), RUN.mkdir()))
        train(start(RUN), move)
        assert not any(RUN.iterdir())
        assert load_checkpoint(Path("out/b/last.pt")).step == 12

    @pytest.mark.skipif(os.name == "nt", reason="a folder in use cannot be renamed")
    def test_a_save_during_which_it_is_renamed_is_done_again(self):
        folder = RunFolder(RUN)
        with folder.held():

            def save(path):
                with files.atomic_write(path) as file:
                    file.write(b"state")
                    if RUN.exists():
                        RUN.rename("out/b")

            folder.write("last.pt", save)
        assert Path("out/b/last.pt").read_bytes() == b"state"
