"""Compose conversations from the tables."""

import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from . import scenes_daily, scenes_joy, scenes_life, scenes_people, talk_social, talk_topics
from .emotions import BY_NAME, EMOTIONS, Emotion
from .notation import Exchange, Scene, Script, Situation, parse_scenes, parse_scripts
from .words import NAMES, SLOTS, TOWNS

T = TypeVar("T")
Turn = tuple[str, str]
"""What the human says and what the bot replies."""

Conversation = list[Turn]

SCENES = [
    scene
    for module in (scenes_people, scenes_daily, scenes_life, scenes_joy)
    for scene in parse_scenes(module.TABLE)
]
SCRIPTS = [
    script for module in (talk_social, talk_topics) for script in parse_scripts(module.TABLE)
]
PAIRS = [
    (scene, situation)
    for scene in SCENES
    for situation in scene.situations
    # A situation with a slot stands for many, so it comes up more often.
    for _ in range(3 if "{" in situation.clauses[0] else 1)
]

MAX_COPIES = 2
"""How often the very same conversation may occur in the corpus."""

GREETINGS = ("Hi", "Hello", "Hey", "Hi there", "Good morning", "Good evening")
KEEP_CAPITAL = ("I", "I'm", "English", "Christmas", "French", "German", "Spanish", "Latin")
HOW_MUCH = ("", "", "so ", "very ", "really ", "a bit ")

