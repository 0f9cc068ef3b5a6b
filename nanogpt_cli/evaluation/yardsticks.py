"""What a model is measured against on the same text.

Each yardstick has read the training text, and says how many bits it needs for each byte of the text
that models are evaluated on. A yardstick is one function and one line in ``YARDSTICKS``. This
module knows no model, only the tokens that models predict.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from nanogpt_cli.data.store import Tokens
from nanogpt_cli.evaluation.compressors import ppmd_bits, ppmd_window_bits, xz_bits
from nanogpt_cli.evaluation.loss import evaluation_windows, token_byte_counts, window_length
from nanogpt_cli.evaluation.ngrams import KneserNey
from nanogpt_cli.evaluation.progress import Working, silent
from nanogpt_cli.evaluation.token_bytes import TokenBytes
from nanogpt_cli.text import byte_size, counted
from nanogpt_cli.tokenizer.load import Tokenizer

ORDER = 5
"""Of the n-grams."""
NGRAM_TOKENS = 20_000_000
"""Tokens that n-grams learn from at most, the last ones; about 2 GB of memory."""
COMPRESSED_BYTES = 16 << 20
"""Bytes of training text that compressors read at most, the last ones."""
FEWEST_BYTES = 200
"""Of a text on which a compressor is measured: it writes whole bytes, and xz four at a time."""
PPMD_WINDOWS = 512
"""Windows that PPMd reads from the same state, spread evenly where there are more."""
INSTALL = "not installed: pip install 'nanogpt-cli[eval]'"


@dataclass(frozen=True)
class Yardstick:
    """What one yardstick needs for the text."""

    name: str
    means: str
    """A sentence for the reader."""
    bits_per_byte: float | None
    """None where it cannot be computed."""
    reason: str | None = None
    """Why it is absent."""
    compressor: bool = False
    """Whether it is a program that compresses any text."""
    adapts: bool = False
    """Whether it learns from the text that it is measured on, which a model does not."""

    def to_dict(self) -> dict[str, Any]:
        """Return it in JSON's types; a value that is absent has a ``reason`` in its place."""
        value = {"bits_per_byte": self.bits_per_byte} if self.reason is None else {}
        reason = {} if self.reason is None else {"reason": self.reason}
        return {"name": self.name, **value, **reason, "means": self.means}


@dataclass(frozen=True)
class Material:
    """What the yardsticks read and what they are measured on."""

    train: Tokens | None
    """The training text; None where it is not known."""
    text: Tokens
    """What models are evaluated on."""
    tokenizer: Tokenizer
    vocab_size: int
    block_size: int
    """Of the model whose windows are counted."""

    @cached_property
    def window(self) -> int:
        """T, the length of the windows of the evaluation."""
        return window_length(self.text, self.block_size)

    @cached_property
    def evaluated(self) -> Tokens:
        """The tokens of all windows, the first of which is not predicted but only read."""
        return self.text[: 1 + len(evaluation_windows(self.text, self.block_size)) * self.window]

    @cached_property
    def text_bytes(self) -> int:
        """UTF-8 bytes of what is predicted, special tokens left out."""
        counts = token_byte_counts(self.tokenizer, self.vocab_size)
        return int(counts[self.evaluated[1:]].sum())

    @cached_property
    def rendered(self) -> TokenBytes:
        """Tokens as bytes, special tokens included."""
        return TokenBytes(self.tokenizer, self.vocab_size)

    @cached_property
    def train_bytes(self) -> bytes:
        """The end of the training text, as much of it as compressors read."""
        assert self.train is not None
        # almost every token has a byte at least, so that this is enough of them
        return self.rendered.render(self.train[-COMPRESSED_BYTES:])[-COMPRESSED_BYTES:].tobytes()


@dataclass(frozen=True)
class _Kind:
    """How a yardstick is computed: the bits that it needs, or the reason why it cannot say."""

    means: str
    bits: Callable[[Material], float | str]
    reads: str | None = "tokens"
    """What of the training text: tokens, bytes, or None where nothing."""
    adapts: bool = False


def _uniform(material: Material) -> float:
    return (len(material.evaluated) - 1) * math.log2(material.vocab_size)


def _ngram(material: Material, order: int) -> float:
    assert material.train is not None
    model = KneserNey(material.train[-NGRAM_TOKENS:], material.vocab_size, order)
    chances = model.probabilities(material.evaluated)[1:]
    return float(-np.log2(chances).sum())


def _xz(material: Material) -> float:
    return xz_bits(material.train_bytes, material.rendered.render(material.evaluated[1:]).tobytes())


