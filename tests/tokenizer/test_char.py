"""Characters and bytes."""

from nanogpt_cli.tokenizer.load import ByteTokenizer, CharTokenizer, train_char


def test_char_is_nanogpts_order_and_leaves_unknown_characters_out() -> None:
    tokenizer = train_char(["hello", " world"])
    assert tokenizer.to_dict()["characters"] == " dehlorw"
    assert tokenizer.decode(tokenizer.encode("hxello!x")) == "hello"
    assert tokenizer.unknown("hxello!x") == ["x", "!"]


def test_golden_ids() -> None:
    assert CharTokenizer("abc é\n").encode("é a") == [4, 3, 0]
    assert ByteTokenizer().encode("é") == [195, 169]
