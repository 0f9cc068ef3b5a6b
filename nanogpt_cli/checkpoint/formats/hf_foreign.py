"""The tokenizer.json of a model from elsewhere, where it is one that this program has.

That is byte pair encoding over bytes, whose ordinary tokens come first in the order of their
merges, and a pattern that is known here: an untrusted regular expression can hang the program.
"""

import base64
import json
from typing import Any

from nanogpt_cli.checkpoint.formats.hf_tokenizer import ONIGURUMA, printable_bytes
from nanogpt_cli.tokenizer.bpe import PATTERNS


def read_tokenizer(text: bytes) -> dict[str, Any]:
    """Return the description of a tokenizer for ``tokenizer.load.from_dict``, which checks it.

    Raises ValueError with the reason where it is of another kind.
    """
    try:
        found = json.loads(text)
    except RecursionError as error:
        raise ValueError("tokenizer.json is nested too deeply") from error
    model = found.get("model") if isinstance(found, dict) else None
    model = model if isinstance(model, dict) else {}
    vocabulary = model.get("vocab")
    if not isinstance(vocabulary, dict) or model.get("type", "BPE") != "BPE":
        raise ValueError("it is not byte pair encoding")
    if not all(type(i) is int for i in vocabulary.values()):
        raise ValueError("its ids are not numbers")
    added = found.get("added_tokens") or []
    if not isinstance(added, list) or not all(isinstance(entry, dict) for entry in added):
        raise ValueError("its added tokens are not a list")
    special = {entry.get("content"): entry.get("id") for entry in added}
    ordinary = sorted((i, t) for t, i in vocabulary.items() if t not in special)
    if [i for i, _ in ordinary] != list(range(len(ordinary))):
        raise ValueError("its ordinary tokens do not come first")
    byte = {shown: value for value, shown in printable_bytes().items()}
    try:
        tokens = [bytes(byte[c] for c in token) for _, token in ordinary]
    except KeyError as error:
        raise ValueError("its tokens are not bytes") from error
    return {
        "kind": "bpe",
        "name": f"bpe:{len(tokens)}",
        "pattern": _pattern(found),
        "ranks": " ".join(base64.b64encode(token).decode() for token in tokens),
        "special_tokens": special,
    }


def _pattern(found: dict[str, Any]) -> str:
    """Return the pattern that cuts a text into words. Raises ValueError for an unknown one."""
    before = found.get("pre_tokenizer")
    steps = before.get("pretokenizers", [before]) if isinstance(before, dict) else []
    steps = [step for step in steps if isinstance(step, dict)] if isinstance(steps, list) else []
    if found.get("normalizer") is None:
        for step in steps:
            written = step.get("pattern")
            regex = written.get("Regex") if isinstance(written, dict) else None
            for ours, theirs in ONIGURUMA.items():
                if step.get("type") == "Split" and regex == theirs:
                    return ours
        if [step.get("type") for step in steps] == ["ByteLevel"] and not steps[0].get(
            "add_prefix_space"
        ):
            return PATTERNS["gpt2"]
    raise ValueError("it cuts text into words in a way that is not known here")
