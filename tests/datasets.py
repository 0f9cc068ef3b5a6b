"""Small texts, and datasets prepared of them: what the tests of nanogpt_cli/data share."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from nanogpt_cli.data.prepare import PrepareOptions, PrepareResult, prepare
from nanogpt_cli.tokenizer.load import Tokenizer, from_dict

PROSE = (
    "First Citizen:\nBefore we proceed any further, hear me speak.\n\nAll:\nSpeak, speak.\n" * 50
)
CHAT = (
    "<human>How are you?<endOfText>\n<bot>Fine.<endOfText>\n\n"
    "<human>And now?<endOfText>\n<bot>Still fine.<endOfText>\n\n"
) * 20
OUT = Path("data/out")


def run(*inputs: str, **settings: Any) -> PrepareResult:
    """Prepare the dataset OUT."""
    return prepare(PrepareOptions(inputs, OUT, **settings))


def meta() -> dict[str, Any]:
    """Return meta.json of OUT."""
    content = json.loads((OUT / "meta.json").read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


def tokenizer() -> Tokenizer:
    """Return the tokenizer of OUT."""
    return from_dict(meta()["tokenizer"])


def ids(split: str) -> list[int]:
    """Return the tokens of a split of OUT."""
    return np.fromfile(OUT / f"{split}.bin", dtype=meta()["dtype"]).tolist()


def text(split: str) -> str:
    """Return the text of a split of OUT, special tokens as their tags."""
    return tokenizer().decode(ids(split))


def documents(split: str) -> list[str]:
    """Return the documents of a split of OUT that holds several."""
    *whole, rest = text(split).split("<|endoftext|>")
    assert rest == ""
    return whole


def leftovers() -> list[str]:
    """Return the temporary files and folders that are left."""
    return sorted(str(p) for p in Path().rglob("*tmp-nanogpt*"))


def write(name: str, content: str | bytes) -> str:
    """Write a file of exactly these bytes, and return its name."""
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return name
