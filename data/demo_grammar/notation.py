"""Read the tables of the corpus, ``tables/*.txt``.

A topic is a block of marked lines; wordings are separated by `` / ``:

    ## NAME | TONE                 hard, good, plain, or one of the composer's own
    h WORDING / WORDING            what the human may say first
    r REPLY                        a reply to any of them, which may end with a question
    > ANSWER / ANSWER              answers to that question
    b REPLY                        a reply to any of those answers
    d WORDING / WORDING            what the human may tell further, at any time
    e REPLY                        a reply to any of that
    q WORDING / WORDING            what the human may ask
    ! REPLY                        an answer to any of that
    t WORDING / WORDING            what the human may say at the end
    a REPLY                        a reply to any of that

Answers to questions that many replies end with stand in ``answers.txt``:

    ? PART | PART                  parts of a question, in lower case
    + ANSWER / ANSWER              answers; ``-`` and ``o`` begin other groups of them
    = REPLY                        a reply to any of the group

The kinds of topics stand in ``kinds.txt``: ``h`` has the names of topics, with ``*`` those that
people speak of most, and ``r`` replies to the opening of any of them.

Marks in braces are slots, filled from ``words.py``. Lines may be continued by lines that begin with
four blanks.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

TABLES = Path(__file__).with_name("tables")


@dataclass
class Exchange:
    """Wordings of the human, and the replies that fit any of them."""

    wordings: list[str] = field(default_factory=list)
    replies: list[str] = field(default_factory=list)


@dataclass
class Reply:
    """What the bot says, and the groups of answers to it."""

    text: str
    answers: list[Exchange] = field(default_factory=list)


@dataclass
class Topic:
    """What one may talk about, and in which tone the bot replies."""

    name: str
    tone: str
    openings: list[str] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    details: Exchange = field(default_factory=Exchange)
    questions: Exchange = field(default_factory=Exchange)
    closing: Exchange = field(default_factory=Exchange)


@dataclass
class Question:
    """Parts of a question, and the groups of answers to it."""

    parts: list[str]
    answers: list[Exchange] = field(default_factory=list)


def read_topics(*names: str) -> list[Topic]:
    """Return the topics of tables. Raises ValueError with file and line for a wrong mark."""
    topics: list[Topic] = []
    for name in names:
        for place, mark, rest in _lines(name):
            if mark == "##":
                title, tone = _split(rest, "|")
                topics.append(Topic(title, tone))
            elif not topics or not _add(topics[-1], mark, rest):
                raise ValueError(f"{place}: what does {mark} belong to?")
    return topics


def _add(topic: Topic, mark: str, rest: str) -> bool:
    """Add a line to a topic. Whether it has a place there."""
    asked = {"d": topic.details, "q": topic.questions, "t": topic.closing}
    answered = {"e": topic.details, "!": topic.questions, "a": topic.closing}
    if mark == "h":
        topic.openings += _split(rest)
    elif mark == "r":
        topic.replies.append(Reply(rest))
    elif mark == ">" and topic.replies:
        topic.replies[-1].answers.append(Exchange(_split(rest)))
    elif mark == "b" and topic.replies and topic.replies[-1].answers:
        topic.replies[-1].answers[-1].replies.append(rest)
    elif mark in asked:
        asked[mark].wordings += _split(rest)
    elif mark in answered:
        answered[mark].replies.append(rest)
    else:
        return False
    return True


def read_questions(name: str) -> list[Question]:
    """Return the questions of a table with their answers."""
    questions: list[Question] = []
    for _, mark, rest in _lines(name):
        if mark == "?":
            questions.append(Question(_split(rest, "|")))
        elif mark == "=":
            questions[-1].answers[-1].replies.append(rest)
        else:
            questions[-1].answers.append(Exchange(_split(rest)))
    return questions


def _lines(name: str) -> Iterator[tuple[str, str, str]]:
    """Yield place, mark and rest of each line of a table, continued lines joined."""
    joined: list[tuple[int, str]] = []
    text = (TABLES / f"{name}.txt").read_text(encoding="ascii")
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("    "):
            joined[-1] = (joined[-1][0], f"{joined[-1][1]} {line.strip()}")
        elif line.strip():
            joined.append((number, line.strip()))
    for number, line in joined:
        mark, _, rest = line.partition(" ")
        yield f"{name}.txt, line {number}", mark, rest.strip()


def _split(text: str, separator: str = "/") -> list[str]:
    """Split wordings; a separator has blanks around it."""
    return [part.strip() for part in f" {text} ".split(f" {separator} ") if part.strip()]
