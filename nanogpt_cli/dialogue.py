"""The chat format: tagged text to turns, turns to token ids.

    <human>How are you?<endOfText>
    <bot>Well, thank you.<endOfText>

A conversation ends at a blank line. It may begin with what it is about and how its human feels,
in tags of their own, ``<context>`` and ``<emotion>``. A tag is one special token, except in the
earlier project's models, which spell tags out. This module knows tokenizers, but neither files nor
models.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import takewhile
from typing import Literal

from nanogpt_cli.config import Exchanges
from nanogpt_cli.errors import DataError
from nanogpt_cli.tokenizer.base import END_OF_TEXT, Tokenizer

Role = Literal["human", "bot", "context", "emotion"]
"""Who speaks; context and emotion stand in front of a conversation."""


LONGEST_TURN = 2**20
"""Characters after which a turn without an end tag is closed."""

_ENDS_IN_BLANK_LINE = re.compile(r"\n[^\S\n]*\n\s*\Z")


@dataclass(frozen=True)
class ChatFormat:
    """The tags around turns; by default the earlier project's."""

    human: str = "<human>"
    bot: str = "<bot>"
    end: str = "<endOfText>"
    context: str = ""
    """The tag of what a conversation is about; empty where none has it."""
    emotion: str = ""
    """The tag of how its human feels; empty where none has it."""
    turns: Exchanges = "conversation"
    """What ``<|endoftext|>`` follows: a conversation, or each pair of a question and its answer."""

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags in the order in which they become special tokens."""
        return tuple(filter(None, (self.human, self.bot, self.end, self.context, self.emotion)))

    def tag(self, role: Role) -> str:
        """Return the tag that opens a turn."""
        tag: str = getattr(self, role)
        return tag

    def to_dict(self) -> dict[str, str]:
        """Return the tags, and what differs from the plain format, in JSON's types."""
        named = {"human", "bot", "end"}
        plain = asdict(ChatFormat())
        return {k: v for k, v in asdict(self).items() if k in named or v != plain[k]}

    @classmethod
    def from_dict(cls, content: object) -> "ChatFormat":
        """Rebuild from to_dict's untrusted output. Raises DataError where it is corrupt."""
        given = dict(content) if isinstance(content, dict) else {}
        turns = given.pop("turns", "conversation")
        known = {f.name for f in fields(cls)} - {"turns"}
        named = {name for name in given if name in known}
        texts = {
            tag for tag in given.values() if isinstance(tag, str) and tag.isprintable() and tag
        }
        whole = {"human", "bot", "end"} <= named and len(texts) == len(named) == len(given)
        if not whole or turns not in ("conversation", "pair"):
            raise DataError(
                "the chat format is corrupt: it does not name three tags",
                "prepare the data again, or use another copy",
            )
        return cls(**given, turns=turns)


@dataclass(frozen=True)
class Turn:
    """What one side says, without tags."""

    role: Role
    text: str


@dataclass
class ParseReport:
    """What parse_turns found; text outside of all turns is left out."""

    turns: int = 0
    unclosed: int = 0
    """Turns that a new tag or the end of the text closed."""
    empty: int = 0
    stray: int = 0
    """Stretches of text outside of all turns."""