def _ppmd(material: Material) -> float | str:
    text = material.rendered.render(material.evaluated[1:]).tobytes()
    try:
        return ppmd_bits(material.train_bytes, text)
    except ImportError:
        return f"pyppmd is {INSTALL}"


def _ppmd_windows(material: Material) -> float | str:
    """Return the bits of all windows, estimated from some of them where there are many."""
    T = material.window
    count = (len(material.evaluated) - 1) // T
    chosen = np.unique(np.linspace(0, count - 1, min(count, PPMD_WINDOWS)).astype(int)) * T + 1
    tokens = [material.evaluated[at : at + T] for at in chosen]
    windows = [material.rendered.render(window).tobytes() for window in tokens]
    try:
        bits = ppmd_window_bits(material.train_bytes, windows)
    except ImportError:
        return f"pyppmd is {INSTALL}"
    if bits is None:
        return "this system cannot copy a process (fork)"
    whole = material.rendered.size(material.evaluated[1:])
    return sum(bits) / max(1, sum(map(len, windows))) * whole


YARDSTICKS: dict[str, _Kind] = {
    "uniform": _Kind("every token is as likely as any other", _uniform, None),
    "unigram": _Kind(
        "how often each token occurs, whatever stands before it", lambda m: _ngram(m, 1)
    ),
    "5-gram": _Kind(
        "what followed the same four tokens, or fewer of them (modified Kneser-Ney)",
        lambda m: _ngram(m, ORDER),
    ),
    "xz": _Kind(
        "xz -9e, a compressor that finds repeated strings, also in this text", _xz, "bytes"
    ),
    "ppmd": _Kind(
        "PPMd of order 6, a compressor that predicts each byte, and does not learn from this text",
        _ppmd_windows,
        "bytes",
    ),
    "ppmd adaptive": _Kind(
        "PPMd that also learns from this text as it goes on, which a model does not",
        _ppmd,
        "bytes",
        True,
    ),
}
"""All yardsticks, from the weakest to the strongest as a rule."""


def measure_yardsticks(material: Material, working: Working = silent) -> list[Yardstick]:
    """Return what each yardstick needs for the text; ``working`` is told their names.

    Raises DataError where the text has fewer than two tokens.
    """
    found = []
    for number, (name, kind) in enumerate(YARDSTICKS.items()):
        working(name, number, len(YARDSTICKS))
        found.append(_measure(name, kind, material))
    return found


def _measure(name: str, kind: _Kind, material: Material) -> Yardstick:
    means = kind.means + _shortened(kind, material)
    if kind.reads is not None and material.train is None:
        result: float | str = "the training text is not known"
    elif not material.text_bytes:
        result = "a text of special tokens alone has no bytes"
    elif kind.reads == "bytes" and material.text_bytes < FEWEST_BYTES:
        result = f"the text has fewer than {FEWEST_BYTES} bytes"
    else:
        result = kind.bits(material)
    if isinstance(result, str):
        value, reason = None, result
    else:
        value, reason = result / material.text_bytes, None
    return Yardstick(name, means, value, reason, kind.reads == "bytes", kind.adapts)


def _shortened(kind: _Kind, material: Material) -> str:
    """Say where a yardstick has not read all of the training text."""
    train = material.train
    if train is None or kind.reads is None:
        return ""
    if kind.reads == "tokens":
        cut = len(train) > NGRAM_TOKENS
        return f"; of the last {counted(NGRAM_TOKENS, 'token')} of the training text" * cut
    cut = len(material.train_bytes) >= COMPRESSED_BYTES
    return f"; it has read the last {byte_size(COMPRESSED_BYTES)} of the training text" * cut


def verdict(bits_per_byte: float | None, yardsticks: list[Yardstick]) -> str | None:
    """Say whether a model is better than a compressor that has read the same text.

    Where one was measured that does not learn from what it is evaluated on, as a model does not,
    only such are compared. None where there is nothing to compare.
    """
    found = [y for y in yardsticks if y.compressor and y.bits_per_byte is not None]
    fair = [y for y in found if not y.adapts] or found
    known = {y.name: y.bits_per_byte for y in fair if y.bits_per_byte is not None}
    if bits_per_byte is None or not known:
        return None
    best = min(known, key=known.__getitem__)
    better = "better" if bits_per_byte < known[best] else "not better"
    return (
        f"{better} than a compressor that has read the same text: {bits_per_byte:.3f} bits per "
        f"byte, {best} {known[best]:.3f}"
    )