# Openings of a situation: {c} is the clause, {C} the same at the start of a sentence.
PLAIN_OPENINGS = (
    "{C}.",
    "{C}.",
    "{C}.",
    "Can I tell you something? {C}.",
    "I want to tell you that {c}.",
    "You know, {c}.",
)
HARD_OPENINGS = (
    "Today is a hard day. {C}.",
    "I need someone to talk to. {C}.",
    "I don't feel well because {c}.",
    "I have a problem. {C}.",
    "{C} and it's hard for me.",
    "{C} and I need to talk about it.",
)
GOOD_OPENINGS = (
    "{C}!",
    "{C}!",
    "Guess what? {C}!",
    "I have good news. {C}!",
    "Good news: {c}!",
    "Today is a great day. {C}!",
)
FEELING_OPENINGS = (
    "I feel {adj} because {c}.",
    "I'm {adj} because {c}.",
    "I'm {adj}. {C}.",
    "I feel {adj}. {C}.",
    "{C} and I feel {adj}.",
    "{C} and now I'm {adj}.",
    "{C}. I'm {adj}.",
    "Today I feel {adj} because {c}.",
    "I feel {adj} today, {c}.",
)
ADVICE_OPENINGS = (
    "What should I do? {C}.",
    "{C}. What should I do?",
    "{C}. What can I do?",
    "{C}. Do you have any advice?",
    "I need advice. {C}.",
    "{C} and I don't know what to do.",
)
FEELING_ALONE = (
    "I feel {adj}.",
    "I'm {adj}.",
    "I'm {adj} today.",
    "I feel {adj} today.",
    "I feel {adj} and I don't know why.",
    "Right now I feel {adj}.",
    "Why do I feel {adj}?",
    "I have been {adj} all day.",
)
NO_REASON = (
    "I don't know.",
    "I don't know why.",
    "I'm not sure.",
    "There is no reason.",
    "I can't explain it.",
    "It's just a feeling.",
)
TELL_ME = (
    Exchange(
        ["Yes.", "yes", "Yes, please.", "Yes, I want to.", "okay", "Maybe."],
        ["I'm listening. Take your time and tell me."],
    ),
    Exchange(
        ["No.", "no", "Not now.", "No, I can't.", "I don't want to talk about it."],
        ["That's okay. You don't have to talk about it. I'm here if you need me."],
    ),
)
DONT_KNOW = ("I don't know.", "I'm not sure.", "No idea.", "Hard to say.", "I can't say.")
ASK_ADVICE = (
    "What should I do?",
    "What can I do?",
    "Do you have any advice?",
    "And what should I do now?",
    "What would you do?",
    "Can you help me?",
)
WILL_TRY = Exchange(
    [
        "I will try that.",
        "Okay, I'll do that.",
        "That's a good idea.",
        "You are right.",
        "Good idea, thank you.",
        "I'll try.",
    ],
    ["I'm glad. Take it step by step, I believe in you.", "That's good to hear. You can do it."],
)
THANKS_HARD = Exchange(
    [
        "Thank you.",
        "Thanks.",
        "Thank you, that helps.",
        "Thank you for listening.",
        "Thanks, I feel better now.",
        "That's kind of you.",
        "Thank you so much.",
    ],
    ["You're welcome. Take good care of yourself.", "You're welcome. You can always talk to me."],
)
THANKS_GOOD = Exchange(
    [
        "Thank you!",
        "Thanks!",
        "Thank you so much!",
        "That's kind of you.",
        "Thanks, you are nice.",
        "Thank you, I will.",
    ],
    ["You're welcome! Enjoy your day.", "You're welcome! I'm happy with you."],
)
INTRODUCTIONS = (
    "My name is {name}.",
    "I'm {name}.",
    "I am {name}.",
    "Hi, I'm {name}.",
    "Hello, my name is {name}.",
    "Hi, my name is {name}.",
    "You can call me {name}.",
    "Hey, I'm {name}.",
    "Hello, I'm {name}. Who are you?",
    "Hi, {name} here.",
    "People call me {name}.",
    "My name is {name}, and yours?",
)
WELCOMES = (
    "Nice to meet you, {name}! How are you today?",
    "Hello {name}! It's nice to meet you. How do you feel today?",
)
WELCOME_SELF = "Nice to meet you, {name}! I'm a small language model and like to listen."
HOMES = (
    "I live in {town}.",
    "I'm from {town}.",
    "I come from {town}.",
    "My home is in {town}.",
    "I live in {town} now.",
    "I was born in {town}.",
    "I moved to {town}.",
    "I'm in {town} right now.",
)
HOME_REPLIES = (
    "How nice, {town}! What do you like about {town}?",
    "I would like to know more about {town}. Do you like it there?",
)
HOME_ANSWERS = (
    Exchange(
        ["The people.", "the people are nice", "My friends are here.", "I like the people."],
        ["Kind people make a place a home. I'm glad that you have them in {town}."],
    ),
    Exchange(
        ["The sea.", "the parks", "It's so green.", "the old houses", "the river", "The food."],
        ["That sounds lovely. Take a walk through {town} and enjoy it."],
    ),
    Exchange(
        ["Yes, I love it.", "Yes, I do.", "yes", "It's beautiful.", "I like it a lot."],
        ["I'm glad that you feel at home in {town}."],
    ),
    Exchange(
        ["No, not really.", "no", "It's too loud.", "I don't like it.", "It's too big."],
        ["I'm sorry. Maybe there is one quiet place in {town} that you like."],
    ),
)
ASK_NAME = (
    "What is my name?",
    "What's my name?",
    "Do you know my name?",
    "Do you remember my name?",
    "Who am I?",
    "Can you say my name?",
    "Tell me my name.",
)
ASK_HOME = (
    "Where do I live?",
    "Do you know where I live?",
    "Which town did I tell you?",
    "Do you remember my town?",
)
HOW_I_AM = (
    Exchange(
        ["I'm fine.", "Good, thank you.", "I'm good.", "Very well.", "I feel great.", "fine"],
        ["I'm glad to hear that, {name}. What did you do today?"],
    ),
    Exchange(
        ["Not so good.", "Bad.", "I feel bad.", "Not well.", "It was a hard day."],
        ["I'm sorry to hear that, {name}. Do you want to tell me what happened?"],
    ),
    Exchange(
        ["I'm tired.", "a bit tired", "So so.", "Okay, but tired.", "very tired"],
        ["I understand, {name}. Try to rest a little today."],
    ),
)


def pick(rng: random.Random, options: Sequence[T]) -> T:
    """Choose one option; built on ``random()`` so that every Python draws the same."""
    return options[int(rng.random() * len(options))]


def chance(rng: random.Random, share: float) -> bool:
    """Return True in the given share of calls."""
    return rng.random() < share


def capital(text: str) -> str:
    """Return text with its first letter in upper case."""
    return text[:1].upper() + text[1:]


def spoken(rng: random.Random, text: str) -> str:
    """Vary how carefully a human types: contractions, capitals, final full stop."""
    if chance(rng, 0.6):
        text = re.sub(r"\bI am ", "I'm ", re.sub(r"\b([Ii])t is ", r"\1t's ", text))
    if text[-1] not in ".!?":
        text += "."
    text = capital(text)
    style = rng.random()
    if style < 0.55:
        return text
    if style < 0.7:
        return text.rstrip(".")
    text = text.lower()
    if chance(rng, 0.7):
        text = text.rstrip(".!")
    return text.replace("'", "") if chance(rng, 0.2) else text


