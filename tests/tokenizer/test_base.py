"""What every kind of tokenizer promises."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nanogpt_cli.tokenizer.load import (
    ByteTokenizer,
    CharTokenizer,
    Tokenizer,
    default_gpt2,
    from_dict,
    train_bpe,
)

TEXTS_TO_LEARN = [
    "the cat sat on the mat and the hat ",
    "Zwölf Boxkämpfer jagen Viktor 123 456\n",
] * 20
GPT2 = default_gpt2()
BPE = train_bpe(TEXTS_TO_LEARN, 300, ["<|endoftext|>"])
BYTE = ByteTokenizer()
CHAR = CharTokenizer("abc é\n")
ALL = pytest.mark.parametrize("tokenizer", [GPT2, BPE, BYTE, CHAR], ids=lambda t: t.name)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60) | st.text(
    " \n\ta'1é中.", max_size=60
)


@settings(max_examples=150, deadline=None)
@given(text=TEXTS)
@pytest.mark.parametrize("tokenizer", [GPT2, BPE, BYTE], ids=lambda t: t.name)
def test_decode_undoes_encode(tokenizer: Tokenizer, text: str) -> None:
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert b"".join(map(tokenizer.token_bytes, ids)) == text.encode()
    assert tokenizer.unknown(text) == []


@ALL
@pytest.mark.parametrize("special", [(), ("<|endoftext|>", "<human>")])
def test_a_description_in_json_gives_the_same_tokenizer(
    tokenizer: Tokenizer, special: tuple[str, ...]
) -> None:
    tokenizer = tokenizer.with_special(special)
    again = from_dict(json.loads(json.dumps(tokenizer.to_dict())))
    text = "".join(TEXTS_TO_LEARN) + "abc é\n"
    assert again.encode(text) == tokenizer.encode(text)
    assert (again.name, again.vocab_size) == (tokenizer.name, tokenizer.vocab_size)
    assert again.special_tokens == tokenizer.special_tokens
    assert again.to_dict() == tokenizer.to_dict()


@ALL
def test_special_tokens_come_last_and_text_never_becomes_one(tokenizer: Tokenizer) -> None:
    more = tokenizer.with_special(["<human>", "<bot>", "<human>"])
    assert more.special_tokens["<human>"] == tokenizer.vocab_size
    assert more.special_tokens["<bot>"] == tokenizer.vocab_size + 1 == more.vocab_size - 1
    text = "a<human>b<|endoftext|>c"
    assert not set(more.encode(text)) & set(more.special_tokens.values())
    assert more.encode(text) == tokenizer.encode(text)
    assert more.decode([more.special_tokens["<bot>"]]) == "<bot>"


def test_ids_without_a_token_and_broken_characters_are_no_crash() -> None:
    assert GPT2.decode([15496, 60_000, 995]) == "Hello world"
    assert BYTE.decode([195]) == "\ufffd"
    assert GPT2.decode(GPT2.encode("a\ud800b")) == "a\ufffdb"
    assert BYTE.decode(BYTE.encode("a\ud800b")) == "a\ufffdb"


@ALL
def test_only_a_closed_vocabulary_has_unknown_characters(tokenizer: Tokenizer) -> None:
    assert tokenizer.open_vocabulary == (tokenizer.unknown("x中") == [])