def parse_turns(
    lines: Iterable[str], chat: ChatFormat, report: ParseReport | None = None
) -> Iterator[Turn | None]:
    """Yield the turns of tagged text, and None between two conversations.

    ``lines`` keep their line breaks; a very long line may come in pieces. A turn may span lines, a
    blank line between turns ends a conversation, and white space around a turn's text is dropped.
    A missing end tag is allowed. ``report``, if given, counts what was found.
    """
    report = report if report is not None else ParseReport()
    pattern = re.compile("(" + "|".join(map(re.escape, chat.tags)) + ")", re.IGNORECASE)
    opening: dict[str, Role] = {chat.human.lower(): "human", chat.bot.lower(): "bot"}
    in_front: dict[str, Role] = {
        chat.context.lower(): "context", chat.emotion.lower(): "emotion"
    }  # fmt: skip
    role: Role | None = None
    text = ""
    begun = boundary = spoken = False  # spoken: the last turn is not in front of a conversation
    outside = False  # whether the last text was outside of all turns
    blank = True  # whether the line has had nothing but white space so far

    def close() -> Iterator[Turn | None]:
        nonlocal begun, boundary, spoken, outside
        if role is None:
            report.stray += bool(text.strip()) and not outside
            outside = outside or bool(text.strip())
            return
        outside = False
        if not text.strip():
            report.empty += 1
        else:
            if boundary and begun:
                yield None
            begun, boundary, spoken = True, False, role in opening.values()
            report.turns += 1
            yield Turn(role, text.strip())

    for line in _with_whole_tags(lines, chat):
        blank = blank and not line.strip()
        for i, piece in enumerate(pattern.split(line)):
            in_text = role in opening.values() and piece.lower() in in_front
            if i % 2 == 0 or in_text:
                text += piece
                continue
            boundary = boundary or (piece.lower() in in_front and spoken)
            yield from close()
            closing = piece.lower() == chat.end.lower()
            if role is not None and not closing:
                report.unclosed += 1
                boundary = boundary or _ENDS_IN_BLANK_LINE.search(text) is not None
            role = None if closing else (opening | in_front)[piece.lower()]
            text = ""
        if role is None or len(text) > LONGEST_TURN:
            boundary = boundary or (role is None and line.endswith("\n") and blank)
            report.unclosed += role is not None
            yield from close()
            role, text = None, ""
        blank = blank or line.endswith("\n")
    report.unclosed += role is not None
    yield from close()


def _with_whole_tags(lines: Iterable[str], chat: ChatFormat) -> Iterator[str]:
    """Hold back the end of an unfinished line where it may be the beginning of a tag."""
    longest = max(map(len, chat.tags))
    kept = ""
    for line in lines:
        line, kept = kept + line, ""
        if not line.endswith("\n"):
            tail = max(0, len(line) - longest + 1)
            cut = max(line.rfind(tag[0], tail) for tag in chat.tags)
            line, kept = (line[:cut], line[cut:]) if cut >= 0 else (line, "")
        if line:
            yield line
    if kept:
        yield kept


def tags_are_special(tokenizer: Tokenizer, chat: ChatFormat) -> bool:
    """Whether each tag is one token; in the earlier project's models they are spelled out."""
    return all(tag in tokenizer.special_tokens for tag in chat.tags)


def encode_turn(turn: Turn, tokenizer: Tokenizer, chat: ChatFormat) -> list[int]:
    """Return the role's tag, the text and the end tag; the tags must be special tokens."""
    special = tokenizer.special_tokens
    return [special[chat.tag(turn.role)], *tokenizer.encode(turn.text), special[chat.end]]


def encode_ended(turn: Turn, tokenizer: Tokenizer, chat: ChatFormat) -> list[int]:
    """Return an encoded turn and, after each answer where ``chat.turns`` is pair, its end."""
    ids = encode_turn(turn, tokenizer, chat)
    end = tokenizer.special_tokens.get(END_OF_TEXT)
    return [*ids, end] if end is not None and ends_exchange(turn, chat) else ids


def conversation_start(tokenizer: Tokenizer, chat: ChatFormat) -> list[int]:
    """Return what stands before a conversation's first turn in a prepared dialogue.

    Without it a model is unsure whether something was said before. There is no such token in the
    earlier project's texts, where tags are spelled out.
    """
    end = tokenizer.special_tokens.get(END_OF_TEXT)
    return [end] if end is not None and tags_are_special(tokenizer, chat) else []


def ends_exchange(turn: Turn, chat: ChatFormat) -> bool:
    """Whether ``<|endoftext|>`` follows a turn, wherever the conversation ends."""
    return chat.turns == "pair" and turn.role == "bot"


