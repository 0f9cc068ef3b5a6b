"""What was typed in chats, kept in a file from one to the next."""

import os
from collections.abc import Iterable
from pathlib import Path

from prompt_toolkit.history import FileHistory

from nanogpt_cli.files import open_regular


class ChatHistory(FileHistory):
    """A history that only its owner can read, and without which the chat continues."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.problem: OSError | None = None
        """Why it is not kept."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
            open_regular(path).close()
            path.chmod(0o600)  # older versions left it readable to all
        except OSError as error:
            self.problem = error

    def load_history_strings(self) -> Iterable[str]:
        """Return what was typed before, the newest first."""
        try:
            return [] if self.problem else super().load_history_strings()
        except OSError as error:
            self.problem = error
            return []

    def store_string(self, string: str) -> None:
        """Add a text to the file."""
        if not self.problem:
            try:
                super().store_string(string)
            except OSError as error:
                self.problem = error
