"""Yardsticks are measured over the same text as models, and say what they have read."""

import math
import sys
from dataclasses import replace

import numpy as np
import pytest

from nanogpt_cli.data.store import open_dataset
from nanogpt_cli.evaluation import yardsticks
from nanogpt_cli.evaluation.compressors import ppmd_bits, ppmd_window_bits, xz_bits
from nanogpt_cli.evaluation.loss import evaluate_loss, token_byte_counts
from nanogpt_cli.evaluation.token_bytes import TokenBytes, special_codes
from nanogpt_cli.evaluation.yardsticks import Material, Yardstick, measure_yardsticks, verdict
from nanogpt_cli.tokenizer.load import from_dict

PROSE = b"".join(b"Speak, citizen number %d, speak!\n" % (i**3 % 9973) for i in range(300))
TAGGED = {"kind": "char", "characters": "aé€", "special_tokens": {"<human>": 3, "<bot>": 4}}


@pytest.fixture
def material(text_data, monkeypatch) -> Material:
    monkeypatch.setattr(yardsticks, "PPMD_WINDOWS", 3)  # each is a copy of this process
    data = open_dataset(text_data)
    return Material(data.train, data.val, data.tokenizer, data.vocab_size, 16)


def measured(material: Material) -> dict[str, Yardstick]:
    return {yardstick.name: yardstick for yardstick in measure_yardsticks(material)}


def test_each_is_over_the_tokens_that_a_model_predicts(material, tiny):
    model = tiny(vocab_size=material.vocab_size)
    counts = token_byte_counts(material.tokenizer, material.vocab_size)
    loss = evaluate_loss(model, material.text, counts)
    assert len(material.evaluated) - 1 == loss.tokens
    assert material.text_bytes == loss.text_bytes
    found = measured(material)
    assert found["uniform"].bits_per_byte == pytest.approx(math.log2(material.vocab_size))
    assert found["unigram"].bits_per_byte < found["uniform"].bits_per_byte
    # the text repeats what was read
    for name in ("5-gram", "xz", "ppmd", "ppmd adaptive"):
        assert found[name].bits_per_byte < found["unigram"].bits_per_byte / 2


def test_without_the_training_text_only_uniform_is_measured(material):
    found = measured(replace(material, train=None))
    assert [name for name, y in found.items() if y.reason is None] == ["uniform"]
    content = found["xz"].to_dict()
    assert "bits_per_byte" not in content
    assert content["reason"] == "the training text is not known"


def test_a_compressor_is_not_measured_on_a_few_bytes(material):
    found = measured(replace(material, text=material.text[:100]))
    assert found["xz"].reason == "the text has fewer than 200 bytes"
    assert found["5-gram"].bits_per_byte is not None


def test_without_the_extra_ppmd_says_what_to_install(material, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyppmd", None)
    found = measured(material)
    assert "pip install 'nanogpt-cli[eval]'" in found["ppmd"].reason
    assert found["xz"].bits_per_byte is not None


def test_what_was_left_out_of_the_training_text_is_said(material, monkeypatch):
    monkeypatch.setattr(yardsticks, "NGRAM_TOKENS", 1000)
    monkeypatch.setattr(yardsticks, "COMPRESSED_BYTES", 500)
    found = measured(material)
    assert "last 1,000 tokens of the training text" in found["5-gram"].means
    assert "last 500 bytes of the training text" in found["xz"].means
    assert len(material.train_bytes) == 500


def test_what_a_compressor_has_read_helps_it():
    before, text = PROSE[:-400], PROSE[-400:]
    for bits in (xz_bits, ppmd_bits):
        assert 0 < bits(before, text) < bits(b"", text) * 0.7


def test_windows_of_ppmd_do_not_help_each_other():
    before, window = PROSE[:2000], bytes(range(97, 123)) * 4
    one, two, three = ppmd_window_bits(before, [window] * 3)
    assert one == two == three > 100
    # reading the same twice in a row costs little the second time
    assert ppmd_bits(before, window * 2) < 1.5 * one
    assert ppmd_bits(before, window) == pytest.approx(one, abs=8)


def test_a_system_without_fork_has_no_windows(monkeypatch):
    monkeypatch.delattr("os.fork")
    assert ppmd_window_bits(b"a", [b"b"]) is None


def test_special_tokens_are_bytes_that_no_text_has():
    tokenizer = from_dict(TAGGED)
    rendered = TokenBytes(tokenizer, 8)  # a vocabulary padded for speed
    tokens = np.array([3, 0, 1, 4, 2, 7], dtype=np.uint16)
    expected = b"\xf8a" + "é".encode() + b"\xf9" + "€".encode()
    assert rendered.render(tokens).tobytes() == expected
    assert rendered.size(tokens) == len(expected) == rendered.lengths(tokens).sum()
    codes = [special_codes(number) for number in range(300)]
    assert len(set(codes)) == 300
    assert not any(code[:1] <= b"\xf7" for code in codes)


def test_the_verdict_is_about_a_compressor_that_does_not_learn_from_the_text():
    def of(**values: float) -> list[Yardstick]:
        adapts = {"adaptive"}
        return [
            Yardstick(name, "", bits, None, name != "ngram", name in adapts)
            for name, bits in values.items()
        ]

    assert verdict(2.1, of(ngram=1.0, ppmd=2.2, adaptive=2.0)).startswith(
        "better than a compressor"
    )
    assert verdict(2.3, of(ppmd=2.2, adaptive=2.0)).startswith("not better")
    assert verdict(2.1, of(adaptive=2.0)).startswith("not better")  # nothing else was measured
    assert verdict(2.1, of(ngram=1.0)) is None
    assert verdict(None, of(ppmd=2.2)) is None
