"""Files of ranks, as tiktoken has them: a token in base64 and its id on each line.

They say neither how text is cut into words nor which tokens are special; for those that OpenAI
publishes, the file's name does. This module does not open files.
"""

from collections.abc import Mapping

from nanogpt_cli.errors import DataError
from nanogpt_cli.tokenizer.base import END_OF_TEXT, MAX_VOCAB, Tokenizer, corrupt
from nanogpt_cli.tokenizer.bpe import checked_tokens, named_bpe
from nanogpt_cli.tokenizer.patterns import NAMED, PATTERNS

_PUBLIC: Mapping[str, tuple[str, int, Mapping[str, int]]] = {
    "r50k_base": ("gpt2", 50256, {END_OF_TEXT: 50256}),
    "p50k_base": ("gpt2", 50280, {END_OF_TEXT: 50256}),
    "cl100k_base": (
        "cl100k_base",
        100256,
        {
            END_OF_TEXT: 100257,
            "<|fim_prefix|>": 100258,
            "<|fim_middle|>": 100259,
            "<|fim_suffix|>": 100260,
            "<|endofprompt|>": 100276,
        },
    ),
    "o200k_base": ("o200k_base", 199998, {END_OF_TEXT: 199999, "<|endofprompt|>": 200018}),
}
"""The published files: pattern, number of tokens, and special tokens, from tiktoken's sources."""


def looks_like_ranks(data: bytes) -> bool:
    """Whether a file begins with a token in base64 and a number."""
    token, _, number = data[:1024].partition(b"\n")[0].strip().partition(b" ")
    return bool(token) and number.isdigit()


def read_ranks(data: bytes, name: str, pattern: str = "") -> Tokenizer:
    """Return the tokenizer of a file of ranks that is called ``name``, without its suffix.

    ``pattern`` is a name in ``NAMED``. Raises DataError for a corrupt file, and for one whose
    pattern is not known.
    """
    tokens, ids = _tokens(data)
    public, count, special = _PUBLIC.get(name, ("", 0, {}))
    if not pattern and len(tokens) == count:
        return named_bpe(name, tokens, PATTERNS[public], special, ids)
    if not pattern:
        raise DataError(
            "a file of ranks does not say how text is cut into words before it is merged",
            f"add it: --tokenizer FILE:PATTERN, where PATTERN is one of {', '.join(NAMED)}",
        )
    return named_bpe(name, tokens, PATTERNS[NAMED[pattern]], {}, ids)


def _tokens(data: bytes) -> tuple[list[bytes], list[int]]:
    """Return the tokens of a file in the order of their ids, and these."""
    lines = data.split(b"\n", MAX_VOCAB)
    pairs = [line.split() for line in lines if line.strip()]
    if any(len(pair) != 2 or not pair[1].isdigit() or len(pair[1]) > 9 for pair in pairs):
        raise corrupt("a line of its ranks is not a token in base64 and a number")
    ranked = sorted((int(number), token) for token, number in pairs)
    ids = [i for i, _ in ranked]
    if len(set(ids)) != len(ids) or (ids and ids[-1] >= MAX_VOCAB):
        raise corrupt("its ranks are not ids")
    return checked_tokens(token for _, token in ranked), ids
