"""Answers without a conversation: to one text, several times, or to each line of a file."""

import json
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from nanogpt_cli.cli import ui
from nanogpt_cli.cli.chat_view import is_untrained, stream, untrained_note
from nanogpt_cli.cli.options import print_json
from nanogpt_cli.dialogue import Role, Turn
from nanogpt_cli.errors import DataError, UsageError
from nanogpt_cli.files import open_regular
from nanogpt_cli.text import valid_text, without_controls

if TYPE_CHECKING:
    from nanogpt_cli.inference.session import Session
    from nanogpt_cli.inference.text_stream import Reply

_ROLES: dict[str, Role] = {
    "user": "human", "human": "human", "assistant": "bot", "bot": "bot", "system": "context",
    "context": "context", "emotion": "emotion",
}  # fmt: skip


@dataclass(frozen=True)
class Questions:
    """What is to be answered: one text some times, or many conversations."""

    text: str = ""
    context: str = ""
    """What came on stdin beside the text."""
    number: int = 1
    batch: list[tuple[dict[str, Any], list[Turn]]] | None = field(default=None)
    """Of each line of a file: what is repeated of it in its answer, and its turns."""


def read_questions(prompt: str | None, batch: str | None, number: int) -> Questions:
    """Read what is to be answered, from stdin where that is said nowhere else.

    Raises UsageError where there is none, DataError for a file that cannot be used.
    """
    if batch is not None:
        return Questions(batch=_read_batch(batch))
    if prompt is None:
        text = sys.stdin.read().removesuffix("\n")
        if not text.strip():
            raise UsageError("no message came on stdin", "pipe a text in, or write one after -p")
        return Questions(text, number=number)
    text = valid_text(prompt)
    if not text.strip():
        raise UsageError("the prompt is empty", "write a text after -p")
    return Questions(text, _piped_context(), number)


def _piped_context() -> str:
    """Return what is piped in, or comes from a file; nothing from a terminal or another device."""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (OSError, ValueError):  # closed, or not a file
        return ""
    is_piped = stat.S_ISFIFO(mode) or stat.S_ISREG(mode)
    return sys.stdin.read().strip() if is_piped else ""


def _read_batch(name: str) -> list[tuple[dict[str, Any], list[Turn]]]:
    """Return the questions of a file of JSON lines, ``-`` for stdin."""
    try:
        if name == "-":
            return list(_questions(sys.stdin.buffer, "stdin"))
        with open_regular(Path(name)) as file:
            return list(_questions(file, name))
    except OSError as error:
        raise DataError(
            f"cannot read {name}: {error.strerror or error}", "name a file of JSON lines, or -"
        ) from error


def _questions(lines: IO[bytes], name: str) -> Iterator[tuple[dict[str, Any], list[Turn]]]:
    number = 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield _question(json.loads(line))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise DataError(
                f"{name}, line {number}: not a question",
                'write "TEXT", {"prompt": "TEXT"} or {"messages": [{"role": "user", "content": '
                '"TEXT"}]}',
            ) from error
    if number == 0:
        raise DataError(f"{name} has no lines", "write a question on each line")


def _question(record: Any) -> tuple[dict[str, Any], list[Turn]]:
    """Return what is repeated of a record, and its turns. Raises ValueError and the like."""
    if isinstance(record, str):
        record = {"prompt": record}
    repeated = {key: record[key] for key in ("id", "prompt") if key in record}
    turns = [Turn(role, record[role]) for role in ("context", "emotion") if record.get(role)]
    turns += [Turn(_ROLES[m["role"]], m["content"]) for m in record.get("messages", [])]
    if "prompt" in record:
        turns.append(Turn("human", record["prompt"]))
    if not all(isinstance(turn.text, str) for turn in turns):
        raise TypeError("a text is expected")
    turns = [Turn(turn.role, valid_text(turn.text)) for turn in turns]
    if not turns or turns[-1].role != "human" or not turns[-1].text.strip():
        raise ValueError("nothing to answer")
    return repeated, turns


def answer(session: "Session", questions: Questions, as_json: bool) -> int:
    """Print the replies alone on stdout, and return the exit code."""
    if is_untrained(session.loaded):
        ui.note(untrained_note(session.loaded))
    if questions.batch is not None:
        return _answer_each(session, questions.batch)
    text = _with_context(session, questions)
    if questions.number > 1:
        return _answer_often(session, text, questions.number, as_json)
    reply = stream(session, session.reply(text), show=not as_json)
    if not as_json:
        print(flush=True)
    for note in session.notes:
        ui.note(note)
    if as_json:
        print_json({**_document(reply), "model": str(session.loaded.path)})
    return 130 if reply.stop_reason == "interrupted" else 0


def _with_context(session: "Session", questions: Questions) -> str:
    """Return the text to answer; its context goes in front of it, as the model knows one."""
    text, context, chat = questions.text, questions.context, session.loaded.chat_format
    if context and chat and chat.context:
        session.set_front("context", context)
        return text
    return f"{context}\n{text}" if context else text


def _document(reply: "Reply") -> dict[str, Any]:
    return {
        "reply": reply.text,
        "tokens": reply.tokens,
        "tokens_per_sec": reply.tokens_per_sec,
        "first_token_seconds": reply.first_token_seconds,
        "stop_reason": reply.stop_reason,
    }


def _answer_often(session: "Session", text: str, number: int, as_json: bool) -> int:
    """Print several replies to one text, which are generated together."""
    from nanogpt_cli.inference.batch import reply_to_all
    from nanogpt_cli.inference.session import cropped_note, prompt_for

    loaded, seed = session.loaded, session.config.seed
    prompt = prompt_for(loaded, [*session.turns, Turn("human", text)], session.config)
    seeds = [None if seed is None else seed + i for i in range(number)]
    prompts = [prompt.ids] * number
    replies = reply_to_all(loaded, prompts, session.config, seeds, stop=session.stop)
    if prompt.cropped_tokens:
        ui.note(cropped_note(loaded, prompt))
    documents = [_document(reply) for reply in replies]
    if as_json:
        print_json({**documents[0], "model": str(loaded.path), "replies": documents})
    else:
        print("\n\n".join(without_controls(reply.text) for reply in replies), flush=True)
    return 0


def _answer_each(session: "Session", batch: Sequence[tuple[dict[str, Any], list[Turn]]]) -> int:
    """Print a line of JSON with the reply to each question, in their order."""
    from nanogpt_cli.inference.batch import reply_to_all, rows_that_fit
    from nanogpt_cli.inference.session import prompt_for

    loaded, config = session.loaded, session.config
    size = 4 * rows_that_fit(loaded.config)
    with ui.progress() as bar:
        task = bar.add_task("answering", total=len(batch), note="")
        for first in range(0, len(batch), size):
            part = batch[first : first + size]
            prompts = [prompt_for(loaded, [*session.turns, *turns], config) for _, turns in part]
            numbers = range(first, first + len(part))
            replies = reply_to_all(
                loaded,
                [prompt.ids for prompt in prompts],
                config,
                [None if config.seed is None else config.seed + number for number in numbers],
                stop=session.stop,
                advance=lambda count: bar.advance(task, count),
            )
            for (repeated, _), prompt, reply in zip(part, prompts, replies, strict=True):
                cropped = {"cropped_tokens": prompt.cropped_tokens} if prompt.cropped_tokens else {}
                said = {
                    "reply": reply.text,
                    "tokens": reply.tokens,
                    "stop_reason": reply.stop_reason,
                }
                print(json.dumps({**repeated, **said, **cropped}, ensure_ascii=True), flush=True)
    return 0
