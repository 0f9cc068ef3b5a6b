"""Replies to held-out prompts: which prompts, what is replied, and what is a copy."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from nanogpt_cli.checkpoint.load import LoadedModel
from nanogpt_cli.config import SampleConfig
from nanogpt_cli.data.prepare import PrepareOptions, prepare
from nanogpt_cli.data.store import open_dataset
from nanogpt_cli.dialogue import ChatFormat, Turn
from nanogpt_cli.evaluation.copies import training_replies
from nanogpt_cli.evaluation.metrics.base import NotApplicable
from nanogpt_cli.evaluation.prompts import Exchanges, file_exchanges, token_exchanges
from nanogpt_cli.evaluation.ranking import Labelled, rank_labels, tagged
from nanogpt_cli.evaluation.replies import generate_replies
from nanogpt_cli.inference.session import Session
from nanogpt_cli.tokenizer.base import END_OF_TEXT
from nanogpt_cli.tokenizer.load import ByteTokenizer

CHAT = ChatFormat()
TALK = (
    "<human>Hi {0}!<endOfText>\n<bot>Hello {0}.<endOfText>\n<human>Bye<endOfText>\n"
    "<bot>See you.<endOfText>\n\n<bot>Who is there?<endOfText>\n<human>Me<endOfText>\n\n"
)


@pytest.fixture
def loaded(tiny) -> LoadedModel:
    tokenizer = ByteTokenizer().with_special([*CHAT.tags, END_OF_TEXT])
    model = tiny(vocab_size=tokenizer.vocab_size, block_size=48)
    return LoadedModel(Path("x.pt"), model.config, model, tokenizer, CHAT, {})


@pytest.fixture
def chat_file() -> Path:
    Path("talk.txt").write_text("".join(TALK.format(i) for i in range(40)))
    return Path("talk.txt")


def test_a_file_and_its_tokens_have_the_same_exchanges(chat_file):
    prepare(PrepareOptions((str(chat_file),), Path("data/talk"), tokenizer="byte"))
    dataset = open_dataset(Path("data/talk"))
    of_file = file_exchanges(chat_file)
    assert len(of_file.documents) == 80  # two in each of 40; the last conversation has no reply
    assert of_file.read(0).context == (Turn("human", "Hi 0!"),)
    second = of_file.read(1)
    assert second.context == (
        Turn("human", "Hi 0!"), Turn("bot", "Hello 0."), Turn("human", "Bye"),
    )  # fmt: skip
    assert (second.reference, second.document) == ("See you.", 0)
    known = {(e.context, e.reference) for e in map(of_file.read, range(80))}
    found = token_exchanges(dataset.val, dataset.tokenizer, CHAT)
    held_out = [found.read(i) for i in range(len(found.documents))]
    assert held_out
    assert {(e.context, e.reference) for e in held_out} < known


def test_what_stands_in_front_of_a_conversation_is_in_its_prompts():
    text = "<context>A fair<endOfText>\n<emotion>joy<endOfText>\n" + TALK
    Path("fair.txt").write_text("".join(text.format(i) for i in range(40)))
    kept = {"with_context": True, "with_emotion": True}
    prepare(PrepareOptions(("fair.txt",), Path("data/fair"), tokenizer="byte", **kept))
    dataset = open_dataset(Path("data/fair"))
    front = (Turn("context", "A fair"), Turn("emotion", "joy"))
    for found in (
        token_exchanges(dataset.val, dataset.tokenizer, dataset.chat_format),
        file_exchanges(Path("fair.txt"), dataset.chat_format),
    ):
        first = found.read(0)
        assert first.context[:2] == front
        assert [turn.role for turn in first.context[2:]] == ["human"]
    assert file_exchanges(Path("fair.txt"), CHAT).read(0).context == (Turn("human", "Hi 0!"),)
    known = training_replies(dataset.train, dataset.tokenizer, dataset.chat_format)
    assert known(["See you.", "joy"]) == [True, False]


def test_each_conversation_gives_one_before_any_gives_another():
    chosen = Exchanges([0] * 50 + [1] * 50 + [2], lambda i: i).choose(4, seed=1)
    documents = [min(2, i // 50) for i in chosen]
    assert sorted(set(documents)) == [0, 1, 2]
    assert chosen == sorted(chosen)
    assert chosen == Exchanges([0] * 50 + [1] * 50 + [2], lambda i: i).choose(4, seed=1)
    assert Exchanges([0] * 5, lambda i: i).choose(99, seed=2) == [0, 1, 2, 3, 4]


def test_a_reply_is_that_of_the_chat_whatever_is_generated_beside_it(loaded, chat_file):
    exchanges = file_exchanges(chat_file).choose(12, seed=0)
    config = SampleConfig(seed=7, max_tokens=12, temperature=1.0)
    counted = []
    together = generate_replies(loaded, exchanges, config, counted.append)
    assert together == generate_replies(loaded, exchanges, config, batch_size=5)
    assert sum(counted) == 12
    for number in (0, 11):
        session = Session(
            loaded, SampleConfig(seed=7 + number, max_tokens=12, temperature=1.0),
            list(exchanges[number].context[:-1]),
        )  # fmt: skip
        "".join(session.reply(exchanges[number].context[-1].text))
        assert together[number].reply == session.last.text
        assert together[number].ended == (session.last.stop_reason == "stop")
        assert together[number].tokens == session.last.tokens


def test_a_model_of_text_does_not_reply(loaded, chat_file):
    exchanges = file_exchanges(chat_file).choose(2, seed=0)
    plain = LoadedModel(Path("x.pt"), loaded.config, loaded.model, loaded.tokenizer, None, {})
    with pytest.raises(NotApplicable, match="continues text"):
        generate_replies(plain, exchanges, SampleConfig())


def test_only_whole_training_replies_are_copies(loaded):
    tokenizer = loaded.tokenizer
    special = tokenizer.special_tokens
    ids = []
    for tag, text in ((CHAT.human, "Yes it is"), (CHAT.bot, "No."), (CHAT.bot, "Yes. And no.")):
        ids += [special[tag], *tokenizer.encode(text), special[CHAT.end]]
    stands = training_replies(np.array(ids, dtype=np.uint16), tokenizer, CHAT)
    texts = ["No.", "Yes. And no.", "Yes.", "Yes it is", "no.", ""]
    assert stands(texts) == [True, True, False, False, False, False]


@pytest.mark.parametrize("whole", [True, False])
def test_the_likeliest_label_is_the_one_with_the_least_loss(loaded, whole):
    labels = ["good", "bad", "so so"]
    texts = [
        Labelled((Turn("human", text),), labels[i % 3])
        for i, text in enumerate(("I won", "It rains", "Well", "x"))
    ]
    found = rank_labels(loaded, texts, whole)
    assert found.labels == ("bad", "good", "so so")
    assert found.truth == [1, 0, 2, 1]
    special, encode = loaded.tokenizer.special_tokens, loaded.tokenizer.encode
    for text, chosen in zip(texts, found.chosen, strict=True):
        said = encode(text.context[0].text)
        prompt = [special[CHAT.human], *said, special[CHAT.end], special[CHAT.bot]]
        losses = []
        for label in found.labels:
            ids = encode(label) + ([special[CHAT.end]] if whole else [])
            logits = loaded.model(torch.tensor([[*prompt, *ids]]))[0, len(prompt) - 1 : -1]
            loss = F.cross_entropy(logits.detach(), torch.tensor(ids), reduction="sum")
            losses.append(float(loss))
        assert chosen == losses.index(min(losses))


def test_tags_of_emotion_are_found_in_the_replies():
    Path("t.txt").write_text(
        "".join(
            f"<human>Hm {i}<endOfText>\n<bot>[{('joy', 'fear')[i % 2]}] Oh.<endOfText>\n\n"
            for i in range(6)
        )
    )
    found = tagged(file_exchanges(Path("t.txt")).choose(6, 0))
    assert {text.label for text in found} == {"[joy]", "[fear]"}
    with pytest.raises(NotApplicable, match="no emotion tags"):
        tagged([])
