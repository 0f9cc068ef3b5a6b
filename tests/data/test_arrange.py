"""Variants of dialogues: turns joined, what stands in front, the end of an exchange, repeats."""

import pytest
from datasets import OUT, documents, meta, run, text, tokenizer, write

from nanogpt_cli.data.arrange import arrange
from nanogpt_cli.data.encode import encode_file
from nanogpt_cli.data.formats.base import Report
from nanogpt_cli.data.seen import Seen
from nanogpt_cli.data.store import open_dataset
from nanogpt_cli.dialogue import LONGEST_TURN, ChatFormat, Turn, encode_prompt
from nanogpt_cli.errors import DataError

FRONT = (
    "<context>My dog ran away number {0}.<endOfText>\n<emotion>sad<endOfText>\n"
    "<human>He is gone {0}.<endOfText>\n<bot>Oh no!<endOfText>\n"
    "<human>I looked everywhere.<endOfText>\n<bot>Did you call him?<endOfText>\n\n"
)
CHATS = "".join(FRONT.format(i) for i in range(30))


def arranged(*pieces, join=True, context=True, emotion=True):
    report = Report()
    found = list(arrange(pieces, report, join=join, context=context, emotion=emotion))
    return found, report.notes()


def test_turns_of_one_speaker_are_joined_within_a_conversation():
    turns = [Turn("human", "a"), Turn("human", "b"), Turn("bot", "c"), None, Turn("bot", "d"), None]
    found, notes = arranged(*turns)
    assert found == [Turn("human", "a\nb"), Turn("bot", "c"), None, Turn("bot", "d"), None]
    assert notes == ["1 turn was joined to the one before it, of the same speaker"]
    assert arranged(*turns, join=False) == (turns, [])
    assert arranged("text ", "text", None) == (["text ", "text", None], [])


