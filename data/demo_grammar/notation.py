"""Data model of the corpus tables and the parser of their plain-text notation.

Scenes (``scenes_*.py``) are blocks of situations that share follow-up questions:

    ## NAME | TOPIC
    - EMOTIONS | CLAUSE ; OTHER CLAUSE | EVENT | THING    a hard situation
    + EMOTIONS | ...                                      a good situation
    ? QUESTION                                            a follow-up the bot may ask
    y ANSWER / ANSWER                                     "yes" answers to that question
    n ANSWER / ANSWER                                     "no" answers
    o ANSWER / ANSWER                                     any other group of answers
    = REPLY                                               the bot's reply (one line each)
    ! ADVICE                                              reply to "what should I do?"

EVENT and THING are spoken by the bot ("the fight with your sister", "your sister"); THING may be
left out when it equals EVENT, and ``{t}`` stands for it.

Scripts (``talk_*.py``) are small talk without a situation:

    ## NAME | KIND
    h WORDING / WORDING        what the human may say first
    r REPLY                    the bot's reply; neighbouring "r" lines share what follows
    > WORDING / WORDING        what the human may say next, if the bot gave that reply
    b REPLY                    the bot's reply to that (one line each)

Other marks in braces are slots, filled from ``words.py``: equal slots of a conversation get equal
words.

A line that starts with four blanks continues the line above it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Situation:
    """One concrete thing that happened to the human."""

    emotions: tuple[str, ...]
    clauses: tuple[str, ...]
    event: str
    thing: str
    positive: bool


@dataclass
class Exchange:
    """Ways to say one human turn, and the replies that fit any of them."""

    wordings: list[str]
    replies: list[str] = field(default_factory=list)


@dataclass
class Question:
    """A follow-up question with its groups of answers."""

    text: str
    answers: list[Exchange] = field(default_factory=list)


@dataclass
class Scene:
    """Situations that can share follow-up questions and advice."""

    name: str
    topic: str
    situations: list[Situation] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)


@dataclass
class Variant:
    """Replies to the opening of a script, and the exchanges that may follow them."""

    replies: list[str] = field(default_factory=list)
    branches: list[Exchange] = field(default_factory=list)


@dataclass
class Script:
    """A piece of small talk."""

    name: str
    kind: str
    wordings: list[str] = field(default_factory=list)
    variants: list[Variant] = field(default_factory=list)


def parse_scenes(table: str) -> list[Scene]:
    """Read a table of scenes."""
    scenes: list[Scene] = []
    for mark, text in _lines(table):
        if mark == "##":
            name, topic = _split(text, "|")
            scenes.append(Scene(name, topic))
        elif mark in "+-":
            scenes[-1].situations.append(_situation(text, positive=mark == "+"))
        elif mark == "?":
            scenes[-1].questions.append(Question(text))
        elif mark in "yno":
            wordings = _split(text, "/")
            # A bare "yes" or "no" must lead to the same reply as the long answers.
            wordings += {"y": ["Yes.", "yes"], "n": ["No.", "no"], "o": []}[mark]
            scenes[-1].questions[-1].answers.append(Exchange(wordings))
        elif mark == "=":
            scenes[-1].questions[-1].answers[-1].replies.append(text)
        elif mark == "!":
            scenes[-1].advice.append(text)
        else:
            raise ValueError(f"unknown mark {mark!r} before {text!r}")
    return scenes


def parse_scripts(table: str) -> list[Script]:
    """Read a table of small-talk scripts."""
    scripts: list[Script] = []
    for mark, text in _lines(table):
        if mark == "##":
            name, kind = _split(text, "|")
            scripts.append(Script(name, kind))
        elif mark == "h":
            scripts[-1].wordings += _split(text, "/")
        elif mark == "r":
            variants = scripts[-1].variants
            if not variants or variants[-1].branches:
                variants.append(Variant())
            variants[-1].replies.append(text)
        elif mark == ">":
            scripts[-1].variants[-1].branches.append(Exchange(_split(text, "/")))
        elif mark == "b":
            scripts[-1].variants[-1].branches[-1].replies.append(text)
        else:
            raise ValueError(f"unknown mark {mark!r} before {text!r}")
    return scripts


def _situation(text: str, *, positive: bool) -> Situation:
    emotions, clauses, event, *thing = _split(text, "|")
    return Situation(
        emotions=tuple(emotions.split()),
        clauses=tuple(_split(clauses, ";")),
        event=event,
        thing=thing[0] if thing else event,
        positive=positive,
    )


def _split(text: str, separator: str) -> list[str]:
    return [part.strip() for part in text.split(f" {separator} ")]


def _lines(table: str) -> Iterator[tuple[str, str]]:
    """Yield (mark, text) for every logical line."""
    for line in table.strip().replace("\n    ", " ").splitlines():
        if line:
            mark, text = line.split(" ", 1)
            yield mark, text