def fill(text: str, slots: dict[str, str]) -> str:
    """Replace ``{slot}`` marks."""
    for slot, value in slots.items():
        text = text.replace("{" + slot + "}", value)
    return text


def draw_slots(rng: random.Random) -> dict[str, str]:
    """Draw one value for every slot, used throughout a conversation."""
    return {slot: pick(rng, values) for slot, values in SLOTS.items()}


def say(rng: random.Random, exchange: Exchange, slots: dict[str, str]) -> Turn:
    """Turn one exchange into words."""
    human = fill(pick(rng, exchange.wordings), slots)
    return spoken(rng, human), capital(fill(pick(rng, exchange.replies), slots))


def acknowledge(rng: random.Random, emotion: Emotion, event: str, adjective: str = "") -> str:
    """Name the event warmly; with an adjective, the feeling too."""
    template = pick(rng, emotion.stated if adjective else emotion.unstated)
    return fill(template, {"adj": adjective, "event": event, "Event": capital(event)})


def choose_emotion(rng: random.Random, situation: Situation) -> Emotion:
    """Choose a feeling that fits, now and then a less expected one."""
    if chance(rng, 0.1):
        return BY_NAME[
            pick(rng, ("happy", "excited") if situation.positive else ("sad", "anxious"))
        ]
    return BY_NAME[pick(rng, situation.emotions)]


def opening_turn(
    rng: random.Random, scene: Scene, situation: Situation, question: str
) -> tuple[Turn, bool]:
    """Compose how the human tells the situation; the flag says whether a question was asked."""
    clause = pick(rng, situation.clauses)
    forms = {"c": clause, "C": capital(clause)}
    reply = acknowledge(rng, BY_NAME[situation.emotions[0]], situation.event)
    style = rng.random()
    if style < 0.12 and scene.advice:
        human = fill(pick(rng, ADVICE_OPENINGS), forms)
        advice = fill(pick(rng, scene.advice), {"t": situation.thing})
        return (human, f"{reply} {capital(advice)}"), False
    if style < 0.55:
        emotion = choose_emotion(rng, situation)
        adjective = pick(rng, emotion.adjectives)
        how_much = "" if adjective.startswith(("so ", "full")) else pick(rng, HOW_MUCH)
        human = fill(pick(rng, FEELING_OPENINGS), {**forms, "adj": how_much + adjective})
        reply = acknowledge(rng, emotion, situation.event, adjective.removeprefix("so "))
    else:
        special = GOOD_OPENINGS if situation.positive else HARD_OPENINGS
        human = fill(pick(rng, special if chance(rng, 0.4) else PLAIN_OPENINGS), forms)
    return (human, f"{reply} {question}"), True


def later_turns(
    rng: random.Random, scene: Scene, situation: Situation, answers: list[Exchange] | None
) -> Conversation:
    """Compose the turns after the opening of a situation."""
    turns: Conversation = []
    thing = {"t": situation.thing}
    advised = answers is None
    if answers and chance(rng, 0.41):
        if chance(rng, 0.07):
            rest = pick(rng, scene.advice) if scene.advice else "Just enjoy this moment."
            reply = f"That's okay. {capital(fill(rest, thing))}"
            turns.append((spoken(rng, pick(rng, DONT_KNOW)), reply))
            advised = True
        else:
            turns.append(say(rng, pick(rng, answers), thing))
    if not turns and not advised:
        return turns
    if scene.advice and not advised and chance(rng, 0.12):
        reply = capital(fill(pick(rng, scene.advice), thing))
        turns.append((spoken(rng, pick(rng, ASK_ADVICE)), reply))
        advised = True
    if advised and not situation.positive and chance(rng, 0.14):
        turns.append(say(rng, WILL_TRY, {}))
    elif chance(rng, 0.1):
        turns.append(say(rng, THANKS_GOOD if situation.positive else THANKS_HARD, {}))
    return turns


def fill_situation(situation: Situation, slots: dict[str, str]) -> Situation:
    """Fill the slots of a situation."""
    return replace(
        situation,
        clauses=tuple(fill(clause, slots) for clause in situation.clauses),
        event=fill(situation.event, slots),
        thing=fill(situation.thing, slots),
    )


