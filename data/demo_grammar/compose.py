"""Compose conversations from the tables.

A conversation is a walk: at each turn the human answers the bot's question, tells more, asks,
thanks, or comes to something else; the bot's reply is one that fits all that the human may have
said there. What the human says varies a lot and what the bot replies little, so that a very small
model can learn it.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import accumulate
from random import Random

from .notation import Exchange, Topic, read_questions, read_topics
from .typing_style import draw_style
from .words import NAMES, SLOTS, invented_name

TABLE_NAMES = ("people", "work", "daily")
Turn = tuple[str, str]
"""What the human says and what the bot replies."""

TABLES = [topic for name in TABLE_NAMES for topic in read_topics(name)]
TOPICS = [topic for topic in TABLES if not topic.name.startswith("misc_")]
SOCIAL = {topic.name: topic for topic in read_topics("social")}
GENERIC = {topic.name: topic for topic in read_topics("generic")}
for table in TABLES:
    if table.name in GENERIC:
        GENERIC[table.name].openings += table.openings
KINDS = {name.rstrip("*"): kind for kind in read_topics("kinds") for name in kind.openings}
"""The kind of a topic, whose replies fit any topic of it."""
EVERYDAY = {
    name.rstrip("*") for kind in read_topics("kinds") for name in kind.openings if "*" in name
}
"""What people speak of most."""
OFTENER = 6
"""How much oftener an everyday topic is begun than another."""
QUESTIONS = read_questions("answers")
ANSWERS = {id(group) for question in QUESTIONS for group in question.answers}
"""The groups of answers to questions that many replies end with."""

LENGTHS = {1: 6, 2: 9, 3: 13, 4: 17, 5: 18, 6: 16, 7: 11, 8: 6, 9: 3, 10: 1}
"""Turns of the human in a conversation, and how often."""
NEUTRAL = (
    "Thank you for telling me. Do you want to tell me more?",
    "I understand. Tell me a little more about it.",
    "I understand. What is the most important thing for you right now?",
    "I understand. I'm here and I'm listening.",
)
"""Replies that fit whatever was told, in the order in which a conversation uses them.

They begin as no other reply does: a model chooses word by word, and where two replies share their
first words, it takes the wrong rest."""
NEUTRAL_OF_TONE = {
    "hard": (
        "I'm sorry to hear that. Do you want to tell me more?",
        "I'm so sorry. I'm here and I'm listening.",
        "I'm sorry, that sounds really hard. What would help you a little right now?",
    ),
    "good": (
        "That sounds lovely! How do you feel about it?",
        "How nice! What do you like most about it?",
        "That sounds lovely! You can be happy about it.",
    ),
    "plain": (
        "That sounds interesting. Tell me more about it.",
        "Thank you for telling me. Do you want to tell me more?",
        "I understand. Tell me a little more about it.",
    ),
}
"""Replies that fit whatever was told in a tone. They begin as the replies of that tone do, so that
they are the likeliest rest where the model knows the tone alone."""
UNSURE = {
    "everyday": (0.08, 0.12, 0.5),
    "seldom": (0.5, 0.15, 0.3),
    "further": (0.4, 0.55, 0.0),
}
"""How often a reply is given that fits anything, one that fits anything of the tone, and one that
fits anything of the topic's kind, where an everyday topic is begun, another one, and where more is
told: the less the words say by themselves, or the seldomer they are, the more often."""
MOST_DANGER = 3
"""Turns of the human after which a conversation about danger ends."""
MAX_COPIES = 2
"""How often the very same conversation may occur in the corpus."""

FIRST = {
    "topic": 44, "misc": 8, "social": 32, "greeting": 12, "name": 4, "danger": 5, "help": 1,
}  # fmt: skip
"""What a conversation begins with, and how often."""
GREETINGS = ("hello", "how_are_you", "whats_up", "good_morning", "good_evening")
CLOSINGS = ("bye", "bye", "good_night", "thanks", "thanks")
REACTIONS = {*CLOSINGS, "good_idea", "ack_hard", "no_hard", "ack_good", "no_good", "ack_plain"} | {
    "no_plain", "laugh", "happy_me", "confused", "sorry",
}  # fmt: skip
"""Social topics that react to something, so that few conversations begin with them."""
DANGERS = ("danger", "danger", "danger", "violence", "emergency")
OPENERS = (
    "so", "well", "ugh", "omg", "hey", "hi", "hello", "hi there", "you know", "guess what", "ok so",
    "honestly", "i have to tell you,", "can i tell you something?", "hey,", "hi,", "hello,",
    "you know what?", "man,", "oh,", "today", "listen,", "good morning,", "good evening,", "sigh,",
    "wow,", "well,", "i just wanted to say:", "btw", "also", "yesterday", "oh and",
)  # fmt: skip
OPENER_TONES = {"ugh": "hard", "sigh,": "hard", "wow,": "good", "guess what": "good"}
ADDITIONS = {
    "hard": (
        "and i don't know what to do", "and i feel so sad", "and it hurts", "and i feel alone",
        "and i'm so angry", "and i'm scared", "and i feel terrible", "and it makes me sad",
        "i can't stop thinking about it", "it's so unfair", "and i'm worried", "i feel so bad",
        "and now i can't sleep", "it's really hard", "i'm so tired of it", "and i'm stressed",
        "and nobody cares", "i hate it", "and i'm really upset", "and i feel guilty",
    ),
    "good": (
        "and i'm so happy", "i'm so proud", "and it feels great", "i can't believe it",
        "and i'm excited", "it makes me happy", "i'm over the moon", "what a great day",
        "i love it", "and i can't stop smiling", "it was amazing", "and i'm so relieved",
    ),
    "plain": ("today", "right now", "as always", "again", "i think", "at the moment"),
}  # fmt: skip

SLOT = re.compile(r"\{(\w+)\}")
INTRODUCTIONS = ("name_intro", "name_ask", "bot_name")
"""Topics in which {name} is the human's own."""
SORRY = re.compile(r"sorry to hear|I'm sorry,? (you|that)|sounds (really |so )?hard")
GLAD = re.compile(r"glad to hear|good to hear|lovely|How nice|happy for you|wonderful")
"""What the bot says to bad and to good news."""


