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
    document,
    find_pair,
    no_sniff,
    whole_lines,
)
from nanogpt_cli.dialogue import Turn
from nanogpt_cli.errors import DataError
from nanogpt_cli.text import valid_text

_ROLES: dict[object, Literal["human", "bot", "system"]] = {
    "human": "human", "user": "human", "bot": "bot", "assistant": "bot", "gpt": "bot",
    "system": "system",
}  # fmt: skip


def _read(chunks: Iterable[str], name: str, report: Report) -> Iterator[Piece]:
    """Yield each record."""
    for number, line in enumerate(whole_lines(chunks, name), 1):
        if not line.strip():
            continue
        try:
            yield from _record(json.loads(line))
        except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"{name}, line {number} is neither text nor a conversation: {line.strip()[:60]}",
                'write {"text": ...}, {"messages": [...]} or {"prompt": ..., "completion": ...}',
            ) from error


def _record(record: Any) -> Iterator[Piece]:
    """Yield one record; raises KeyError, TypeError or the like where it is not one of ours."""
    if isinstance(record, dict) and isinstance(record.get("text"), str):
        yield from document([valid_text(record["text"])])
        return
    if isinstance(record, dict) and (pair := find_pair(record)):
        yield from conversation([Turn("human", record[pair[0]]), Turn("bot", record[pair[1]])])
        return
    messages = record if isinstance(record, list) else record.get("messages")
    yield from conversation(_turns(record["conversations"] if messages is None else messages))


def _turns(messages: list[dict[str, Any]]) -> Iterator[Turn]:
    """Yield messages as turns; a system message is put before the next human turn."""
    before = ""
    for message in messages:
        role = _ROLES[message.get("role", message.get("from"))]
        text = message["content"] if "content" in message else message["value"]
        if role == "system":
            before += text.strip() + "\n\n"
        elif role == "human":
            yield Turn(role, before + text)
            before = ""
        else:
            yield Turn(role, text)


FORMAT = Format("jsonl", suffixes=(".jsonl", ".ndjson"), sniff=no_sniff, read=_read)