def greeted(rng: random.Random, human: str) -> str:
    """Put a greeting before a sentence."""
    if human.split()[0] not in KEEP_CAPITAL:
        human = human[0].lower() + human[1:]
    return f"{pick(rng, GREETINGS)}, {human}"


def situation_talk(rng: random.Random) -> Conversation:
    """Compose a talk about one situation, sometimes after a greeting, a name or a feeling."""
    scene, situation = pick(rng, PAIRS)
    situation = fill_situation(situation, draw_slots(rng))
    question = pick(rng, scene.questions)
    asked = capital(fill(question.text, {"t": situation.thing}))
    (human, reply), is_open = opening_turn(rng, scene, situation, asked)
    name = pick(rng, NAMES)
    start: Conversation = []
    lead = rng.random()
    if lead < 0.05:
        human = f"{pick(rng, (f'Hi, I am {name}.', f'My name is {name}.'))} {capital(human)}"
        reply = f"Hello {name}. {reply}"
    elif lead < 0.08:
        start = [introduction(rng, name, asks_back=False)]
    elif lead < 0.12:
        start = [pick_turn(rng, "greeting")]
    elif lead < 0.15:
        start = [feeling_turn(rng, BY_NAME[situation.emotions[0]])]
    elif lead < 0.3:
        human = greeted(rng, human)
    turns = [*start, (spoken(rng, human), reply)]
    turns += later_turns(rng, scene, situation, question.answers if is_open else None)
    if lead < 0.08 and chance(rng, 0.5):
        turns = [*turns[:3], name_question(rng, name)]
    elif len(turns) > 1 and chance(rng, 0.05):
        turns = [*turns[:3], pick_turn(rng, "bye")]
    return turns[:4]


def pick_turn(rng: random.Random, kind: str) -> Turn:
    """Compose the opening turn of a random script of one kind."""
    turn, _ = open_script(rng, choose_script(rng, kind), draw_slots(rng))
    return turn


def choose_script(rng: random.Random, *kinds: str) -> Script:
    """Choose a script of one of the kinds."""
    return pick(rng, [script for script in SCRIPTS if script.kind in kinds])


def open_script(
    rng: random.Random, script: Script, slots: dict[str, str]
) -> tuple[Turn, list[Exchange]]:
    """Compose the first turn of a script; also return the exchanges that may follow."""
    variant = pick(rng, script.variants)
    return say(rng, Exchange(script.wordings, variant.replies), slots), variant.branches


def feeling_turn(rng: random.Random, emotion: Emotion) -> Turn:
    """Compose a feeling told without a reason."""
    adjective = pick(rng, emotion.adjectives)
    how_much = "" if adjective.startswith(("so ", "full")) else pick(rng, HOW_MUCH)
    human = fill(pick(rng, FEELING_ALONE), {"adj": how_much + adjective})
    if chance(rng, 0.15):
        human = greeted(rng, human)
    return spoken(rng, human), fill(
        pick(rng, emotion.alone), {"adj": adjective.removeprefix("so ")}
    )


def feeling_talk(rng: random.Random) -> Conversation:
    """Compose a talk about a feeling for which the human gives no reason."""
    emotion = pick(rng, EMOTIONS)
    turns = [feeling_turn(rng, emotion)]
    if "Do you want" in turns[0][1] and chance(rng, 0.5):
        turns.append(say(rng, pick(rng, TELL_ME), {}))
    elif chance(rng, 0.5):
        turns.append((spoken(rng, pick(rng, NO_REASON)), pick(rng, emotion.advice)))
        if chance(rng, 0.4):
            turns.append(say(rng, THANKS_GOOD if emotion.positive else THANKS_HARD, {}))
    return turns


def introduction(rng: random.Random, name: str, *, asks_back: bool) -> Turn:
    """Compose "My name is ..." and the welcome; the human may ask for the bot's name too."""
    human = pick(rng, [text for text in INTRODUCTIONS if asks_back or not text.endswith("?")])
    welcome = WELCOME_SELF if human.endswith("?") else pick(rng, WELCOMES)
    return spoken(rng, fill(human, {"name": name})), fill(welcome, {"name": name})


def name_question(rng: random.Random, name: str) -> Turn:
    """Compose "What is my name?" and the right answer."""
    return spoken(rng, pick(rng, ASK_NAME)), f"Your name is {name}."


