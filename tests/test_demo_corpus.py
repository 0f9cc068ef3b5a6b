"""The committed demo corpus is what its generator writes, and keeps its promises."""

import re
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

DATA = Path(__file__).resolve().parent.parent / "data"
CORPUS = DATA / "demo_corpus.txt"
CONVERSATION = re.compile(
    r"(<human>([^<>{}\n]|</?3)+<endOfText>\n<bot>[^<>{}\n]+<endOfText>\n){1,10}", re.ASCII
)


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    """Import the generator, which lives outside the installed package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(DATA), *sys.path])
        import make_demo_corpus
    assert isinstance(make_demo_corpus, ModuleType)
    return make_demo_corpus


@pytest.fixture(scope="module")
def text() -> str:
    """Return the committed corpus, with its line ends as they are."""
    return CORPUS.read_bytes().decode("ascii")


@pytest.fixture(scope="module")
def conversations(text: str) -> list[str]:
    """Split the corpus at its blank lines."""
    return [part.rstrip("\n") + "\n" for part in text.split("\n\n")]


def bot_replies(text: str) -> list[str]:
    return re.findall(r"^<bot>(.*)<endOfText>$", text, re.MULTILINE)


def vocabulary(text: str) -> set[str]:
    return set(re.findall(r"[a-z0-9']+", re.sub(r"<\w+>", " ", text).lower()))


def test_regenerates_byte_for_byte(generator: ModuleType, text: str) -> None:
    again = generator.compose_corpus(generator.DEFAULT_COUNT, generator.DEFAULT_SEED)
    # Compared outside the assertion: a diff of megabytes would take pytest minutes.
    same = again == text
    assert same, "run: python data/make_demo_corpus.py"


def test_command_line_writes_the_file(
    generator: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "a.txt", tmp_path / "b.txt"
    for path, seed in ((first, "1"), (second, "2")):
        argv = ["make_demo_corpus.py", "--out", str(path), "--seed", seed, "--count", "50"]
        monkeypatch.setattr(sys, "argv", argv)
        generator.main()
    assert first.read_bytes() == generator.compose_corpus(50, 1).encode()
    assert first.read_bytes() != second.read_bytes()
    assert len(first.read_text().split("\n\n")) == 50


def test_size(text: str, conversations: list[str]) -> None:
    assert len(conversations) >= 10_000
    assert 4_000_000 <= len(text) <= 8_000_000


def test_every_conversation_is_well_formed(conversations: list[str]) -> None:
    # The pattern also rules out wrong turn order, unresolved {slots} and non-ASCII characters.
    bad = [part for part in conversations if not CONVERSATION.fullmatch(part)]
    assert bad == []


def test_few_duplicates(conversations: list[str]) -> None:
    assert 1 - len(set(conversations)) / len(conversations) < 0.01
    assert max(Counter(conversations).values()) <= 2


def test_conversations_have_several_turns(text: str, conversations: list[str]) -> None:
    assert 4 <= text.count("<human>") / len(conversations) <= 6


def test_the_human_has_many_words_and_the_bot_few(text: str) -> None:
    human = "\n".join(re.findall(r"^<human>(.*)<endOfText>$", text, re.MULTILINE))
    assert len(vocabulary(human)) >= 6_000
    assert len(vocabulary("\n".join(bot_replies(text)))) <= 2_500


def test_replies_are_short(text: str) -> None:
    lengths = [len(reply.split()) for reply in bot_replies(text)]
    assert max(lengths) <= 45
    assert 8 <= sum(lengths) / len(lengths) <= 20


def test_replies_repeat_no_details(generator: ModuleType) -> None:
    from demo_grammar.compose import GENERIC, SOCIAL, TOPICS

    for topic in (*TOPICS, *SOCIAL.values(), *GENERIC.values()):
        exchanges = [topic.details, topic.questions, topic.closing]
        exchanges += [group for reply in topic.replies for group in reply.answers]
        replies = [reply.text for reply in topic.replies]
        replies += [text for exchange in exchanges for text in exchange.replies]
        assert [text for text in replies if "{" in text] == [], topic.name


def test_danger_is_taken_seriously(text: str) -> None:
    said = "i want to die|i hate my life|i want to kill myself|i don't want to be here anymore"
    replies = re.findall(rf"<human>(?:{said})\W*<endOfText>\n(.*)", text)
    assert len(replies) >= 10
    assert all(re.search("helpline|crisis line|emergency number", reply) for reply in replies)


def test_tables_are_complete(generator: ModuleType) -> None:
    from demo_grammar.compose import GENERIC, QUESTIONS, SOCIAL, TOPICS

    assert len(TOPICS) >= 300
    for topic in (*TOPICS, *SOCIAL.values()):
        assert topic.openings, topic.name
        assert topic.replies, topic.name
        for reply in topic.replies:
            assert all(group.wordings and group.replies for group in reply.answers), reply.text
    for topic in (*TOPICS, *SOCIAL.values(), *GENERIC.values()):
        for exchange in (topic.details, topic.questions, topic.closing):
            assert bool(exchange.wordings) == bool(exchange.replies), topic.name
    assert all(group.replies for question in QUESTIONS for group in question.answers)


def test_no_wording_opens_two_topics(generator: ModuleType) -> None:
    from demo_grammar.compose import GENERIC, SOCIAL, TOPICS

    topics = [*TOPICS, *GENERIC.values(), *SOCIAL.values()]
    found = Counter(
        (wording.lower(), topic.tone == "ack")
        for topic in topics
        if not topic.tone.startswith("ack")
        for wording in topic.openings
    )
    assert [wording for wording, count in found.items() if count > 1] == []


def test_a_wrong_mark_is_told_with_its_line(
    generator: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from demo_grammar import notation

    monkeypatch.setattr(notation, "TABLES", tmp_path)
    (tmp_path / "x.txt").write_text("## hello | plain\nh hi / hello\nb How are you?\n")
    with pytest.raises(ValueError, match=r"x\.txt, line 3"):
        notation.read_topics("x")


def test_a_is_always_the_right_article(generator: ModuleType) -> None:
    from demo_grammar.words import SLOTS

    for slot in ("job", "pet"):
        assert [word for word in SLOTS[slot] if word[0].lower() in "aeiou"] == [], slot
