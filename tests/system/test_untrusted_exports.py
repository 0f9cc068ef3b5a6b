"""Mutated exports of every format, and folders of transformers, end in one error or an answer."""

import json
import random
from pathlib import Path

import pytest
from exported import checkpoint, tokenizers
from small_files import well_behaved

from nanogpt_cli.checkpoint.export import export

VALUES = (
    None, True, -1, 0, 2**63, 10**400, 1e308, float("nan"), "", "x", "\x1b[31m", "[/red]", "\ud800",
    "y" * 70_000, [], {}, [1, 2], {"a": [None]}, "gpt2", "BPE", "char", "rope",
)  # fmt: skip
BYTES = (b"\xff" * 8, b"\0" * 8, b"\x1b[31m", b"9" * 5000, b"[" * 3000, b"-1", b"null", b'"', b"<")
BEFORE = ("chat {} -p to --max-tokens 2", "info {}", "info {} --json")
INFO = ("info {}", "info {} --json")
PLACES = {
    "neox/config.json": ("neox", BEFORE),
    "neox/nanogpt.json": ("neox", BEFORE),
    "own/config.json": ("own", BEFORE),
    "foreign/tokenizer.json": ("foreign", BEFORE),
    "foreign/config.json": ("foreign", BEFORE),
    "a.safetensors": ("a.safetensors", BEFORE),
    "a.gguf": ("a.gguf", INFO),
    "a.html": ("a.html", INFO),
}
"""A file that is changed, what is read, and how."""


def write_all(tiny):
    """Export small models in every format."""
    bpe = tokenizers()["bpe"]
    checkpoint(tiny, pos_embd="rope", tokenizer=bpe, vocab_size=320)
    for to, out in (("hf", "neox"), ("hf", "foreign"), ("safetensors", None), ("gguf", None)):
        export(Path("a.pt"), to, None if out is None else Path(out))
    Path("foreign/nanogpt.json").unlink()
    export(Path("a.pt"), "html")
    checkpoint(tiny, Path("b.pt"), pos_embd="relative", tokenizer=bpe, vocab_size=320)
    export(Path("b.pt"), "hf", Path("own"))


def changed_tree(tree, rng):
    """Replace, remove or add something in nested JSON."""
    places = [(tree, key) for key in tree]
    for holder, key in places:
        inner = holder[key]
        if isinstance(inner, dict):
            places += [(inner, k) for k in list(inner)[:60]]
        elif isinstance(inner, list):
            places += [(inner, i) for i in range(min(len(inner), 20))]
    holder, key = rng.choice(places)
    if isinstance(holder, dict) and rng.random() < 0.3:
        del holder[key]
    else:
        holder[key] = rng.choice(VALUES)
    return json.dumps(tree).encode()


def mutated(data, path, rng):
    """Change a file's content, or its bytes: most of these where its structure is."""
    if path.suffix == ".json" and rng.random() < 0.7:
        return changed_tree(json.loads(data), rng)
    at = rng.randrange(min(len(data), 4000)) if rng.random() < 0.8 else rng.randrange(len(data))
    match rng.randrange(4):
        case 0:
            return data[:at]
        case 1:
            return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
        case 2:
            word = rng.choice(BYTES)
            return data[:at] + word + data[at + len(word) :]
    return data[:at] + rng.choice(BYTES) + data[at:]


def strike(tiny, nanogpt, count):
    write_all(tiny)
    rng = random.Random(0)
    for place, (read, commands) in PLACES.items():
        path = Path(place)
        sound = path.read_bytes()
        for command in commands:
            code = well_behaved(nanogpt(*command.format(read).split()), (0,))
            assert code == 0, place
        for number in range(count):
            path.write_bytes(mutated(sound, path, rng))
            command = commands[number % len(commands)]
            allowed = (0, 3, 4) if read != "foreign" else (0, 2, 3, 4)
            well_behaved(nanogpt(*command.format(read).split()), allowed)
        path.write_bytes(sound)


def test_mutated_exports(tiny, nanogpt):
    strike(tiny, nanogpt, 4)


@pytest.mark.long
def test_many_mutated_exports(tiny, nanogpt):
    strike(tiny, nanogpt, 200)
