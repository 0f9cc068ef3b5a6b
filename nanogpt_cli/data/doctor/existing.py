"""The doctor on a prepared dataset: ``nanogpt prepare --check``.

All documents are compared by a hash of their tokens; of a large dataset a part is decoded, evenly
spread, and looked at as text.
"""

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nanogpt_cli.data.doctor.diagnosis import findings_of
from nanogpt_cli.data.doctor.examination import Examination
from nanogpt_cli.data.doctor.findings import Findings
from nanogpt_cli.dialogue import Role, Turn
from nanogpt_cli.tokenizer.base import END_OF_TEXT

if TYPE_CHECKING:
    from nanogpt_cli.data.store import Dataset

DECODED = 8_000_000
"""Tokens that are looked at as text."""
_LONGEST = 2**18
"""Tokens of a document that are."""
_AT_ONCE = 2**24


def check(dataset: "Dataset") -> Findings:
    """Return what is to be said of a dataset."""
    found = Examination()
    reader = _Reader(dataset)
    tokens = len(dataset.train) + len(dataset.val)
    share = min(1.0, DECODED / tokens)
    seen: dict[float, bool] = {}
    sides: list[bool] = []
    copies = across = documents = 0
    for is_val, split in ((False, dataset.train), (True, dataset.val)):
        for start, end in reader.documents(split):
            draw = _draw(split[start:end])
            documents += 1
            if draw in seen:
                copies += 1
                across += seen[draw] != is_val
            seen.setdefault(draw, is_val)
            if draw <= share or end - start > _LONGEST:
                reader.examine(split[start : min(end, start + _LONGEST)].tolist(), found)
                sides.append(is_val)
                found.end(draw / max(share, draw))
    whole = documents == 2 and not reader.separated
    return findings_of(
        found,
        side=lambda draw, index: sides[index],
        train_tokens=len(dataset.train),
        vocab_size=dataset.vocab_size,
        documents=1 if whole else documents,
        conversations=reader.conversations,
        turns=reader.turns,
        tokens=tokens,
        bytes_per_token=reader.bytes / max(1, reader.tokens),
        exact_copies=copies,
        val_copies=across,
        cut=whole,
    )


def _draw(ids: Any) -> float:
    """Return a number in [0, 1) that copies share."""
    digest = hashlib.blake2b(ids.tobytes(), digest_size=6).digest()
    return int.from_bytes(digest, "big") / 2**48


class _Reader:
    """Documents of a dataset as pieces of text, counted."""

    def __init__(self, dataset: "Dataset") -> None:
        self._tokenizer = dataset.tokenizer
        special = dataset.tokenizer.special_tokens
        self._end = special.get(END_OF_TEXT)
        self.separated = False
        """Whether a document has ended."""
        chat = dataset.chat_format
        roles: dict[Role, str] = (
            {"human": chat.human, "bot": chat.bot, "context": chat.context, "emotion": chat.emotion}
            if chat
            else {}
        )
        self._roles = {special[tag]: role for role, tag in roles.items() if tag in special}
        self._closing = special.get(chat.end) if chat else None
        self.conversations = self.turns = self.tokens = self.bytes = 0

    def documents(self, ids: Any) -> Iterator[tuple[int, int]]:
        """Yield where each document begins and ends; one that was not ended is one too."""
        import numpy as np

        start = 0
        if self._end is not None:
            for at in range(0, len(ids), _AT_ONCE):
                for end in (at + np.flatnonzero(ids[at : at + _AT_ONCE] == self._end)).tolist():
                    self.separated = True
                    if end > start:
                        yield start, end
                    start = end + 1
        if start < len(ids):
            yield start, len(ids)

    def examine(self, ids: list[int], found: Examination) -> None:
        """Look at the pieces of a document."""
        self.tokens += len(ids)
        role: Role | None = None
        held: list[int] = []
        turns = self.turns
        for token in [*ids, None]:
            if token is not None and token not in self._roles and token != self._closing:
                held.append(token)
                continue
            if held:
                text = self._tokenizer.decode(held)
                data = text.encode()
                self.bytes += len(data)
                found.add(Turn(role, text) if role else text, data)
                self.turns += role in ("human", "bot")
                held = []
            role = None if token is None else self._roles.get(token)
        self.conversations += self.turns > turns
