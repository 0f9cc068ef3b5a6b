"""Saving what several processes hold together: as a folder to which each writes its part."""

from pathlib import Path
from typing import Any

from nanogpt_cli.runs import BEST
from nanogpt_cli.training.keeper import RunKeeper
from nanogpt_cli.training.parallel.checkpoint import ShardedSaver
from nanogpt_cli.training.parallel.replicated import Many
from nanogpt_cli.training.state import TrainState


class ShardedKeeper(RunKeeper):
    """Saves ``state-N`` in place of ``last.pt``; ``ckpt.pt`` is the ordinary one."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        assert isinstance(self.parallel, Many)
        self.sharded = ShardedSaver(self.parallel, self.run.config.keep)

    def __exit__(self, *exc_info: Any) -> None:
        try:
            super().__exit__(*exc_info)
        finally:
            self.sharded.close()

    def write_state(self, state: TrainState) -> None:
        """Have each process write its part. All call it."""
        if self.saver:
            self.saver.wait(BEST)  # which moves an older run out of the way
        folder = Path(self.parallel.agreed(str(self.folder.find()) if self.folder else ""))
        training = state.state_dict() | {"machine": self.machine, "optimizers": []}
        self.sharded.save(folder, state, self.checkpoint(state, {}, training=training))

    def wait(self) -> None:
        """Wait until all is on the disk."""
        self.sharded.wait()
        super().wait()
