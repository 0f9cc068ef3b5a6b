"""A conversation: what the model is shown of it, and which notes the user reads."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from old_checkpoints import CHARACTERS, char_folder, nanogpt_content, save

from nanogpt_cli.checkpoint.load import load, upgrade
from nanogpt_cli.checkpoint.schema import Checkpoint
from nanogpt_cli.config import ModelConfig, SampleConfig
from nanogpt_cli.dialogue import ChatFormat, Turn, encode_prompt, stops
from nanogpt_cli.errors import CheckpointError, UsageError
from nanogpt_cli.inference import session
from nanogpt_cli.inference.session import Session
from nanogpt_cli.model.factory import make_model
from nanogpt_cli.model.gpt import GPT
from nanogpt_cli.tokenizer import load as tokenizer

CHAT = ChatFormat()


@pytest.fixture
def write():
    """Write a model with random weights, dialogue or not."""

    def make(kind: str = "byte", chat: bool = True, **shape: object) -> Path:
        encoder = (
            tokenizer.ByteTokenizer() if kind == "byte" else tokenizer.CharTokenizer(CHARACTERS)
        ).with_special(CHAT.tags if chat else ())
        shape = {"block_size": 64, "n_layer": 2, "n_head": 2, "n_embd": 16,
                 "arch": "gpt2", "pos_embd": "default"} | shape  # fmt: skip
        config = ModelConfig(**shape, vocab_size=encoder.vocab_size)  # type: ignore[arg-type]
        model = make_model(config)
        with torch.no_grad():
            for p in model.parameters():
                p.add_(torch.randn_like(p) * 0.3)
        checkpoint = Checkpoint(
            config, model.state_dict(), encoder.to_dict(), CHAT.to_dict() if chat else None
        )
        checkpoint.save(Path("ckpt.pt"))
        return Path("ckpt.pt")

    return make


def talk(path: Path, **config: object) -> Session:
    settings = {"temperature": 0, "max_tokens": 8} | config
    return Session(load(path, "cpu"), SampleConfig(**settings))  # type: ignore[arg-type]


def test_both_sides_join_the_conversation(write):
    one = talk(write())
    reply = "".join(one.reply("hello"))
    assert one.turns == [Turn("human", "hello"), Turn("bot", reply.strip())]
    assert one.last is not None
    assert one.last.text == reply.strip()
    "".join(one.reply("again"))
    assert [turn.role for turn in one.turns] == ["human", "bot"] * 2
    one.clear()
    assert one.turns == []


@pytest.mark.parametrize(
    ("pieces", "shown"),
    [
        ([" ", "\n hi", " ", "there \n", " "], ["hi", " there"]),
        (["a", " b ", " c"], ["a", " b", "  c"]),
        ([" ", "\n"], []),
    ],
)
def test_an_answer_comes_without_white_space_around_it(write, monkeypatch, pieces, shown):
    def spoken(*args, **kwargs):
        args[4].text = "".join(pieces)
        yield from pieces

    monkeypatch.setattr(session, "stream_reply", spoken)
    one = talk(write())
    assert list(one.reply("hello")) == shown
    assert one.last.text == "".join(shown) == one.turns[-1].text
    plain = talk(write(chat=False))
    assert list(plain.reply("hello")) == pieces


def test_the_reply_depends_on_the_conversation(write):
    path = write()
    one, two = talk(path), talk(path)
    list(one.reply("a first message"))
    assert list(one.reply("hello")) != list(two.reply("hello"))


def test_an_interrupted_reply_joins_too(write):
    one = talk(write(), max_tokens=32)
    pieces = one.reply("hello")
    begun = next(pieces)
    pieces.close()
    assert one.turns == [Turn("human", "hello"), Turn("bot", begun.strip())]


def test_seeds_make_replies_repeatable(write):
    path = write()
    settings = {"temperature": 1.0, "seed": 3}
    one, two = talk(path, **settings), talk(path, **settings)
    first = "".join(one.reply("hello"))
    assert "".join(two.reply("hello")) == first
    one.clear()
    assert "".join(one.reply("hello")) != first
    one.clear()
    one.set(replace(one.config, seed=4))
    one.set(replace(one.config, seed=3))
    assert "".join(one.reply("hello")) == first


def test_settings_can_change_in_between(write):
    one = talk(write(), max_tokens=3)
    list(one.reply("hello"))
    one.set(replace(one.config, max_tokens=1))
    list(one.reply("hello"))
    assert one.last.tokens <= 1


def test_a_full_context_forgets_the_first_turns_and_says_so(write):
    one = talk(write())
    notes = []
    for _ in range(6):
        list(one.reply("0123456789"))
        notes += [note for note in one.notes if "turns are forgotten" in note]
    assert len(notes) == 1
    assert len(one.turns) == 12  # the user still sees them


def test_a_message_longer_than_the_context_is_cropped_and_says_so(write):
    one = talk(write(block_size=32))
    list(one.reply("x" * 100))
    assert any("longer than the context of 32 tokens" in note for note in one.notes)
    list(one.reply("y"))
    assert not any("longer than" in note for note in one.notes)


@pytest.mark.parametrize("block_size", [1, 2, 3, 5])
@pytest.mark.parametrize("chat", [True, False])
def test_tiny_contexts_work(write, block_size, chat):
    one = talk(write(chat=chat, block_size=block_size))
    list(one.reply("hello"))
    assert one.last.tokens


def test_unknown_characters_are_named(write):
    one = talk(write("char"))
    list(one.reply("hello @ Ω @"))
    assert any("'@', 'Ω'" in note for note in one.notes)


def test_a_model_without_tags_continues_the_text_and_remembers_nothing(write):
    one = talk(write("char", chat=False))
    first = "".join(one.reply("to be"))
    assert one.turns == []
    assert "".join(one.reply("to be")) == first
    encoder = one.loaded.tokenizer
    with torch.no_grad():
        ids = encoder.encode("to be")
        for _ in range(8):
            ids.append(int(one.loaded.model(torch.tensor([ids]))[0, -1].argmax()))
    assert first == encoder.decode(ids[5:])


def test_a_text_of_unknown_characters_still_gets_a_continuation(write):
    one = talk(write("char", chat=False))
    assert "".join(one.reply("@@"))
    assert one.notes


def test_a_long_text_is_cropped_to_its_end(write):
    one = talk(write("char", chat=False))
    end = "".join(one.reply("b" * 36 + "a" * 64))
    assert any("only its last 64 tokens are used" in note for note in one.notes)
    assert "".join(one.reply("a" * 64)) == end


def test_nothing_is_computed_twice(write, monkeypatch):
    """From turn to turn only the new tokens are computed, and each drawn token once."""
    one = talk(write(block_size=256))
    computed: list[int] = []
    hidden = GPT.hidden

    def counting(self, idx, cache=None):
        computed.append(idx.size(1))
        return hidden(self, idx, cache)

    monkeypatch.setattr(GPT, "hidden", counting)
    for text in ("hello", "how are you", "well"):
        list(one.reply(text))
    turns = one.turns[:-1]
    shown = encode_prompt(turns, one.loaded.tokenizer, CHAT, 256).ids
    again = 3 * 3  # a reply's last token, and where stripping or decoding changed its text
    assert sum(computed) <= len(shown) + 8 + 3 * 8 + again
    assert max(computed[1:]) < 60


@pytest.mark.parametrize("pos_embd", ["default", "rope", "relative"])
def test_a_long_conversation_is_what_an_uncached_model_would_say(write, pos_embd):
    """Whole turns are dropped at the context's end, and replies outgrow the window."""
    one = talk(write(pos_embd=pos_embd), max_tokens=40)
    model, encoder = one.loaded.model, one.loaded.tokenizer
    stop_ids, _ = stops(encoder, CHAT)
    dropped = 0
    for number in range(5):
        list(one.reply(f"message {number}"))
        shown = encode_prompt(one.turns[:-1], encoder, CHAT, 64 - 16)
        dropped = max(dropped, shown.dropped_turns)
        ids, start = list(shown.ids), 0
        for drawn in one.last.ids:
            if len(ids) - start > 64:
                start = len(ids) - 32
            with torch.no_grad():
                logits = model(torch.tensor([ids[start:]]))[0, -1, : encoder.vocab_size]
            ids.append(int(logits.argmax()))
            assert ids[-1] == drawn
        assert len(one.last.ids) == 40 or one.last.ids[-1] in stop_ids
    assert dropped >= 4
    assert one.context().forgotten_turns >= dropped


