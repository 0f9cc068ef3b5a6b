"""The events of a log, whichever format it was written in."""

import math
from dataclasses import dataclass
from typing import Any

Event = dict[str, Any]
"""One entry of a log; its kind is under ``event``."""


@dataclass(frozen=True)
class Log:
    """The events of a run in order, and how many lines of its log could not be read."""

    events: list[Event]
    dropped: int = 0

    @property
    def ended(self) -> bool:
        """Whether the run is over."""
        return bool(self.events) and self.events[-1]["event"] == "end"


def finite(value: Any) -> Any:
    """Replace nan and infinities by None, however deeply nested."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {key: finite(inner) for key, inner in value.items()}
        case list() | tuple():
            return [finite(inner) for inner in value]
    return value
