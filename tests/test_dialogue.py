"""The chat format: parsing tagged text, encoding conversations, fitting prompts."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanogpt_cli.dialogue import (
    LONGEST_TURN,
    ChatFormat,
    ParseReport,
    Prompt,
    Turn,
    encode_prompt,
    parse_turns,
    stop_ids,
    stop_strings,
    stops,
)
from nanogpt_cli.errors import DataError
from nanogpt_cli.tokenizer.load import ByteTokenizer, default_gpt2

CHAT = ChatFormat()
TAGGED = ByteTokenizer().with_special(["<|endoftext|>", *CHAT.tags])
END_OF_TEXT, HUMAN, BOT, END = 256, 257, 258, 259
PLAIN = default_gpt2()


def h(text: str) -> Turn:
    return Turn("human", text)


def b(text: str) -> Turn:
    return Turn("bot", text)


def parse(text: str, size: int | None = None) -> tuple[list[Turn | None], ParseReport]:
    """Parse whole lines, or pieces of ``size`` characters as a very long line would come."""
    report = ParseReport()
    pieces = (
        io.StringIO(text, newline="\n")
        if size is None
        else (
            line[i : i + size]
            for line in io.StringIO(text, newline="\n")
            for i in range(0, len(line), size)
        )
    )
    return list(parse_turns(pieces, CHAT, report)), report


def test_turns_and_conversations() -> None:
    text = "\n<human>Hi<endOfText>\n<bot> Hello. <endOfText>\n\n \n<human>Bye<endOfText>\n\n"
    turns, report = parse(text)
    assert turns == [h("Hi"), b("Hello."), None, h("Bye")]
    assert report == ParseReport(turns=3)


@pytest.mark.parametrize(
    ("text", "turns", "report"),
    [
        ("<Human>a<ENDOFTEXT><BOT>b<endoftext>", [h("a"), b("b")], ParseReport(2)),
        (
            "<human>a\r\nb<endOfText>\r\n\r\n<bot>c<endOfText>",
            [h("a\r\nb"), None, b("c")],
            ParseReport(2),
        ),
        ("<human>a\n\nb<endOfText>", [h("a\n\nb")], ParseReport(1)),
        (
            "<human>a\n<bot>b\n\n<human>c",
            [h("a"), b("b"), None, h("c")],
            ParseReport(3, unclosed=3),
        ),
        ("<human> <endOfText><bot>b<endOfText>", [b("b")], ParseReport(1, empty=1)),
        ("who?\n<bot>b<endOfText>me\nyou", [b("b")], ParseReport(1, stray=2)),
        ("<human>a <|endoftext|> <b><endOfText>", [h("a <|endoftext|> <b>")], ParseReport(1)),
        ("no tags at all\n\n", [], ParseReport(stray=1)),
        ("", [], ParseReport()),
    ],
)
def test_what_people_write(text: str, turns: list[Turn | None], report: ParseReport) -> None:
    assert parse(text) == (turns, report)


WORDS = st.text("abc ", max_size=9)
PIECES = st.sampled_from(
    ["<human>", "<bot>", "<endOfText>", "<Bot>", "hi", " ", "\n", "\n\n", "<", "<hum", "a b", "é"]
)


@given(text=st.lists(PIECES, max_size=25).map("".join), size=st.integers(1, 30))
def test_lines_in_pieces_give_the_same_turns(text: str, size: int) -> None:
    assert parse(text, size)[0] == parse(text)[0]


def test_a_turn_that_never_ends_is_ended() -> None:
    report = ParseReport()
    lines = ["<human>"] + ["word " * 1000 + "\n"] * (LONGEST_TURN // 5000 + 5)
    (turn,) = parse_turns(lines, CHAT, report)
    assert turn is not None
    assert len(turn.text) <= LONGEST_TURN + 5001
    assert report.unclosed == 1


def test_a_conversation_of_special_tokens() -> None:
    prompt = encode_prompt([h("a"), b("b")], TAGGED, CHAT, 100)
    assert prompt.ids == [END_OF_TEXT, HUMAN, ord("a"), END, BOT, ord("b"), END, BOT]


def test_text_that_looks_like_a_tag_stays_text() -> None:
    prompt = encode_prompt([h("<bot>")], TAGGED, CHAT, 100)
    assert prompt.ids == [END_OF_TEXT, HUMAN, *b"<bot>", END, BOT]


def test_an_old_model_sees_tags_as_text() -> None:
    prompt = encode_prompt([h("a"), b("b")], PLAIN, CHAT, 100)
    assert PLAIN.decode(prompt.ids) == "<human>a<endOfText>\n<bot>b<endOfText>\n<bot>"


def test_a_prompt_that_fits_is_whole() -> None:
    turns, ids = [h("a"), b("b"), h("c")], [HUMAN, 97, END, BOT, 98, END, HUMAN, 99, END, BOT]
    assert encode_prompt(turns, TAGGED, CHAT, 11) == Prompt([END_OF_TEXT, *ids], 0, 0)
    assert encode_prompt(turns, TAGGED, CHAT, 10) == Prompt(ids, 0, 0)


def test_a_long_history_loses_its_oldest_turns() -> None:
    prompt = encode_prompt([h("a"), b("b"), h("c")], TAGGED, CHAT, 9)
    assert prompt.ids == [HUMAN, 99, END, BOT]
    assert (prompt.dropped_turns, prompt.cropped_tokens) == (2, 0)


def test_a_long_turn_loses_its_beginning() -> None:
    prompt = encode_prompt([h("x"), b("y"), h("abcdef")], TAGGED, CHAT, 6)
    assert prompt.ids == [HUMAN, *b"def", END, BOT]
    assert (prompt.dropped_turns, prompt.cropped_tokens) == (2, 3)


@given(
    turns=st.lists(st.builds(Turn, st.sampled_from(["human", "bot"]), WORDS), max_size=6),
    budget=st.integers(1, 40),
    special=st.booleans(),
)
def test_a_prompt_never_exceeds_its_budget(turns: list[Turn], budget: int, special: bool) -> None:
    tokenizer = TAGGED if special else PLAIN
    prompt = encode_prompt(turns, tokenizer, CHAT, budget)
    whole = encode_prompt(turns[prompt.dropped_turns :], tokenizer, CHAT, 10_000)
    assert 0 < len(prompt.ids) <= budget
    start = len(whole.ids) - len(prompt.ids) - prompt.cropped_tokens
    assert start in ((0, 1) if special else (0,))
    kept = turns[prompt.dropped_turns :]
    assert not kept or kept[0].role == "human"


def test_what_ends_an_answer() -> None:
    assert stop_ids(TAGGED, CHAT) == {END_OF_TEXT, HUMAN, BOT, END}
    assert stop_ids(PLAIN, CHAT) == {50256}
    assert set(stop_strings(PLAIN, CHAT)) == {"<endOfText>", "<human>", "<bot>", "<|endoftext|>"}
    assert "<|endoftext|>" not in stop_strings(ByteTokenizer(), CHAT)


def test_what_ends_an_answer_with_and_without_a_chat_format() -> None:
    assert stops(TAGGED, CHAT) == (stop_ids(TAGGED, CHAT), stop_strings(TAGGED, CHAT))
    assert stops(PLAIN, None) == ({50256}, ())
    assert stops(TAGGED, None) == ({END_OF_TEXT, HUMAN, BOT, END}, ())


def test_the_format_in_json() -> None:
    other = ChatFormat("<user>", "<ai>", "<end>")
    assert ChatFormat.from_dict(other.to_dict()) == other
    for content in (None, {}, {"human": "a", "bot": "b"}, other.to_dict() | {"end": "<ai>"},
                    other.to_dict() | {"end": 3}, other.to_dict() | {"more": "<x>"},
                    other.to_dict() | {"end": "\x1b"}):  # fmt: skip
        with pytest.raises(DataError):
            ChatFormat.from_dict(content)