def test_a_joined_turn_does_not_grow_without_end():
    long = Turn("human", "x" * (LONGEST_TURN // 2))
    found, _ = arranged(long, long, long, None)
    assert len(found) == 4


def test_what_stands_in_front_is_kept_or_counted():
    turns = [Turn("context", "a"), Turn("emotion", "b"), Turn("human", "c"), None]
    assert arranged(*turns) == (turns, [])
    found, notes = arranged(*turns, context=False)
    assert found == [Turn("emotion", "b"), Turn("human", "c"), None]
    assert notes == ["1 context was left out (--with-context keeps it)"]
    found, notes = arranged(Turn("context", "a"), None)
    assert found == []
    assert notes == ["1 conversation without turns was left out"]


def test_contexts_and_emotions_are_part_of_the_chat_format_where_they_are_wanted():
    chat = write("chat.txt", CHATS)
    plain = run(chat, tokenizer="byte")
    assert (plain.conversations, plain.turns) == (30, 120)
    assert meta()["chat_format"] == {"human": "<human>", "bot": "<bot>", "end": "<endOfText>"}
    assert "dog" not in text("train")
    assert "30 contexts were left out (--with-context keeps them)" in plain.notes
    result = run(chat, tokenizer="byte", with_context=True, with_emotion=True, force=True)
    assert (result.conversations, result.turns) == (30, 120)
    data = open_dataset(OUT)
    assert data.chat_format == ChatFormat(context="<context>", emotion="<emotion>")
    assert "<emotion>" in data.tokenizer.special_tokens
    first = documents("train")[0]
    assert first.startswith("<context>My dog ran away number ")
    assert "<endOfText><emotion>sad<endOfText><human>He is gone" in first
    front = [Turn("context", "My dog ran away number 0."), Turn("emotion", "sad")]
    said = [Turn("human", "He is gone 0.")]
    ids = encode_prompt([*front, *said], data.tokenizer, data.chat_format, 1000).ids
    whole, _ = encode_file(chat, data.tokenizer, data.chat_format)
    before, *ids = ids
    assert before == data.tokenizer.special_tokens["<|endoftext|>"]
    assert whole[: len(ids)] == ids


def test_what_stands_in_front_stays_as_long_as_there_is_room():
    chat = ChatFormat(context="<context>", emotion="<emotion>")
    tokens = open_tokenizer(chat)
    turns = [Turn("context", "c"), Turn("human", "h" * 9), Turn("bot", "b"), Turn("human", "i")]
    prompt = encode_prompt(turns, tokens, chat, 10)
    beginning = "<|endoftext|><context>c<endOfText>"
    assert tokens.decode(prompt.ids) == f"{beginning}<human>i<endOfText><bot>"
    assert prompt.dropped_turns == 2
    prompt = encode_prompt(turns, tokens, chat, 5)
    assert tokens.decode(prompt.ids) == "<human>i<endOfText><bot>"


def open_tokenizer(chat):
    from nanogpt_cli.tokenizer.load import ByteTokenizer

    return ByteTokenizer().with_special(["<|endoftext|>", *chat.tags])


def test_an_end_after_each_exchange_or_after_the_conversation():
    chat = write("chat.txt", CHATS)
    run(chat, tokenizer="byte", repeats="drop")
    conversation = documents("train")[0]
    run(chat, tokenizer="byte", turns="pair", force=True)
    assert meta()["chat_format"]["turns"] == "pair"
    first, second = documents("train")[:2]
    assert first + second == conversation
    assert second == "<human>I looked everywhere.<endOfText><bot>Did you call him?<endOfText>"
    assert text("train").count("<|endoftext|>") == 2 * meta()["train"]["documents"]
    data = open_dataset(OUT)
    turns = [Turn("human", "He is gone 0."), Turn("bot", "Oh no!"),
             Turn("human", "I looked everywhere.")]  # fmt: skip
    prompt = tokenizer().decode(encode_prompt(turns, data.tokenizer, data.chat_format, 999).ids)
    assert prompt.startswith("<|endoftext|><human>He is gone")
    assert prompt.count("<|endoftext|>") == 2
    assert prompt.endswith("<bot>")
    _, *ids = encode_prompt(turns, data.tokenizer, data.chat_format, 999).ids
    whole, _ = encode_file(chat, data.tokenizer, data.chat_format)
    assert whole[: len(ids)] == ids


@pytest.mark.parametrize(
    "content",
    [
        {"human": "<h>", "bot": "<b>", "end": "<e>", "turns": "some"},
        {"human": "<h>", "bot": "<b>", "end": "<e>", "turns": ["pair"]},
        {"human": "<h>", "bot": "<b>", "end": "<e>", "context": ""},
        {"human": "<h>", "bot": "<b>", "end": "<e>", "context": "<h>"},
        {"human": "<h>", "bot": "<b>", "end": "<e>", "mood": "<m>"},
        {"human": "<h>", "bot": "<b>", "context": "<c>"},
    ],
)
def test_a_chat_format_is_checked(content):
    with pytest.raises(DataError, match="chat format is corrupt"):
        ChatFormat.from_dict(content)
    for whole in (ChatFormat(), ChatFormat(emotion="<e>", turns="pair")):
        assert ChatFormat.from_dict(whole.to_dict()) == whole


def test_a_context_within_a_turn_is_text():
    write("chat.txt", CHATS.replace("Oh no!", "I mean <context>, not <emotion>."))
    run("chat.txt", tokenizer="byte", with_context=True)
    assert "<bot>I mean <context>, not <emotion>.<endOfText>" in text("train")


def test_repeated_documents_are_kept_or_dropped():
    lines = [f'{{"text": "Document number {i % 30}."}}\n' for i in range(90)]
    kept = run(write("a.jsonl", "".join(lines)), tokenizer="byte", val_fraction=0.3)
    assert kept.documents == 90
    dropped = run("a.jsonl", tokenizer="byte", val_fraction=0.3, repeats="drop", force=True)
    assert dropped.documents == 30
    assert "60 repeated documents were left out" in dropped.notes
    found = documents("train") + documents("val")
    assert sorted(found) == sorted(f"Document number {i}." for i in range(30))
    chats = run(write("chat.txt", CHATS * 3), tokenizer="bpe:300", repeats="drop", force=True)
    assert (chats.conversations, chats.turns) == (30, 120)


def test_a_set_of_many_hashes():
    seen, twin = Seen(), set()
    for i in range(5000):
        number = (i * i * 2654435761) % 3001 << 20 | 1
        assert seen.add(number) is (number not in twin)
        twin.add(number)
    assert all(number in seen for number in twin)
    assert 7 not in seen
