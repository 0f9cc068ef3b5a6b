"""Only whole text is shown, and never a part of a stop string."""

from hypothesis import given
from hypothesis import strategies as st

from nanogpt_cli.inference.text_stream import TextStream
from nanogpt_cli.tokenizer.load import from_dict

BYTES = from_dict({"kind": "byte", "special_tokens": {"<endOfText>": 256}})


@given(st.text())
def test_text_streams_whole_characters_only(text):
    stream = TextStream(BYTES, {256})
    pieces = [stream.push(token) for token in text.encode()]
    assert all("\ufffd" not in piece or "\ufffd" in text for piece in pieces)
    assert "".join(pieces) == text
    assert stream.push(256) == ""
    assert stream.stopped


@given(st.text(alphabet="ab<>", max_size=12), st.text(alphabet="ab<>", max_size=6))
def test_what_may_begin_a_stop_string_waits(before, after):
    stop = "<ab>"
    stream = TextStream(BYTES, set(), (stop,))
    shown = ""
    for token in (before + stop + after).encode():
        shown += stream.push(token)
        assert (before + stop).split(stop)[0].startswith(shown)
        if stream.stopped:
            break
    assert stream.stopped
    assert shown == (before + stop + after).split(stop)[0]


def test_held_back_text_comes_at_the_end():
    stream = TextStream(BYTES, set(), ("<end>",))
    assert "".join(stream.push(t) for t in b"a <en") == "a "
    assert stream.finish() == "<en"
    assert not stream.stopped