def test_a_long_conversation_is_not_encoded_again_and_again(write):
    encoder = talk(write()).loaded.tokenizer
    turns = [Turn("human" if i % 2 == 0 else "bot", f"turn {i}") for i in range(2001)]
    calls = []

    class Counting(type(encoder)):
        def encode(self, text):
            calls.append(text)
            return super().encode(text)

    counting = Counting(encoder.special_tokens)
    prompt = encode_prompt(turns, counting, CHAT, 48)
    assert prompt.dropped_turns > 1990
    assert prompt.ids == encode_prompt(turns[prompt.dropped_turns :], encoder, CHAT, 48).ids
    assert len(calls) < 30


def test_a_reply_is_tried_again_undone_and_measured(write):
    one = talk(write(), temperature=1.0, seed=5)
    assert one.undo() is None
    with pytest.raises(UsageError, match="no reply to try again"):
        one.retry()
    "".join(one.reply("hello"))
    first = "".join(one.reply("and then?"))
    assert "".join(one.retry()) != first  # the random numbers go on
    assert [turn.text for turn in one.turns if turn.role == "human"] == ["hello", "and then?"]
    assert one.totals.replies == 3
    assert one.totals.tokens >= one.last.tokens
    assert 0 < one.last.first_token_seconds <= one.last.seconds
    assert one.context().used > len(one.last.prompt)
    assert one.undo() == "and then?"
    assert len(one.turns) == 2
    assert one.undo() == "hello"
    assert one.turns == []
    assert one.context().used == 0


