"""Records, as lines and arrays of JSON have them: each is a document or a conversation.

A record is ``{"text": ...}``, ``{"messages": [{"role": ..., "content": ...}]}``, such a list
itself, or a pair like ``{"prompt": ..., "completion": ...}``. This module knows neither files nor
how their records are separated.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from nanogpt_cli.data.formats.base import (
    ADDED_TO_QUESTION,
    PAIRS,
    Piece,
    Report,
    conversation,
    counted,
    document,
    find_pair,
    named_columns,
    named_pieces,
    question,
)
from nanogpt_cli.dialogue import Turn
from nanogpt_cli.errors import DataError
from nanogpt_cli.text import valid_text

_ROLES: dict[object, Literal["human", "bot", "system", "tool"]] = {
    "human": "human", "user": "human", "bot": "bot", "assistant": "bot", "gpt": "bot",
    "system": "system", "developer": "system", "tool": "tool", "function": "tool",
}  # fmt: skip

_MESSAGE_FIELDS = {"role", "from", "content", "value", "tool_calls", "tool_call_id"}
_LISTS = ("messages", "conversations")

KNOWN_FIELDS = {"text", *_LISTS, *ADDED_TO_QUESTION, *(name for pair in PAIRS for name in pair)}
"""The fields of records that are used."""


def read_record(record: Any, place: str, shown: str, report: Report) -> Iterator[Piece]:
    """Yield the pieces of a record that was parsed from JSON.

    Raises DataError naming ``place``, with what is ``shown`` there, where it is not one of ours.
    """
    try:
        yield from counted(_pieces(record, report), "record", report)
    except DataError as error:
        raise DataError(f"{place}: {error.message}", error.hint) from error
    except (KeyError, TypeError, AttributeError) as error:
        raise not_a_record(place, shown) from error


def not_a_record(place: str, shown: str) -> DataError:
    """Return the error for what is not a record."""
    return DataError(
        f"{place} is neither text nor a conversation: {shown.strip()[:60]}",
        'write {"text": ...}, {"messages": [...]} or {"prompt": ..., "completion": ...}, '
        "or read all of it as plain text: --format text",
    )


def is_message(value: object) -> bool:
    """Whether a value is one message of a conversation."""
    return isinstance(value, dict) and isinstance(value.get("role", value.get("from")), str)


def is_record(value: object) -> bool:
    """Whether a value looks like one of our records."""
    if isinstance(value, list):
        return any(map(is_message, value[:1]))
    if not isinstance(value, dict):
        return False
    lists = any(isinstance(value.get(name), list) for name in _LISTS)
    return lists or isinstance(value.get("text"), str) or find_pair(value) is not None


def _pieces(record: Any, report: Report) -> Iterator[Piece]:
    """Return one record's pieces; KeyError, TypeError or the like where it is not one of ours."""
    if report.asked.columns and isinstance(record, dict):
        named = named_columns(record, report.asked, "a record")
        _leave_out(record, set(named.values()), report)
        return named_pieces({what: _text(record[name], report) for what, name in named.items()})
    if isinstance(record, list):
        return conversation(_turns(record, report))
    if isinstance(record.get("text"), str):
        _leave_out(record, {"text"}, report)
        return document([valid_text(record["text"])])
    if pair := find_pair(record):
        return _pair(record, pair, report)
    if record.get("messages") is not None:
        _leave_out(record, {"messages"}, report)
        return conversation(_turns(record["messages"], report))
    if "text" in record and record["text"] is None:
        return document([])
    messages = record["conversations"]
    _leave_out(record, {"conversations"}, report)
    return conversation(_turns(messages, report))


def _pair(record: Mapping[str, Any], pair: tuple[str, str], report: Report) -> Iterator[Piece]:
    """Return a question and its answer."""
    texts = {name: _text(record[name], report) for name in pair}
    for name in ADDED_TO_QUESTION:
        if name not in pair and isinstance(record.get(name), str):
            texts[name] = record[name]
    human, used = question(pair, texts)
    _leave_out(record, {*used, *pair}, report)
    return conversation([Turn("human", human), Turn("bot", texts[pair[1]])])


def _leave_out(record: Mapping[str, Any], used: set[str], report: Report) -> None:
    """Count the fields that are not used and hold anything."""
    report.leave_out_fields(
        name for name, value in record.items() if name not in used and value not in _NOTHING
    )


_NOTHING: tuple[object, ...] = (None, "", [], {})


def _turns(messages: list[Mapping[str, Any]], report: Report) -> Iterator[Turn]:
    """Yield messages as turns; a system message is put before the next human turn.

    What a tool returned is read by the bot, and so a human turn; what the bot calls follows what
    it says. Messages of other roles and without content are left out.
    """
    before = ""
    for message in messages:
        name = message.get("role", message.get("from"))
        if not isinstance(name, str):
            raise TypeError("a role must be a text")
        role = _ROLES.get(name)
        if role is None:
            report.leave_out("message", "role", name)
            continue
        content = message["content"] if "content" in message else message.get("value")
        has_content = message.keys() & {"content", "value", "tool_calls"}
        if content is None and role != "tool" and not has_content:
            raise KeyError("content")
        _leave_out(message, _MESSAGE_FIELDS, report)
        calls = [_call(call) for call in message.get("tool_calls") or ()]
        if content is None and not calls:
            report.add(
                "message without content was left out", "messages without content were left out"
            )
            continue
        text = "\n".join([*filter(None, [_text(content, report)]), *calls])
        if role == "system":
            before += text.strip() + "\n\n"
        elif role in ("human", "tool"):
            yield Turn("human", before + text)
            before = ""
        else:
            yield Turn("bot", text)


def _call(call: Any) -> str:
    """Return the call of a tool as a line of JSON: its name and arguments."""
    function = call.get("function", call)
    return json.dumps(
        {"name": function["name"], "arguments": function.get("arguments")}, ensure_ascii=False
    )


def _text(content: Any, report: Report) -> str:
    """Return a content as text: the texts of its parts, where it has parts. Null is empty."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise TypeError("a content must be a text or a list of parts")
    texts = []
    for part in content:
        text = part if isinstance(part, str) else part.get("text")
        if isinstance(text, str):
            texts.append(text)
        else:
            report.leave_out("part", "type", str(part.get("type")))
    return "\n".join(texts)
