"""Conversations survive their files, and files that are none are refused."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from nanogpt_cli import cli
from nanogpt_cli.config import SampleConfig
from nanogpt_cli.dialogue import Turn
from nanogpt_cli.errors import DataError, UsageError
from nanogpt_cli.inference.conversation import (
    Conversation,
    load_conversation,
    markdown,
    save_conversation,
    write_markdown,
)

TURNS = [
    Turn("context", "at the sea"), Turn("human", "hi\nthere \u2028 <bot>"), Turn("bot", "hé \ud800")
]  # fmt: skip
WHOLE = Conversation(TURNS, "out/a/ckpt.pt", asdict(SampleConfig(seed=3, min_p=0.2)), ("\n",))


def test_a_conversation_is_read_as_it_was_written():
    save_conversation(Path("a/b.jsonl"), WHOLE)
    found = load_conversation(Path("a/b.jsonl"))
    assert list(found.turns) == [*TURNS[:2], Turn("bot", "hé \ufffd")]
    assert (found.model, found.stop) == (WHOLE.model, ("\n",))
    assert SampleConfig(**found.settings) == SampleConfig(seed=3, min_p=0.2)
    save_conversation(Path("a/b.jsonl"), Conversation([]))
    assert load_conversation(Path("a/b.jsonl")).turns == []


def test_it_is_data_to_train_on():
    for number in range(40):
        turns = [Turn("human", f"hello {number}"), Turn("bot", "good day to you")] * 2
        save_conversation(Path(f"chats/{number}.jsonl"), Conversation(turns, "m"))
    assert cli.run(["prepare", "chats", "--tokenizer", "char", "--out", "data/own", "-q"]) == 0
    meta = json.loads(Path("data/own/meta.json").read_text())
    assert meta["chat_format"]["human"] == "<human>"


def test_what_is_there_is_not_replaced_by_it():
    Path("notes.jsonl").write_text('{"my": "notes"}\n')
    with pytest.raises(UsageError, match="holds something else"):
        save_conversation(Path("notes.jsonl"), WHOLE)
    Path("notes.md").write_text("mine")
    with pytest.raises(UsageError, match="already exists"):
        write_markdown(Path("notes.md"), WHOLE)
    assert Path("notes.jsonl").read_text() == '{"my": "notes"}\n'


@pytest.mark.parametrize(
    "text",
    ["", "x", "[]", "3", "{}", '{"messages": 3}', '{"messages": [{"role": "user"}]}',
     '{"messages": [{"role": "god", "content": "x"}]}',
     '{"messages": [{"role": "user", "content": 3}]}', "{}\n{}", "[" * 100_000,
     '{"messages": [], "settings": {"temperature": -1}}', '{"messages": [], "context": 7}',
     '{"messages": [], "settings": {"top_k": "9"}}', '{"messages": [], "settings": 7}'],
)  # fmt: skip
def test_what_is_not_a_conversation_is_refused(text):
    Path("x.jsonl").write_text(text)
    with pytest.raises(DataError, match=r"x\.jsonl is not"):
        load_conversation(Path("x.jsonl"))


def test_files_that_cannot_be_read_are_named():
    Path("folder").mkdir()
    for name in ("folder", "gone.jsonl", "/dev/zero"):
        with pytest.raises(DataError, match=f"cannot read {name}"):
            load_conversation(Path(name))


def test_markdown_shows_texts_as_they_are():
    text = markdown(Conversation([Turn("human", "# *a*\n\n<b>"), Turn("bot", "1 | 2")], "out/`x`"))
    assert text == (
        "# A conversation with `out/'x'`\n\n**You**\n\n> \\# \\*a\\*\n>\n> \\<b\\>\n\n"
        "**Model**\n\n> 1 \\| 2\n"
    )
