"""tokenizer.json of Hugging Face's tokenizers: byte-level BPE, as GPT-2, GPT-4 and Llama 3 have it.

What it does otherwise (normalisation, other models, words that are tokens whatever is around them)
would give other ids than the original, and is refused. This module does not open files.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from nanogpt_cli.errors import DataError
from nanogpt_cli.text import shortened
from nanogpt_cli.tokenizer.base import MAX_VOCAB, Tokenizer, check_special, corrupt
from nanogpt_cli.tokenizer.bpe import named_bpe
from nanogpt_cli.tokenizer.byte_alphabet import byte_alphabet
from nanogpt_cli.tokenizer.patterns import PATTERNS, known_pattern

_HINT = (
    "nanogpt reads byte-level BPE as in GPT-2, GPT-4, Llama 3 or SmolLM; "
    "bpe:N learns a tokenizer from your text"
)
_MOST_LOOKUPS = 50_000_000
"""Pairs that are looked up to see how tokens come about: some seconds."""

_PLAIN = {
    "dropout": (None, 0, 0.0),
    "continuing_subword_prefix": (None, ""),
    "end_of_word_suffix": (None, ""),
    "byte_fallback": (None, False),
}
"""Settings of a BPE that would change what it does, and those values that do not."""


def is_tokenizer_json(content: object) -> bool:
    """Whether a JSON document is a tokenizer.json."""
    return isinstance(content, dict) and "model" in content and "added_tokens" in content


def read_tokenizer_json(content: Mapping[str, Any], name: str) -> Tokenizer:
    """Return the tokenizer of a tokenizer.json, under this name; ids are the original's.

    Raises DataError for a corrupt one, and for one that works in another way.
    """
    model, pre = content.get("model"), content.get("pre_tokenizer")
    if not isinstance(model, dict):
        raise corrupt("its model is not an object")
    if model.get("type", "BPE") != "BPE":
        raise _refused(f"is a {shortened(model.get('type'), 40)} model, not byte-level BPE")
    if content.get("normalizer") is not None:
        raise _refused("changes the text before it is encoded (normalizer)")
    for setting, values in _PLAIN.items():
        if model.get(setting) not in values:
            raise _refused(f"has a {setting}")
    pattern = _pattern(pre, cuts_matter=bool(model.get("merges", True)))
    special = check_special(_special(content.get("added_tokens")))
    vocabulary = _vocabulary(model.get("vocab"), special)
    order = _in_order(vocabulary, _merges(model.get("merges")))
    byte = byte_alphabet()
    tokens = [b"".join(byte[c] for c in token) for token in order]
    return named_bpe(name, tokens, pattern, special, [vocabulary[token] for token in order])


def _refused(what: str) -> DataError:
    return DataError(f"this tokenizer {what}", _HINT)


def _pattern(pre: object, cuts_matter: bool) -> str:
    """Return the pattern that cuts text as the pre-tokenizer does; any where nothing merges."""
    if not isinstance(pre, dict):
        raise _refused("does not cut text into words (pre_tokenizer)")
    steps = pre.get("pretokenizers") if pre.get("type") == "Sequence" else [pre]
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        raise corrupt("its pre_tokenizer is not a list of steps")
    kinds = [str(step.get("type"))[:40] for step in steps]
    last = steps[-1] if steps else {}
    if last.get("type") != "ByteLevel" or last.get("add_prefix_space", True) is not False:
        raise _refused(f"has a pre_tokenizer {', '.join(kinds)}, not ByteLevel without a prefix")
    gpt2, before = last.get("use_regex", True), steps[:-1]
    if not before and (gpt2 or not cuts_matter):
        return PATTERNS["gpt2"]
    if gpt2 and before == [{"type": "Digits", "individual_digits": True}]:
        return PATTERNS["digits"]
    if not gpt2 and kinds == ["Split", "ByteLevel"] and (found := _split(before[0])):
        return found
    raise _refused(f"cuts text into words in a way that is not known ({', '.join(kinds)})")


def _split(step: Mapping[str, Any]) -> str | None:
    """Return the pattern of a step that makes a word of each match; None where it is not known."""
    pattern, how = step.get("pattern"), (step.get("behavior"), step.get("invert"))
    if not isinstance(pattern, dict) or how not in (("Isolated", False), ("Removed", True)):
        return None
    return known_pattern(pattern.get("Regex"))


def _special(added: object) -> dict[str, int]:
    """Return the added tokens, of which all have to be tags."""
    if not isinstance(added, list) or not all(isinstance(token, dict) for token in added):
        raise corrupt("its added_tokens are not a list of tokens")
    special: dict[str, int] = {}
    for token in added:
        tag = token.get("content")
        if not isinstance(tag, str) or not tag or tag in special:
            raise corrupt("its added_tokens are not texts")
        if token.get("special") is not True and tag[0] + tag[-1] not in ("<>", "[]"):
            raise _refused(f"takes {shortened(repr(tag), 40)} out of text before all else")
        special[tag] = token.get("id")  # checked after this
    return special


def _vocabulary(vocab: object, special: Mapping[str, int]) -> dict[str, int]:
    """Return the ids of ordinary tokens, which are written in the alphabet of bytes."""
    if not isinstance(vocab, dict) or not 256 <= len(vocab) <= MAX_VOCAB:
        raise corrupt("its vocab is not one of bytes and more")
    ordinary = {token: i for token, i in vocab.items() if token not in special}
    for i in ordinary.values():
        if type(i) is not int or not 0 <= i < MAX_VOCAB:
            raise corrupt("an id of its vocab is not an id")
    if len(set(ordinary.values())) != len(ordinary):
        raise corrupt("two tokens have the same id")
    alphabet = set(byte_alphabet())
    if not all(token and alphabet.issuperset(token) for token in ordinary):
        raise _refused("has tokens that are not made of bytes")
    if not alphabet.issubset(ordinary):
        raise _refused("lacks tokens for some bytes")
    return ordinary


def _merges(merges: object) -> dict[tuple[str, str], int]:
    """Return the place of each pair in the list of merges."""
    if not isinstance(merges, list) or len(merges) > 16 * MAX_VOCAB:
        raise corrupt("its merges are not a list")
    places: dict[tuple[str, str], int] = {}
    for place, merge in enumerate(merges):
        pair = merge.split(" ") if isinstance(merge, str) else merge
        if not isinstance(pair, list) or len(pair) != 2 or not all(type(p) is str for p in pair):
            raise corrupt("a merge is not a pair of tokens")
        places.setdefault((pair[0], pair[1]), place)
    return places


def _in_order(vocabulary: Mapping[str, int], merges: Mapping[tuple[str, str], int]) -> list[str]:
    """Return the tokens in the order in which their merges are made, the bytes first.

    A token that its own bytes merge to comes about in no other way: two tokens that make it up
    stand side by side in a text only where they do so in these bytes alone. So the place of its
    last merge is its rank, and ids are those of the original.
    """
    ranked: list[tuple[int, str]] = []
    lookups = 0
    for token in vocabulary:
        if len(token) == 1:
            continue
        lookups += len(token) ** 2 // 2
        if lookups > _MOST_LOOKUPS:
            raise _refused("has tokens that are too long")
        place = _last_merge(token, merges)
        if place is None:
            raise _refused(f"has a token that no merges lead to: {shortened(repr(token), 40)}")
        ranked.append((place, token))
    return [*byte_alphabet(), *(token for _, token in sorted(ranked))]


def _last_merge(token: str, merges: Mapping[tuple[str, str], int]) -> int | None:
    """Return the place of the merge that makes a token of its bytes; None where none does."""
    parts, place = list(token), None
    while len(parts) > 1:
        places = [merges.get((left, right)) for left, right in pairwise(parts)]
        place = min((found for found in places if found is not None), default=None)
        if place is None:
            return None
        at = places.index(place)
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return place
