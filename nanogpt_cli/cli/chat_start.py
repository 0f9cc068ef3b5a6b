"""The start of a conversation in a terminal: which model, which conversation, and the prompt.

The prompt is there before torch is loaded.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nanogpt_cli.cli import saved_chats
from nanogpt_cli.cli.background import Background
from nanogpt_cli.cli.saved_chats import Keeper
from nanogpt_cli.cli.terminal import Terminal
from nanogpt_cli.errors import CheckpointError
from nanogpt_cli.inference.conversation import Conversation, load_conversation
from nanogpt_cli.runs import find_checkpoint

if TYPE_CHECKING:
    from nanogpt_cli.checkpoint.load import LoadedModel
    from nanogpt_cli.inference.session import Session


def talk(
    model: str | None,
    open_session: "Callable[[Path], Session]",
    open_model: "Callable[[Path], LoadedModel]",
    given: Mapping[str, Any],
    *,
    resume: bool,
    save: bool,
) -> int:
    """Talk with a model in the terminal, and return the exit code.

    With ``resume`` the newest conversation is continued, with its own model and settings where no
    others are ``given``.
    """
    from nanogpt_cli.cli.chat import find_model

    earlier, kept_as = None, None
    if resume:
        kept_as = saved_chats.find()
        earlier = load_conversation(kept_as)
    path = _model_of(earlier) if earlier and model is None else find_model(model)

    def make() -> "Session":
        session = open_session(path)
        if earlier:
            saved_chats.resume(session, earlier, given)
        return session

    loading = Background(make)
    terminal = Terminal(
        loading,
        str(path),
        lambda name: open_model(find_checkpoint(name)),
        Keeper(kept_as) if save else None,
    )
    if earlier:
        terminal.recall(earlier.turns)
    try:
        code = terminal.run()
    except SystemExit as leaving:  # a signal
        loading.abandon(leaving.code if isinstance(leaving.code, int) else 1)
        raise
    loading.abandon(code)
    return code


def _model_of(earlier: Conversation) -> Path:
    """Return the model of a conversation. Raises CheckpointError where it is gone."""
    if not os.path.lexists(earlier.model):
        raise CheckpointError(
            f"the model of that conversation is gone: {earlier.model}",
            "name another: nanogpt chat MODEL --continue",
        )
    return Path(earlier.model)
