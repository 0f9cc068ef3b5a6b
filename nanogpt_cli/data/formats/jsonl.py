"""JSON lines: each line is a document or a conversation.

A line is ``{"text": ...}``, ``{"messages": [{"role": ..., "content": ...}]}``, such a list itself,
or a pair like ``{"prompt": ..., "completion": ...}``.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any, Literal

from nanogpt_cli.data.formats.base import (
    Format,
    Piece,
    Report,
    conversation,
    counted,
    document,
    find_pair,
    no_sniff,
    whole_lines,
)
from nanogpt_cli.dialogue import Turn
from nanogpt_cli.errors import DataError
from nanogpt_cli.text import printable, valid_text

_ROLES: dict[object, Literal["human", "bot", "system"]] = {
    "human": "human", "user": "human", "bot": "bot", "assistant": "bot", "gpt": "bot",
    "system": "system",
}  # fmt: skip

_LISTED_ROLES = 8
"""Unknown roles that notes mention by name."""


def _read(chunks: Iterable[str], name: str, report: Report) -> Iterator[Piece]:
    """Yield each record."""
    roles: set[str] = set()
    for number, line in enumerate(whole_lines(chunks, name), 1):
        if not line.strip():
            continue
        try:
            yield from counted(_record(json.loads(line), roles, report), "record", report)
        except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"{name}, line {number} is neither text nor a conversation: {line.strip()[:60]}",
                'write {"text": ...}, {"messages": [...]} or {"prompt": ..., "completion": ...}',
            ) from error


def _record(record: Any, roles: set[str], report: Report) -> Iterator[Piece]:
    """Return one record's pieces; KeyError, TypeError or the like where it is not one of ours."""
    if isinstance(record, dict):
        if isinstance(record.get("text"), str):
            return document([valid_text(record["text"])])
        if pair := find_pair(record):
            human, bot = ("" if record[key] is None else record[key] for key in pair)
            return conversation([Turn("human", human), Turn("bot", bot)])
    messages = record if isinstance(record, list) else record.get("messages")
    if messages is None:
        if "text" in record and record["text"] is None:
            return document([])
        messages = record["conversations"]
    return conversation(_turns(messages, roles, report))


def _turns(messages: list[dict[str, Any]], roles: set[str], report: Report) -> Iterator[Turn]:
    """Yield messages as turns; a system message is put before the next human turn.

    Messages of other roles and without content are left out; ``roles`` collects those roles.
    """
    before = ""
    for message in messages:
        name = message.get("role", message.get("from"))
        role = _ROLES.get(name)
        if role is None:
            _count_role(name, roles, report)
            continue
        text = message["content"] if "content" in message else message.get("value")
        if text is None and not message.keys() & {"content", "value", "tool_calls"}:
            raise KeyError("content")
        if text is None:
            report.add(
                "message without content was left out", "messages without content were left out"
            )
            continue
        if role == "system":
            before += text.strip() + "\n\n"
        elif role == "human":
            yield Turn(role, before + text)
            before = ""
        else:
            yield Turn(role, text)


def _count_role(name: Any, roles: set[str], report: Report) -> None:
    """Count a message of an unknown role, each of the first few by its name."""
    if not isinstance(name, str):
        raise TypeError("a role must be a text")
    name = name[:40]
    if len(roles) < _LISTED_ROLES:
        roles.add(name)
    shown = f"role {printable(name)}" if name in roles else "other roles"
    report.add(f"message of {shown} was left out", f"messages of {shown} were left out")


FORMAT = Format("jsonl", suffixes=(".jsonl", ".ndjson"), sniff=no_sniff, read=_read)