@dataclass(frozen=True)
class Prompt:
    """Ids for a model to answer, and how much of the conversation did not fit."""

    ids: list[int]
    dropped_turns: int
    cropped_tokens: int


def encode_prompt(
    turns: Sequence[Turn], tokenizer: Tokenizer, chat: ChatFormat, budget: int
) -> Prompt:
    """Return a conversation and the tag that opens the bot's answer, in at most ``budget`` ids.

    Drops whole turns, oldest first, so that a human turn comes first; where the last of these
    alone is too long, its beginning is cropped. What stands in front of a conversation stays as
    long as there is room for it. A conversation from which nothing is dropped begins as in
    training, where the end of the one before it stands in front.
    """
    assert budget > 0
    front = list(takewhile(lambda turn: turn.role in ("context", "emotion"), turns))
    starts = [i for i, turn in enumerate(turns) if turn.role == "human"] or [len(turns)]
    first_fit = _first_that_fits(turns, tokenizer, chat, budget)
    starts = [i for i in starts if i >= first_fit] or starts[-1:]
    for kept in [front, []] if front else [[]]:
        for start in starts:
            ids = _encode([*kept, *turns[start:]], tokenizer, chat)
            if len(ids) <= budget:
                before = conversation_start(tokenizer, chat) if kept or start == 0 else []
                return Prompt([*before, *ids][-budget:], start - len(front), 0)
    special = tokenizer.special_tokens
    first = [special[chat.human]] if chat.human in special else tokenizer.encode(chat.human)
    kept_ids = max(0, budget - len(first))
    cropped = len(ids) - budget
    ids = [*first[: budget - kept_ids], *ids[len(ids) - kept_ids :]]
    return Prompt(ids, start - len(front), cropped)


def _first_that_fits(
    turns: Sequence[Turn], tokenizer: Tokenizer, chat: ChatFormat, budget: int
) -> int:
    """Return the first turn from which on all fit; 0 where tags are spelled out.

    So that a long conversation is not encoded once for each turn that it is too long by.
    """
    if not tags_are_special(tokenizer, chat):
        return 0
    room = budget - 1  # of the tag that opens the answer
    for i in range(len(turns) - 1, -1, -1):
        room -= len(encode_ended(turns[i], tokenizer, chat))
        if room < 0:
            return i + 1
    return 0


def _encode(turns: Iterable[Turn], tokenizer: Tokenizer, chat: ChatFormat) -> list[int]:
    """Encode turns and, after them, the tag that opens the bot's answer."""
    if tags_are_special(tokenizer, chat):
        ids = [i for turn in turns for i in encode_ended(turn, tokenizer, chat)]
        return [*ids, tokenizer.special_tokens[chat.bot]]
    lines = [f"{chat.tag(turn.role)}{turn.text}{chat.end}" for turn in turns]
    return tokenizer.encode("\n".join([*lines, chat.bot]))


def stop_strings(tokenizer: Tokenizer, chat: ChatFormat) -> tuple[str, ...]:
    """Return the tags that end an answer, which a model may also spell out."""
    end_of_text = [END_OF_TEXT] if END_OF_TEXT in tokenizer.special_tokens else []
    return (chat.end, *(tag for tag in chat.tags if tag != chat.end), *end_of_text)


def stop_ids(tokenizer: Tokenizer, chat: ChatFormat) -> set[int]:
    """Return the special tokens that end an answer: any tag, or the end of the conversation."""
    special = tokenizer.special_tokens
    return {special[tag] for tag in stop_strings(tokenizer, chat) if tag in special}


def stops(tokenizer: Tokenizer, chat: ChatFormat | None) -> tuple[set[int], tuple[str, ...]]:
    """Return the ids and the strings that end an answer.

    Without a chat format, where a model continues plain text, any special token ends it.
    """
    if chat is None:
        return set(tokenizer.special_tokens.values()), ()
    return stop_ids(tokenizer, chat), stop_strings(tokenizer, chat)