def name_talk(rng: random.Random) -> Conversation:
    """Compose an introduction, often with the name asked for later."""
    name = pick(rng, NAMES)
    slots = {**draw_slots(rng), "name": name}
    if chance(rng, 0.06):
        unknown = (spoken(rng, pick(rng, ASK_NAME)), "I don't know your name yet. What is it?")
        named = pick(rng, (name, f"My name is {name}.", f"I'm {name}.", f"It's {name}."))
        return [unknown, (spoken(rng, named), f"Nice to meet you, {name}! How are you today?")]
    turns = [introduction(rng, name, asks_back=True)]
    if chance(rng, 0.36):
        if turns[0][1].endswith("?"):
            turns.append(say(rng, pick(rng, HOW_I_AM), slots))
        else:
            turns.append(open_script(rng, choose_script(rng, "smalltalk"), slots)[0])
    if chance(rng, 0.6):
        turns.append(name_question(rng, name))
    if chance(rng, 0.2):
        human, reply = pick_turn(rng, "bye")
        turns.append((human, reply.replace("!", f", {name}!", 1)))
    return turns


def place_talk(rng: random.Random) -> Conversation:
    """Compose a talk about where the human lives."""
    name, town = pick(rng, NAMES), pick(rng, TOWNS)
    slots = {"name": name, "town": town}
    human = fill(pick(rng, HOMES), slots)
    reply = fill(pick(rng, HOME_REPLIES), slots)
    named = chance(rng, 0.3)
    if named:
        human = pick(rng, (f"My name is {name} and {human}", f"I'm {name}. {human}"))
        reply = f"Nice to meet you, {name}! What do you like about {town}?"
    turns = [(spoken(rng, human), reply)]
    if chance(rng, 0.6):
        likes = HOME_ANSWERS[:2] if reply.endswith(f"about {town}?") else HOME_ANSWERS[2:]
        turns.append(say(rng, pick(rng, likes), slots))
    if " live " in human and chance(rng, 0.4):
        turns.append((spoken(rng, pick(rng, ASK_HOME)), f"You live in {town}."))
    if named and chance(rng, 0.5):
        turns.append(name_question(rng, name))
    return turns


def script_talk(rng: random.Random, kinds: tuple[str, ...], greet: float = 0.08) -> Conversation:
    """Compose a talk from the small-talk scripts of some kinds."""
    script = choose_script(rng, *kinds)
    slots = draw_slots(rng)
    first, branches = open_script(rng, script, slots)
    turns = [first]
    if chance(rng, greet):
        turns.insert(0, pick_turn(rng, "greeting"))
    if branches and chance(rng, 0.5):
        turns.append(say(rng, pick(rng, branches), slots))
    if chance(rng, 0.08) and script.kind != "safety":
        turns.append(pick_turn(rng, pick(rng, ("thanks", "bye"))))
    return turns


Composer = Callable[[random.Random], Conversation]
RECIPE: tuple[tuple[float, Composer], ...] = (
    (0.60, situation_talk),
    (0.08, name_talk),
    (0.04, place_talk),
    (0.04, feeling_talk),
    (0.04, lambda rng: script_talk(rng, ("greeting", "bye", "thanks"), greet=0.0)),
    (0.13, lambda rng: script_talk(rng, ("smalltalk",))),
    (0.01, lambda rng: script_talk(rng, ("joke",))),
    (0.03, lambda rng: script_talk(rng, ("persona",))),
    (0.02, lambda rng: script_talk(rng, ("fact", "unknown", "unknown"))),
    (0.01, lambda rng: script_talk(rng, ("safety",), greet=0.05)),
)
"""Share of each kind of conversation in the corpus, and how it is composed."""


def format_conversation(turns: Conversation) -> str:
    """Write a conversation in the corpus format."""
    return "".join(
        f"<human>{human}<endOfText>\n<bot>{reply}<endOfText>\n" for human, reply in turns
    )


def compose_one(rng: random.Random) -> str:
    """Compose one conversation of a random kind."""
    mark = rng.random()
    for share, composer in RECIPE:
        mark -= share
        if mark < 0:
            return format_conversation(composer(rng))
    return format_conversation(situation_talk(rng))


def compose_corpus(count: int, seed: int) -> str:
    """Compose ``count`` conversations; equal arguments give equal text."""
    rng = random.Random(seed)
    copies: Counter[str] = Counter()
    conversations: list[str] = []
    while len(conversations) < count:
        text = compose_one(rng)
        if copies[text] < MAX_COPIES:
            copies[text] += 1
            conversations.append(text)
    return "\n".join(conversations)
