"""How people type: capitals, punctuation, abbreviations, emoticons and slips."""

import re
from dataclasses import dataclass
from random import Random

SHORT = {
    "you": "u", "your": "ur", "are": "r", "please": "pls", "thanks": "thx", "because": "bc",
    "though": "tho", "really": "rly", "going to": "gonna", "want to": "wanna",
    "don't know": "dunno", "i don't know": "idk", "people": "ppl", "and": "n",
    "okay": "ok", "tomorrow": "tmrw",
    "right now": "rn", "something": "smth", "about": "abt", "with": "w", "love": "luv",
}  # fmt: skip
SPELLINGS = {
    "mom": "mum", "favorite": "favourite", "color": "colour", "neighbor": "neighbour",
    "mum": "mom", "favourite": "favorite", "colour": "color", "dad": "father", "mother": "mom",
    "definitely": "definately", "tomorrow": "tommorow", "weird": "wierd", "friend": "freind",
    "really": "realy", "because": "becuase", "beautiful": "beautifull", "their": "there",
    "you're": "your", "too": "to", "finally": "finaly", "until": "untill", "birthday": "bday",
}  # fmt: skip
MARKS = {
    "hard": (":(", ":(", "...", "..", "ugh", "smh", ":/", "</3", "!!", "sigh", "honestly"),
    "good": ("!!", "!!!", ":)", ":)", ":D", "haha", "yay", "lol", "<3", "woohoo", "omg"),
    "plain": ("lol", ":)", "haha", "...", "lol", ":P", "hehe", "tbh", "btw"),
}
NEAR = {
    "a": "s", "b": "v", "c": "x", "d": "s", "e": "r", "f": "d", "g": "h", "h": "j", "i": "o",
    "j": "k", "k": "l", "l": "k", "m": "n", "n": "m", "o": "p", "p": "o", "q": "w", "r": "t",
    "s": "d", "t": "y", "u": "i", "v": "b", "w": "e", "x": "c", "y": "u", "z": "x",
}  # fmt: skip

QUESTION = re.compile(
    r"(what|who|how|why|when|where|which|is|are|am|do|does|did|can|could|should|will|would|isn't)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Style:
    """How one person types throughout a conversation; probabilities but for ``case``."""

    case: str
    """lower, tidy, or as the table has it."""
    apostrophes: float
    """How often an apostrophe is left out."""
    short: float
    """How often an abbreviation is used where there is one."""
    marks: float
    """How often an emoticon or the like follows."""
    slips: float
    """Slips of the finger for each word."""

    def typed(self, text: str, tone: str, keep: set[str], rng: Random) -> str:
        """Return the text as this person would type it, without slips in the words to ``keep``."""
        kept = {word.lower() for word in keep}
        text = self._case(text, rng)
        if rng.random() < self.apostrophes:
            text = text.replace("'", "")
        if rng.random() < self.short:
            text = _replace(text, SHORT, rng)
        if rng.random() < self.slips * 5:
            text = _replace(text, SPELLINGS, rng)
        slips = (rng.random() < self.slips for _ in range(len(text)))
        text = " ".join(
            _slip(word, rng) if next(slips) and word.lower() not in kept else word
            for word in text.split()
        )
        if rng.random() < self.marks:
            text = f"{text} {rng.choice(MARKS.get(tone, MARKS['plain']))}".replace(" !!", "!!")
        return text

    def _case(self, text: str, rng: Random) -> str:
        if self.case == "lower":
            text = text.lower()
            bare = text.rstrip(".!?" if rng.random() < 0.5 else ".!")
            return bare or text
        if self.case == "tidy":
            text = re.sub(r"\bi\b", "I", text[0].upper() + text[1:])
            if text[-1] in ".!?)" or rng.random() < 0.3:
                return text
            return f"{text}{'?' if QUESTION.match(text) else '.'}"
        return text


def draw_style(rng: Random) -> Style:
    """Return how somebody types."""
    case = rng.choices(("lower", "tidy", "as it is"), (5, 3, 3))[0]
    careless = case == "lower"
    return Style(
        case,
        apostrophes=0.3 if careless and rng.random() < 0.5 else 0.0,
        short=0.3 if careless and rng.random() < 0.25 else 0.0,
        marks=0.25 if rng.random() < 0.3 else 0.02,
        slips=0.04 if rng.random() < 0.3 else 0.002,
    )


def _replace(text: str, table: dict[str, str], rng: Random) -> str:
    for word, short in table.items():
        if word in text and rng.random() < 0.6:
            text = re.sub(rf"\b{re.escape(word)}(?![\w'])", short, text)
    return text


def _slip(word: str, rng: Random) -> str:
    """Return a word with one slip of the finger; short ones and slots stay."""
    if len(word) < 4 or not word.isalpha():
        return word
    at = rng.randrange(1, len(word) - 1)
    match rng.randrange(4):
        case 0:
            return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        case 1:
            return word[:at] + word[at + 1 :]
        case 2:
            return word[:at] + word[at] + word[at:]
        case _:
            return word[:at] + NEAR.get(word[at], word[at]) + word[at + 1 :]
