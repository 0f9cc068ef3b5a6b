"""Weights & Biases: a run under the project ``nanogpt``, or that of ``WANDB_PROJECT``.

Where nobody is logged in, it is kept in the run's folder (offline mode) instead of asking.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nanogpt_cli.files import atomic_write, open_regular
from nanogpt_cli.logs.events import finite
from nanogpt_cli.text import shell_word
from nanogpt_cli.training.trackers.base import Place, Tracker, TrackerKind, scalars


class WandbRun(Tracker):
    """Passes the curves on."""

    def __init__(self, place: Place) -> None:
        import wandb

        offline = not os.environ.get("WANDB_MODE") and not wandb.login(prompt=False)
        if offline:
            place.note(
                "wandb: not logged in, so nothing is sent; upload it later with: wandb sync "
                f"{shell_word(place.folder / 'wandb')}/offline-run-*"
            )
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "nanogpt"),
            name=os.environ.get("WANDB_NAME", place.name),
            dir=str(place.folder),
            id=_known_id(place),
            resume="allow",
            mode="offline" if offline else None,
            settings=wandb.Settings(silent=True, console="off", init_timeout=60),
        )
        with atomic_write(_id_file(place)) as file:
            file.write(self._run.id.encode())
        self._run.define_metric("step")
        self._run.define_metric("*", step_metric="step")

    def write(self, event: str, fields: Mapping[str, Any]) -> None:
        """Pass on the curves of an event, or the settings of the run."""
        if event == "run":
            self._run.config.update(finite(dict(fields)), allow_val_change=True)
        elif curves := scalars(event, fields):
            self._run.log({"step": fields["step"], **curves})

    def close(self) -> None:
        """Wait until all is written, or sent."""
        self._run.finish()


def _id_file(place: Place) -> Path:
    """Return where the run's id is kept, so that a resumed run continues under it."""
    folder = place.folder / "wandb"
    folder.mkdir(exist_ok=True)
    return folder / "nanogpt-run-id"


def _known_id(place: Place) -> str | None:
    """Return the id of the run that is resumed; None where there is none yet."""
    path = _id_file(place)
    if not (place.resumed and path.is_file()):
        return None
    with open_regular(path) as file:
        return file.read(100).decode("ascii").strip()


TRACKER = TrackerKind(WandbRun, "wandb")
