"""Where conversations are kept: in the user's state folder by name, or in a file anywhere.

Each chat in a terminal is kept from its first reply on, so that ``--continue`` finds the newest.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nanogpt_cli.config import SampleConfig
from nanogpt_cli.errors import DataError, MachineError
from nanogpt_cli.inference.conversation import (
    SUFFIX,
    Conversation,
    save_conversation,
    settings_of,
)
from nanogpt_cli.runs import newest
from nanogpt_cli.text import nearest

if TYPE_CHECKING:
    from nanogpt_cli.inference.session import Session

KEPT = 100
"""Unnamed conversations that are kept, the newest ones."""
_UNNAMED = "chat-"


def folder() -> Path:
    """Return where conversations are kept; it may not exist."""
    import platformdirs

    return Path(platformdirs.user_state_dir("nanogpt")) / "conversations"


def place(name: str) -> Path:
    """Return the file of a conversation: a path, where it looks like one, or a name."""
    is_path = name.endswith(SUFFIX) or any(sep in name for sep in (os.sep, os.altsep or os.sep))
    return Path(name).expanduser() if is_path else folder() / f"{name}{SUFFIX}"


def names() -> list[str]:
    """Return the names of the conversations that are kept, in the order of the alphabet."""
    with suppress(OSError):
        return sorted(path.name.removesuffix(SUFFIX) for path in folder().glob(f"*{SUFFIX}"))
    return []


def find(name: str | None = None) -> Path:
    """Return the file of a conversation, by default the newest. Raises DataError for none."""
    if name is None:
        path = newest(folder().glob(f"*{SUFFIX}"))
        if path is None:
            raise DataError("there is no conversation to continue", "start one: nanogpt chat")
        return path
    path = place(name)
    if not os.path.lexists(path):
        near = nearest(name, names())
        hint = f"did you mean {near}?" if near else "name a file, or one that /save has kept"
        raise DataError(f"there is no conversation {name}", hint)
    return path


def conversation_of(session: "Session") -> Conversation:
    """Return what a session has said, to be saved."""
    return Conversation(
        list(session.transcript),
        str(session.loaded.path),
        settings_of(session.config),
        session.stop,
    )


def save(session: "Session", path: Path) -> None:
    """Save a conversation. Raises UsageError and MachineError."""
    if path.parent == folder():
        _make_private(path.parent)
    save_conversation(path, conversation_of(session))


def _make_private(path: Path) -> None:
    """Make a folder that only its owner can read. Raises MachineError where that fails."""
    from nanogpt_cli.files import machine_errors

    with machine_errors(path):
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.chmod(0o700)


class Keeper:
    """Saves a chat after each reply."""

    def __init__(self, path: Path | None = None) -> None:
        started = datetime.now().strftime("%Y-%m-%d-%H%M%S-%f")
        self.path = path or folder() / f"{_UNNAMED}{started}-{os.getpid()}{SUFFIX}"
        """The file of the conversation, which may not be there yet."""
        self.problem: MachineError | None = None
        """Why it is not kept."""

    def keep(self, session: "Session") -> None:
        """Save the conversation as it is."""
        if self.problem is None:
            try:
                is_new = not self.path.exists()
                save(session, self.path)
                if is_new:
                    _remove_oldest()
            except MachineError as error:
                self.problem = error


def _remove_oldest() -> None:
    unnamed = sorted(folder().glob(f"{_UNNAMED}*{SUFFIX}"))
    for path in unnamed[:-KEPT]:
        with suppress(OSError):
            path.unlink()


def resume(session: "Session", found: Conversation, given: Mapping[str, Any] | None = None) -> None:
    """Continue a saved conversation with its settings; those that were ``given`` are stronger."""
    session.resume(found.turns)
    session.set(SampleConfig(**{**found.settings, **(given or {})}))
    session.stop = session.stop or found.stop
