"""Conversations in files: JSON lines, which ``nanogpt prepare`` reads too, and Markdown to read.

A line of JSON is one conversation: ``messages`` with ``role`` (user, assistant) and ``content``;
``context`` and ``emotion`` where something stands in front of it; and ``model``, ``saved`` and
``settings``. This module knows neither models nor a terminal.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from nanogpt_cli.config import SampleConfig
from nanogpt_cli.dialogue import Role, Turn
from nanogpt_cli.errors import DataError, NanoGPTError, UsageError
from nanogpt_cli.files import atomic_write, check_replaceable, open_regular
from nanogpt_cli.text import valid_text

SUFFIX = ".jsonl"
LONGEST = 64 << 20
"""Bytes of a conversation that are read."""
_ROLES: dict[Role, str] = {"human": "user", "bot": "assistant"}
_FRONT: tuple[Role, ...] = ("context", "emotion")


@dataclass(frozen=True)
class Conversation:
    """What was said, and with which model."""

    turns: Sequence[Turn]
    model: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The fields of SampleConfig that were set; what is not known was left out."""
    stop: tuple[str, ...] = ()


def save_conversation(path: Path, conversation: Conversation) -> None:
    """Write a conversation, whole or not at all; another conversation is replaced.

    Raises UsageError where ``path`` is anything else, MachineError where it cannot be written.
    """
    check_replaceable(path, _is_conversation, [], force=False)
    with atomic_write(path) as file:
        file.write(json.dumps(_record(conversation), ensure_ascii=False).encode() + b"\n")


def _record(conversation: Conversation) -> dict[str, Any]:
    front: dict[str, str] = {
        turn.role: valid_text(turn.text) for turn in conversation.turns if turn.role in _FRONT
    }
    messages = [
        {"role": _ROLES[turn.role], "content": valid_text(turn.text)}
        for turn in conversation.turns
        if turn.role in _ROLES
    ]
    return {
        "messages": messages,
        **front,
        "model": valid_text(conversation.model),
        "saved": datetime.now().astimezone().isoformat(timespec="seconds"),
        "settings": {**conversation.settings, "stop": list(conversation.stop)},
    }


def load_conversation(path: Path) -> Conversation:
    """Read a conversation. Raises DataError where it cannot be used."""
    try:
        with open_regular(path) as file:
            text = file.read(LONGEST + 1)
    except OSError as error:
        raise DataError(
            f"cannot read {path}: {error.strerror or error}", "name a saved conversation"
        ) from error
    hint = "name a file that /save has written"
    lines = text.splitlines()
    if len(text) > LONGEST or len(lines) != 1:
        raise DataError(f"{path} is not one conversation", hint)
    try:
        record = json.loads(lines[0])
        turns = [Turn(role, _text(record[role])) for role in _FRONT if record.get(role) is not None]
        spoken = {name: role for role, name in _ROLES.items()}
        turns += [Turn(spoken[m["role"]], _text(m["content"])) for m in record["messages"]]
        settings = dict(record.get("settings") or {})
        stop = tuple(map(_text, settings.pop("stop", [])))
        return Conversation(turns, _text(record.get("model", "")), _known(settings), stop)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise DataError(f"{path} is not a conversation", hint) from error


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a text is expected")
    return valid_text(value)


def _known(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that this version has. Raises ValueError where one is out of range."""
    names = {f.name for f in fields(SampleConfig)}
    known = {name: value for name, value in settings.items() if name in names}
    try:
        SampleConfig(**known)
    except NanoGPTError as error:
        raise ValueError(error.message) from error
    return known


def settings_of(config: SampleConfig) -> dict[str, Any]:
    """Return the settings to be saved with a conversation."""
    return asdict(config)


def _is_conversation(path: Path) -> bool:
    try:
        load_conversation(path)
    except DataError:
        return False
    return True


def write_markdown(path: Path, conversation: Conversation) -> None:
    """Write a conversation to be read. Raises UsageError where ``path`` exists, MachineError."""
    if path.exists():
        raise UsageError(f"{path} already exists", "name another file")
    with atomic_write(path) as file:
        file.write(markdown(conversation).encode())


def markdown(conversation: Conversation) -> str:
    """Return a conversation as Markdown: a heading for each turn, its text as it is."""
    names = {"human": "You", "bot": "Model", "context": "Context", "emotion": "Emotion"}
    parts = [f"# A conversation with {_inline(conversation.model)}"]
    parts += [f"**{names[turn.role]}**\n\n{_block(turn.text)}" for turn in conversation.turns]
    return "\n\n".join(parts) + "\n"


def _inline(text: str) -> str:
    return f"`{valid_text(text).replace('`', chr(39))}`"


def _block(text: str) -> str:
    """Return a text as a quotation in which nothing is taken for markup but blank lines."""
    escaped = "".join(f"\\{c}" if c in "\\`*_[]<>#|~&" else c for c in valid_text(text))
    return "\n".join(f"> {line}".rstrip() for line in escaped.split("\n"))
