"""The committed demo corpus is what its generator writes, and keeps its promises."""

import re
import sys
import time
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

DATA = Path(__file__).resolve().parent.parent / "data"
CORPUS = DATA / "demo_corpus.txt"
CONVERSATION = re.compile(
    r"(<human>[^<>{}\n]+<endOfText>\n<bot>[^<>{}\n]+<endOfText>\n){1,4}", re.ASCII
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
    start = time.perf_counter()
    again = generator.compose_corpus(generator.DEFAULT_COUNT, generator.DEFAULT_SEED)
    assert time.perf_counter() - start < 15
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
    assert len(conversations) >= 20_000
    assert 2_000_000 <= len(text) <= 4_500_000


def test_every_conversation_is_well_formed(conversations: list[str]) -> None:
    # The pattern also rules out wrong turn order, unresolved {slots} and non-ASCII characters.
    bad = [part for part in conversations if not CONVERSATION.fullmatch(part)]
    assert bad == []


def test_few_duplicates(conversations: list[str]) -> None:
    assert 1 - len(set(conversations)) / len(conversations) < 0.08
    assert max(Counter(conversations).values()) <= 2


def test_vocabulary_is_compact(text: str) -> None:
    assert len(vocabulary(text)) <= 3_500
    assert len(vocabulary("\n".join(bot_replies(text)))) <= 2_500


def test_replies_are_short(text: str) -> None:
    lengths = [len(reply.split()) for reply in bot_replies(text)]
    assert max(lengths) <= 40
    assert 8 <= sum(lengths) / len(lengths) <= 20


def test_emotions_and_situations_appear(generator: ModuleType, text: str) -> None:
    from demo_grammar.compose import SCENES
    from demo_grammar.emotions import EMOTIONS

    lower = text.lower().replace("i'm ", "i am ").replace("it's ", "it is ")
    words = vocabulary(text)
    emotions = [emotion for emotion in EMOTIONS if emotion.name in words]
    assert len(emotions) >= 8
    situations = [situation for scene in SCENES for situation in scene.situations]
    told = [
        situation
        for situation in situations
        if any(clause.lower().split("{")[0] in lower for clause in situation.clauses)
    ]
    assert len(told) == len(situations) >= 240


def test_tables_are_complete(generator: ModuleType) -> None:
    from demo_grammar.compose import SCENES, SCRIPTS
    from demo_grammar.emotions import BY_NAME

    for scene in SCENES:
        assert scene.situations, scene.name
        assert scene.questions, scene.name
        for situation in scene.situations:
            assert set(situation.emotions) <= set(BY_NAME), (scene.name, situation)
            assert situation.positive or scene.advice, scene.name
        for question in scene.questions:
            assert question.answers, (scene.name, question.text)
            assert all(answer.replies for answer in question.answers), (scene.name, question.text)
    for script in SCRIPTS:
        assert script.wordings, script.name
        assert script.variants, script.name
        for variant in script.variants:
            assert variant.replies, script.name
            assert all(branch.replies for branch in variant.branches), script.name


def test_a_is_always_the_right_article(generator: ModuleType) -> None:
    from demo_grammar.words import SLOTS

    for slot in ("job", "pet", "object", "machine", "subject"):
        assert [word for word in SLOTS[slot] if word[0].lower() in "aeiou"] == [], slot