def test_a_stop_text_ends_a_reply_and_is_no_part_of_it(write):
    one = talk(write(chat=False), max_tokens=30)
    whole = "".join(one.reply("to be"))
    stop = whole[7:9]
    one.stop = (stop,)
    assert "".join(one.reply("to be")) == whole[: whole.index(stop)]
    assert one.last.stop_reason == "stop"
    assert [turn.role for turn in one.transcript] == ["human", "bot"] * 2
    assert one.turns == []  # which the model is shown
    assert one.undo() == "to be"
    assert len(one.transcript) == 2


def test_what_stands_in_front_needs_a_tag_and_stays(write):
    one = talk(write())
    with pytest.raises(UsageError, match="trained without a line of context"):
        one.set_front("context", "a quiet evening")
    one.set_front("context", None)
    one.resume([Turn("context", "unknown to it"), Turn("human", "a"), Turn("bot", "b")])
    assert [turn.role for turn in one.turns] == ["human", "bot"]
    chat = replace(CHAT, context="<human>", emotion="<bot>")  # tags that the tokenizer has
    one.loaded = replace(one.loaded, chat_format=chat)
    one.set_front("emotion", "calm")
    one.set_front("context", "a quiet evening")
    assert [turn.role for turn in one.turns] == ["context", "emotion", "human", "bot"]
    one.clear()
    assert one.front("context") == "a quiet evening"
    one.set_front("context", None)
    assert one.turns == [Turn("emotion", "calm")]


def test_a_conversation_stops_at_every_tag_and_a_text_at_special_tokens(write):
    one = talk(write())
    special = one.loaded.tokenizer.special_tokens
    ids, strings = stops(one.loaded.tokenizer, CHAT)
    assert ids == {special[tag] for tag in CHAT.tags}
    assert set(strings) == set(CHAT.tags)
    assert stops(one.loaded.tokenizer, None) == (set(special.values()), ())


# --- loading --------------------------------------------------------------------------------------


def test_a_model_without_a_tokenizer_is_refused_with_a_way_out():
    path = save(nanogpt_content())
    with pytest.raises(CheckpointError, match="carries no tokenizer") as caught:
        load(path, "cpu")
    assert "--data-dir" in caught.value.hint
    folder = char_folder(CHARACTERS, Path("elsewhere"))
    assert load(path, "cpu", folder).tokenizer.name == "char"


def test_the_earlier_projects_dialogues_are_answered():
    content = nanogpt_content(vocab_size=256)
    content["config"]["pos_embd"] = "default"
    plain = {"kind": "byte", "special_tokens": {}}
    Path("data/old").mkdir(parents=True)
    checkpoint, _ = upgrade(content, Path("x"))
    replace(checkpoint, tokenizer=plain).save(Path("x.pt"))
    one = talk(Path("x.pt"))
    list(one.reply("hi"))
    assert [turn.role for turn in one.turns] == ["human", "bot"]


@pytest.mark.parametrize("damage", [{"human": "<h>"}, {"human": 1, "bot": 2, "end": 3}])
def test_a_damaged_chat_format_is_a_checkpoint_error(write, damage):
    content = torch.load(write(), weights_only=True)
    with pytest.raises(CheckpointError, match="chat format"):
        load(save(content | {"chat_format": damage}), "cpu")
