"""How the bot speaks about feelings.

In the templates ``{adj}`` is the human's own adjective and ``{event}`` names what happened;
``{Event}`` is the same at the start of a sentence. Modal verbs ("can", "must") keep the grammar
right for singular and plural events alike.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Emotion:
    """One emotion: the words for it and the replies to it."""

    name: str
    positive: bool
    adjectives: tuple[str, ...]
    """Each fits "I feel ..." and "I'm ..."."""
    unstated: tuple[str, ...]
    """Replies to a situation told without naming the feeling."""
    stated: tuple[str, ...]
    """Replies to a situation told with the feeling."""
    alone: tuple[str, ...]
    """Replies to a feeling told without a reason."""
    advice: tuple[str, ...]
    """What may help when there is no clear reason."""


EMOTIONS = (
    Emotion(
        "sad",
        False,
        ("sad", "unhappy", "down", "heartbroken"),
        ("I'm so sorry about {event}.", "I'm sorry to hear about {event}. That must be hard."),
        ("I'm sorry that you feel {adj} about {event}.",),
        (
            "I'm sorry that you feel {adj}. Do you want to tell me what happened?",
            "I'm sorry to hear that you are {adj}. What makes you feel this way?",
        ),
        (
            "Sometimes sadness comes without a reason. A walk or a warm drink can help a little.",
            "You don't need a reason. Be kind to yourself today, and talk to someone you like.",
        ),
    ),
    Emotion(
        "lonely",
        False,
        ("lonely", "alone", "left out"),
        ("I'm sorry. {Event} can feel very lonely.",),
        ("I'm sorry that you feel {adj}. {Event} can be very hard.",),
        (
            "I'm sorry that you feel {adj}. I'm here to listen. What makes you feel this way?",
            "It's hard to feel {adj}. Do you want to tell me more about it?",
        ),
        (
            "Maybe you can write to one old friend today. A small hello can change a day.",
            "A walk among people or a club near you can be a good first step.",
        ),
    ),
    Emotion(
        "anxious",
        False,
        ("nervous", "anxious", "worried", "scared", "afraid"),
        ("It's normal to worry about {event}.", "I understand that you worry about {event}."),
        ("It's normal to feel {adj} about {event}.", "I understand that you worry about {event}."),
        (
            "It's okay to feel {adj}. What makes you feel this way?",
            "I understand, it's hard to feel {adj}. What worries you the most?",
        ),
        (
            "Try to breathe out slowly five times. It helps the body to feel safe.",
            "Look around and name three things that you see. It can make you calm.",
        ),
    ),
    Emotion(
        "stressed",
        False,
        ("stressed", "nervous and tired", "overwhelmed"),
        ("I'm sorry about {event}. That must be stressful.",),
        ("I understand that you feel {adj} about {event}.",),
        (
            "I'm sorry that you feel {adj}. What is the biggest thing on your mind?",
            "That sounds hard. What makes you feel so {adj}?",
        ),
        (
            "Write down everything that you must do, and choose only one thing for now.",
            "Take a short break without your phone. Then do one small thing first.",
        ),
    ),
    Emotion(
        "angry",
        False,
        ("angry", "mad", "furious", "annoyed"),
        ("I'm sorry about {event}. That must be upsetting.",),
        ("I understand why you feel {adj} about {event}.",),
        (
            "I understand that you are {adj}. What happened?",
            "It's okay to feel {adj}. Do you want to tell me about it?",
        ),
        (
            "A fast walk can help when you are angry. Then the thoughts get clear again.",
            "Take a deep breath and count to ten. Then think about what you need now.",
        ),
    ),
    Emotion(
        "tired",
        False,
        ("tired", "exhausted", "worn out"),
        ("I'm sorry about {event}. That sounds tiring.",),
        ("No wonder you feel {adj}. I'm sorry about {event}.",),
        (
            "I'm sorry that you are so {adj}. What made you feel this way?",
            "It's hard to be {adj}. Do you want to tell me about it?",
        ),
        (
            "Try to go to bed early tonight, and leave some things for tomorrow.",
            "Drink some water and rest for ten minutes. Your body will thank you.",
        ),
    ),
    Emotion(
        "guilty",
        False,
        ("guilty", "ashamed"),
        ("Thank you for being honest about {event}. Everyone makes mistakes.",),
        ("I understand that you feel {adj} about {event}. It shows that you care.",),
        (
            "Feeling {adj} shows that you care. What happened?",
            "I understand that you feel {adj}. Do you want to tell me why?",
        ),
        ("Be as kind to yourself as you are to a good friend. Everyone makes mistakes.",),
    ),
    Emotion(
        "jealous",
        False,
        ("jealous", "envious"),
        ("I understand. It can be hard to think about {event}.",),
        ("It's only human to feel {adj} about {event}.",),
        ("It's only human to feel {adj}. Who or what makes you feel this way?",),
        ("Think of three good things in your own life. You are enough as you are.",),
    ),
    Emotion(
        "embarrassed",
        False,
        ("embarrassed", "ashamed", "so silly"),
        ("Oh dear, I understand. Something like {event} can happen to everyone.",),
        ("I understand that you feel {adj} about {event}. It can happen to everyone.",),
        ("I understand that you feel {adj}. What happened?",),
        ("Most people forget such things very fast. Try to smile about it.",),
    ),
    Emotion(
        "bored",
        False,
        ("bored",),
        ("I understand. {Event} can be really boring.",),
        ("I understand that you are {adj}. {Event} can feel very long.",),
        (
            "I understand that you are {adj}. What makes your day so boring?",
            "It's hard to be {adj}. Do you want to tell me about your day?",
        ),
        ("You could draw, cook something new, or call a friend you have not seen for long.",),
    ),
    Emotion(
        "homesick",
        False,
        ("homesick",),
        ("I understand. {Event} can make you miss home a lot.",),
        ("It's normal to feel {adj}. {Event} can be very hard.",),
        ("I'm sorry that you feel {adj}. What do you miss the most?",),
        ("Call someone at home, and cook something that you know from there.",),
    ),
    Emotion(
        "disappointed",
        False,
        ("disappointed", "let down"),
        ("I'm sorry about {event}. That must be disappointing.",),
        ("I'm sorry about {event}. It's okay to feel {adj}.",),
        ("I'm sorry that you feel {adj}. What happened?",),
        ("Give yourself a little time. Then look for one small new thing to hope for.",),
    ),
    Emotion(
        "confused",
        False,
        ("confused", "lost", "unsure"),
        ("I understand. It's not easy to think about {event}.",),
        ("It's okay to feel {adj} about {event}.",),
        ("It's okay to feel {adj}. What is on your mind?",),
        ("Write down your thoughts on paper. Things often get clearer that way.",),
    ),
    Emotion(
        "happy",
        True,
        ("happy", "glad", "cheerful"),
        ("I'm so happy to hear about {event}!", "That's wonderful! I'm glad about {event}."),
        ("That's wonderful! No wonder you are {adj} about {event}.",),
        (
            "I'm so glad that you are {adj}! What happened?",
            "How nice to hear! What makes you so {adj}?",
        ),
        ("A good day needs no reason. Enjoy it and share your smile!",),
    ),
    Emotion(
        "proud",
        True,
        ("proud",),
        ("Well done! You can be proud of {event}.",),
        ("You can really be {adj} of {event}! Well done.",),
        ("It's great that you feel {adj}! What is the reason?",),
        ("You did well. Write it down, so that you can read it on a hard day.",),
    ),
    Emotion(
        "grateful",
        True,
        ("grateful", "thankful"),
        ("How lovely! Thank you for telling me about {event}.",),
        ("How lovely! It's good to feel {adj} for {event}.",),
        ("It's beautiful to feel {adj}. What made you feel this way?",),
        ("Feeling thankful makes the heart warm. Tell someone about it today!",),
    ),
    Emotion(
        "excited",
        True,
        ("excited", "so full of joy"),
        ("How exciting! Thank you for telling me about {event}.",),
        ("How exciting! No wonder you are {adj} about {event}.",),
        ("How exciting! What makes you so {adj}?", "I love that! Why are you {adj}?"),
        ("Enjoy this feeling! It's nice to have something to look forward to.",),
    ),
    Emotion(
        "hopeful",
        True,
        ("hopeful", "full of hope"),
        ("It's good to have hope. I wish you all the best with {event}.",),
        ("It's great that you feel {adj} about {event}. I wish you all the best.",),
        ("It's great that you feel {adj}! What gives you hope?",),
        ("Hope is a strong thing. Take one small step today!",),
    ),
    Emotion(
        "relieved",
        True,
        ("relieved", "so relieved"),
        ("What a relief! I'm so glad about {event}.",),
        ("What a relief! No wonder you feel {adj} about {event}.",),
        ("I'm glad that you feel {adj}! What happened?",),
        ("Now you can breathe freely. Do something nice for yourself!",),
    ),
)

BY_NAME = {emotion.name: emotion for emotion in EMOTIONS}