class Conversation:
    """One walk."""

    def __init__(self, rng: Random, topics: Sequence[Topic]) -> None:
        self.rng = rng
        self.topics = topics
        self.style = draw_style(rng)
        self.name = draw_name(rng)
        self.name_known = False
        self.other = draw_name(rng)
        """Whom, or which pet, the human speaks of."""
        self.other_known = False
        self.topic = GENERIC["misc_plain"]
        self.mood = "plain"
        self.pending: list[Exchange] = []
        """The groups of answers to what the bot just asked."""
        self.turns: list[Turn] = []
        self.said: Counter[str] = Counter()
        self.slots: dict[str, str] = {}

    def compose(self) -> list[Turn]:
        """Return the turns."""
        length = self.rng.choices(list(LENGTHS), list(LENGTHS.values()))[0]
        self.begin()
        endangered = 0
        while len(self.turns) < length and endangered < MOST_DANGER:
            endangered += self.tone == "danger"
            self.advance(last=len(self.turns) == length - 1 or endangered == MOST_DANGER)
        return self.turns

    def begin(self) -> None:
        """Say the first words."""
        match self.rng.choices(list(FIRST), list(FIRST.values()))[0]:
            case "topic":
                self.open(self.draw_topic())
            case "misc":
                self.open(GENERIC[self.rng.choice(("misc_hard", "misc_good", "misc_plain"))])
            case "social":
                self.open(self.social(0.05))
            case "greeting":
                self.open(SOCIAL[self.rng.choice(GREETINGS)])
            case "name":
                self.open(SOCIAL["name_intro"])
            case "danger":
                self.open(SOCIAL[self.rng.choice(DANGERS)])
            case _:
                self.open(SOCIAL["help"])

    def social(self, reactions: float) -> Topic:
        """Draw a social topic, seldom one that reacts to what was said."""
        react = self.rng.random() < reactions
        names = [name for name in SOCIAL if (name in REACTIONS) == react]
        weights = [len(SOCIAL[name].openings) ** 0.5 for name in names]
        name = self.rng.choices(names, weights)[0]
        if SOCIAL[name].tone in ("danger", "bye", "ack"):
            return SOCIAL["hello"]
        return SOCIAL[name]

    @property
    def tone(self) -> str:
        """The tone of what is talked about: hard, good, plain or danger."""
        if self.topic.tone == "danger":
            return "danger"
        return self.mood

    def advance(self, last: bool) -> None:
        """Add one turn that fits what was said."""
        steps = self.danger_steps(last) if self.tone == "danger" else self.steps(last)
        self.rng.choices([step for step, _ in steps], [weight for _, weight in steps])[0]()

    def danger_steps(self, last: bool) -> list[tuple[Callable[[], None], float]]:
        """What may follow where someone is in danger: nothing but that."""
        topic = self.topic
        steps: list[tuple[Callable[[], None], float]] = [
            (lambda: self.exchange(topic.questions), 12.0)
        ]
        if self.pending:
            steps.append((self.answer, 50.0))
        if topic.details.wordings:
            steps.append((lambda: self.exchange(topic.details), 35.0))
        if topic.closing.wordings:
            steps.append((lambda: self.exchange(topic.closing), 60.0 if last else 4.0))
        if not last:
            more = SOCIAL["danger"] if topic.name == "danger" else topic
            steps.append((lambda: self.say(self.rng.choice(more.openings), self.opened(more)), 8.0))
        return steps

    def steps(self, last: bool) -> list[tuple[Callable[[], None], float]]:
        """What may follow, and how likely."""
        topic, tone = self.topic, self.tone
        reply = self.turns[-1][1]
        asked = reply.endswith("?")
        generic = self.generic_answers(reply)
        told = bool(topic.details.wordings)
        steps: list[tuple[Callable[[], None], float]] = [
            (lambda: self.react(f"ack_{tone}"), 7 if asked else 5),
            (lambda: self.react(f"no_{tone}"), 3 if asked and not self.pending else 0.5),
            (self.more, 10 if tone != "plain" else 5),
            (self.change, 4 if asked else 16),
            (lambda: self.open(self.social(0.3)), 5 if asked else 12),
            (lambda: self.react("thanks"), 2 if asked else 14),
            (self.ask_generic, 6),
            (self.despair, 1.5 if tone == "hard" else 0.3),
        ]
        if self.pending:
            steps.append((self.answer, 70))
        elif generic:
            self.pending = generic
            steps.append((self.answer, 45))
        if told:
            steps.append((lambda: self.exchange(topic.details), 26))
        names = any("{name}" in reply for reply in topic.questions.replies)
        known = self.name_known if topic.name in INTRODUCTIONS else self.other_known
        if topic.questions.wordings and (known or not names):
            steps.append((lambda: self.exchange(topic.questions), 9))
        if self.name_known:
            steps.append((self.ask_name, 4))
        if self.advised():
            steps.append((lambda: self.react("good_idea"), 25))
        if "joke" in topic.name or self.said_joke():
            steps.append((lambda: self.react("laugh"), 10))
        if last:
            steps.append((lambda: self.react(self.rng.choice(CLOSINGS)), 60))
        return steps

    def advised(self) -> bool:
        """Whether the bot has just given advice."""
        return any(
            self.turns[-1][1] in map(self.fill, exchange.replies)
            for exchange in (self.topic.questions, GENERIC["advice_hard"].questions)
        )

    def said_joke(self) -> bool:
        """Whether the bot has just told a joke."""
        return self.turns[-1][1] in {reply.text for reply in SOCIAL["joke"].replies}

    def generic_answers(self, reply: str) -> list[Exchange]:
        """Return the groups of answers to a question that many replies end with."""
        if not reply.endswith("?"):
            return []
        question = re.split(r"[.!] ", reply)[-1].lower()
        for known in QUESTIONS:
            if any(part in question for part in known.parts):
                return known.answers
        return []

    def open(self, topic: Topic) -> None:
        """Come to a topic."""
        self.topic = topic
        self.mood = topic.tone if topic.tone in ("hard", "good") else "plain"
        self.slots = {}
        wording = self.rng.choice(topic.openings)
        self.other, self.other_known = draw_name(self.rng), False
        self.say(self.elaborate(wording), self.opened(topic))

    def opened(self, topic: Topic) -> str:
        """Choose a reply to the opening of a topic, and expect the answers to it."""
        if general := self.general_replies(
            topic, "everyday" if topic.name in EVERYDAY else "seldom"
        ):
            self.pending = []
            return self.fresh(general)
        text = self.fresh([reply.text for reply in topic.replies])
        self.pending = next(reply.answers for reply in topic.replies if reply.text == text)
        return text

    def elaborate(self, wording: str) -> str:
        """Say a little before or after the opening of a topic."""
        if self.topic.tone not in ADDITIONS or self.topic.name in SOCIAL:
            return wording
        tone = self.topic.tone
        if self.rng.random() < 0.10 and self.topic.details.wordings:
            wording = f"{wording.rstrip('.!?')}{self.rng.choice(('.', ',', ' and'))} "
            wording += self.rng.choice(self.topic.details.wordings)
        elif self.rng.random() < 0.15 and not wording.endswith("?"):
            wording = f"{wording.rstrip('.!')} {self.rng.choice(ADDITIONS[tone])}"
        if self.rng.random() < 0.18:
            opener = self.rng.choice(OPENERS)
            if OPENER_TONES.get(opener, tone) == tone:
                wording = f"{opener} {wording}"
        return wording

    def change(self) -> None:
        """Come to something else."""
        if self.rng.random() < 0.25:
            self.open(GENERIC[self.rng.choice(("misc_hard", "misc_good", "misc_plain"))])
        else:
            self.open(self.draw_topic())

    def draw_topic(self) -> Topic:
        """Draw what is spoken of, everyday things oftener."""
        weights = [OFTENER if topic.name in EVERYDAY else 1 for topic in self.topics]
        return self.rng.choices(self.topics, weights)[0]

    def despair(self) -> None:
        """Come to speak of danger to oneself or others."""
        self.open(SOCIAL[self.rng.choice(DANGERS)])

    def more(self) -> None:
        """Tell something further of the same tone that no table of the topic has."""
        openings = GENERIC[f"misc_{self.tone}"].openings
        self.pending = []
        self.say(self.rng.choice(openings), self.opened(GENERIC[f"more_{self.tone}"]))

    def ask_generic(self) -> None:
        """Ask something that fits any topic of the tone."""
        topics = [topic for topic in GENERIC.values() if topic.questions.wordings]
        self.exchange(
            self.rng.choice([topic for topic in topics if topic.tone == self.tone]).questions
        )

    def ask_name(self) -> None:
        """Ask for one's own name, which was said before."""
        asked = SOCIAL["name_intro"].questions
        self.pending = []
        self.say(self.rng.choice(asked.wordings), self.fresh(asked.replies))

    def answer(self) -> None:
        """Answer the bot's question."""
        groups = [group for group in self.pending if group.wordings and group.replies]
        self.exchange(self.rng.choice(groups))

    def react(self, name: str) -> None:
        """React to what the bot said, as one may to anything."""
        topic = SOCIAL[name]
        self.say(self.rng.choice(topic.openings), self.opened(topic))

    def exchange(self, exchange: Exchange) -> None:
        """Say one of the wordings."""
        self.pending = []
        wording = self.rng.choice(exchange.wordings)
        asked = exchange is self.topic.questions or exchange is self.topic.closing
        asked = asked or id(exchange) in ANSWERS
        general = () if asked else self.general_replies(self.topic, "further")
        self.say(wording, self.fresh(general or exchange.replies))

    def general_replies(self, topic: Topic, where: str) -> Sequence[str]:
        """Return replies that fit anything that people may tell there; often none."""
        if topic.name in SOCIAL:
            return ()
        drawn = self.rng.random()
        of_any, of_tone, of_kind = accumulate(UNSURE[where])
        if drawn < of_any:
            return NEUTRAL
        if drawn < of_tone:
            return NEUTRAL_OF_TONE[self.mood]
        if drawn < of_kind and not topic.name.startswith("misc_"):
            return replies_of_kind(topic)
        return ()

    def fresh(self, replies: Sequence[str]) -> str:
        """Choose one of those replies that were said least often so far."""
        least = min(self.said[reply] for reply in replies)
        left = [reply for reply in replies if self.said[reply] == least]
        in_order = isinstance(replies, tuple)  # those that fit anything
        reply = left[0] if in_order else self.rng.choice(left)
        self.said[reply] += 1
        return reply

    def say(self, human: str, bot: str) -> None:
        """Add a turn, with slots filled, as this person types."""
        if "{name}" in human and self.topic.name in INTRODUCTIONS:
            self.name_known = True
        elif "{name}" in human:
            self.other_known = True
        keep = {self.name, self.other, *self.slots.values()}
        typed = self.style.typed(self.fill(human), self.tone, keep, self.rng)
        self.turns.append((typed, self.fill(bot)))
        if SORRY.search(bot):
            self.mood = "hard"
        elif GLAD.search(bot) and self.topic.tone != "hard":
            self.mood = "good"

    def fill(self, text: str) -> str:
        """Fill the slots; equal slots of a topic get equal words."""
        for slot in SLOT.findall(text):
            if slot == "name":
                word = self.name if self.topic.name in INTRODUCTIONS else self.other
            else:
                word = self.slots.setdefault(slot, self.rng.choice(SLOTS[slot.rstrip("2")]))
            text = text.replace(f"{{{slot}}}", word)
        return text


def replies_of_kind(topic: Topic) -> Sequence[str]:
    """Return replies that fit any topic of the kind of this one."""
    kind = KINDS.get(topic.name)
    if kind is not None and kind.replies:
        return tuple(reply.text for reply in kind.replies)
    return NEUTRAL_OF_TONE[topic.tone if topic.tone in NEUTRAL_OF_TONE else "plain"]


def draw_name(rng: Random) -> str:
    """Return a first name, sometimes one that no list has."""
    return rng.choice(NAMES) if rng.random() < 0.8 else invented_name(rng)


def compose_corpus(count: int, seed: int) -> str:
    """Return ``count`` conversations, the same for the same arguments."""
    rng = Random(seed)
    written: Counter[str] = Counter()
    conversations: list[str] = []
    while len(conversations) < count:
        text = "".join(
            f"<human>{human}<endOfText>\n<bot>{bot}<endOfText>\n"
            for human, bot in Conversation(rng, TOPICS).compose()
        )
        if written[text] < MAX_COPIES:
            written[text] += 1
            conversations.append(text)
    return "\n".join(conversations)
