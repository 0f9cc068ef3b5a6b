"""A run saves when it should, beside training, and keeps what it was asked to."""

import time
from pathlib import Path

import pytest
from short_runs import same, start, weights

from nanogpt_cli.checkpoint.load import load_checkpoint
from nanogpt_cli.checkpoint.schema import Checkpoint
from nanogpt_cli.errors import MachineError
from nanogpt_cli.training.loop import train
from nanogpt_cli.training.reporter import Reporter
from nanogpt_cli.training.saver import Saver


@pytest.mark.usefixtures("text_data")
class TestSaving:
    class Steps(Reporter):
        """Looks at ``last.pt`` after each step."""

        def __init__(self):
            self.saved = {}

        def step(self, report):
            path = Path("out/a/last.pt")
            self.saved[report.step] = load_checkpoint(path).step if path.exists() else None

    @pytest.fixture
    def at_once(self, monkeypatch):
        """Let each save be on the disk when it returns."""
        real = Saver.save

        def save(saver, name, *args, **kwargs):
            real(saver, name, *args, **kwargs)
            saver.wait(name)

        monkeypatch.setattr(Saver, "save", save)

    def test_an_interval_in_steps_saves_at_its_multiples(self, at_once):
        seen = self.Steps()
        train(start(save_every="3"), seen)
        assert [seen.saved[step] for step in range(1, 13)] == [0, 0, 0, 3, 3, 3, 6, 6, 6, 9, 9, 9]
        assert load_checkpoint(Path("out/a/last.pt")).step == 12

    def test_an_interval_of_time_saves_that_often(self, at_once, monkeypatch):
        clock = iter(range(10**6))  # each look at the clock is a second later
        monkeypatch.setattr(time, "perf_counter", lambda: float(next(clock)))
        seen = self.Steps()
        train(start(save_every="20s", max_iters=40), seen)
        saves = sorted(set(seen.saved.values()))
        assert saves[0] == 0
        assert 3 < len(saves) < 15

    def test_without_an_interval_it_is_saved_at_the_end_alone(self, at_once):
        seen = self.Steps()
        train(start(save_every="0"), seen)
        assert set(seen.saved.values()) == {None}
        assert load_checkpoint(Path("out/a/last.pt")).step == 12

    @pytest.mark.long
    def test_the_loop_does_not_outrun_a_slow_disk_by_more_than_the_interval(self, monkeypatch):
        real = Checkpoint.save

        def slow(self, path, **kwargs):
            time.sleep(0.5)
            real(self, path, **kwargs)

        monkeypatch.setattr(Checkpoint, "save", slow)
        lost = []

        class Watch(Reporter):
            def step(self, report):
                time.sleep(0.02)
                path = Path("out/a/last.pt")
                lost.append(report.step - (load_checkpoint(path).step if path.exists() else 0))

        train(start(save_every="0.6s", max_iters=70, eval_interval=1000), Watch())
        assert 0.02 * max(lost) < 0.6  # 1.1 if it went on during the write

    def test_a_full_disk_ends_the_run_soon(self, monkeypatch):
        def full(self, path, **kwargs):
            raise MachineError(f"cannot write {path}: no space", "free some")

        monkeypatch.setattr(Checkpoint, "save", full)
        with pytest.raises(MachineError, match="cannot write"):
            train(start(max_iters=10**6))

    def test_kept_states_are_there_and_can_be_gone_on_with(self):
        train(start(save_every="3", keep=2))
        kept = [path.name for path in sorted(Path("out/a").glob("step-*"))]
        assert kept == ["step-00000009.pt", "step-00000012.pt"]
        whole = weights("out/a")
        Path("out/a/step-00000012.pt").unlink()
        Path("out/a/last.pt").write_bytes(b"torn")
        run = start("out/a", resume=True)
        assert run.start.step == 9
        assert "resuming from out/a/step-00000009.pt" in " ".join(run.notes)
        train(run)
        assert same(weights("out/a"), whole)
