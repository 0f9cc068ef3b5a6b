"""Trackio: a run of the project ``nanogpt``, or that of ``TRACKIO_PROJECT``, on this machine."""

import os
from collections.abc import Mapping
from typing import Any

from nanogpt_cli.logs.events import finite
from nanogpt_cli.training.trackers.base import Place, Tracker, TrackerKind, scalars


class TrackioRun(Tracker):
    """Passes the curves on; the run begins with its settings."""

    def __init__(self, place: Place) -> None:
        self._place, self._run = place, None

    def write(self, event: str, fields: Mapping[str, Any]) -> None:
        """Begin the run, or pass on the curves of an event."""
        if event == "run":
            self._run = _begin(self._place, finite(dict(fields)))
        elif self._run and (curves := scalars(event, fields)):
            self._run.log(curves, step=fields["step"])

    def close(self) -> None:
        """Wait until all is written."""
        import trackio

        if self._run:
            trackio.finish()  # the run's own leaves work for the interpreter's exit


def _begin(place: Place, settings: dict[str, Any]) -> Any:
    import trackio

    project = os.environ.get("TRACKIO_PROJECT", "nanogpt")
    place.note(f"trackio: look at it with: trackio show --project {project}")
    return trackio.init(
        project=project,
        name=place.name,
        config=settings,
        resume="allow" if place.resumed else "never",
        embed=False,
        auto_log_cpu=False,
        auto_log_gpu=False,
    )


TRACKER = TrackerKind(TrackioRun, "trackio")
