"""From what was looked at to the report: numbers for programs, and lines for people.

This module does not know where lines are shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nanogpt_cli.data.doctor.capacity import Capacity, as_budget
from nanogpt_cli.errors import DataError
from nanogpt_cli.text import counted, printable

_SHARE = 0.01
"""The part of all documents or turns from which on something is worth a warning."""
_LINES = 0.1
"""The part of the text in long lines from which on they are."""
_FEW = 3
"""As many characters may be meant."""
_LISTED = 4


@dataclass(frozen=True)
class Findings:
    """What the doctor found, counted."""

    documents: int
    conversations: int
    turns: int
    tokens: int
    """Of both splits."""
    bytes_per_token: float
    capacity: Capacity
    block_size: int
    exact_copies: int = 0
    """Documents that are the same as another one before them."""
    sampled: int = 0
    """Documents that were compared with each other for being almost the same."""
    near_copies: int = 0
    """Those of them that are almost the same as another of them."""
    val_copies: int = 0
    """Documents on one side that are the same as one on the other."""
    near_val_copies: int = 0
    """Documents of the sample for validation that are almost the same as one to train on."""
    sampled_val: int = 0
    without_reply: int = 0
    unclosed_turns: int = 0
    stray_texts: int = 0
    long_turns: int = 0
    """Turns that are longer than a block of the default size."""
    tags: Mapping[str, int] = field(default_factory=dict)
    replaced_characters: int = 0
    control_characters: int = 0
    twice_encoded: int = 0
    long_lines: int = 0
    long_line_share: float = 0.0
    cut: bool = False
    """Whether documents are cut for validation, so that a copy says nothing about the split."""

    def to_dict(self) -> dict[str, Any]:
        """Return names and numbers, and the warnings."""
        numbers = {
            name: value for name, value in vars(self).items() if name not in ("capacity", "cut")
        }
        return {
            **numbers,
            "bytes_per_token": round(self.bytes_per_token, 4),
            "long_line_share": round(self.long_line_share, 4),
            "tags": dict(self.tags),
            "model": self.capacity.to_dict(),
            "warnings": self.warnings(),
        }

    @property
    def _noun(self) -> str:
        return "conversation" if self.conversations == self.documents else "document"

    def warnings(self) -> list[str]:
        """Return what is likely to harm training, one line each."""
        return [*self._copies(), *self._dialogue(), *self._characters()]

    def _copies(self) -> list[str]:
        found, nouns = [], f"{self._noun}s"
        if self.exact_copies >= max(1, _SHARE * self.documents):
            found.append(
                f"{self.exact_copies:,} of {self.documents:,} {nouns} are copies of others: "
                "--repeats drop leaves them out"
            )
        if self.near_copies >= max(1, _SHARE * self.sampled):
            found.append(
                f"{self.near_copies:,} of {self.sampled:,} {nouns} are almost copies of another"
            )
        if self.val_copies:
            found.append(
                f"{counted(self.val_copies, self._noun)} for validation also to train on: "
                "the validation loss will be too good"
            )
        if self.near_val_copies >= max(1, _SHARE * self.sampled_val):
            found.append(
                f"{self.near_val_copies:,} of {self.sampled_val:,} {nouns} for validation are "
                "almost copies of one to train on: the validation loss will be too good"
            )
        return found

    def _dialogue(self) -> list[str]:
        found = []
        if self.without_reply:
            found.append(
                f"{counted(self.without_reply, 'conversation')} without a reply of the bot"
            )
        if self.unclosed_turns:
            found.append(f"{counted(self.unclosed_turns, 'turn')} without an end tag")
        if self.stray_texts:
            found.append(
                f"{counted(self.stray_texts, 'stretch', 'stretches')} of text outside of turns"
            )
        if self.tags:
            most = sorted(self.tags.items(), key=lambda pair: -pair[1])[:_LISTED]
            listed = ", ".join(f"{printable(tag)} ({n:,})" for tag, n in most)
            others = len(self.tags) - len(most)
            rest = f" and {others:,} others" if others else ""
            found.append(f"tags that are read as text: {listed}{rest}")
        if self.long_turns > _SHARE * max(1, self.turns):
            found.append(
                f"{self.long_turns:,} of {self.turns:,} turns are longer than a block of "
                f"{self.block_size} tokens: train with a longer --block-size"
            )
        return found

    def _characters(self) -> list[str]:
        found = []
        if self.replaced_characters:
            many = counted(self.replaced_characters, "character")
            found.append(f"{many} U+FFFD: what could not be decoded was lost before")
        if self.control_characters > _FEW:
            found.append(f"{self.control_characters:,} control characters: --fix removes them")
        if self.twice_encoded >= _FEW:
            found.append(
                f"{self.twice_encoded:,} characters such as Ã© or â€™: UTF-8 that was read in "
                "another encoding, and saved"
            )
        if self.long_line_share > _LINES:
            found.append(
                f"{counted(self.long_lines, 'line')} of more than 10,000 bytes, "
                f"{self.long_line_share:.0%} of the text: data rather than prose?"
            )
        return found

    def lines(self) -> list[tuple[str, str]]:
        """Return what is as it should be, and what model the text can carry, with labels."""
        good = []
        if self.documents > 1 and not (self.exact_copies or self.near_copies):
            good.append(f"no copies among {self.documents:,} {self._noun}s")
            if self.sampled < self.documents and self.sampled:
                good[-1] += f" (almost copies: in a sample of {self.sampled:,})"
        elif self.exact_copies or self.near_copies:
            good.append(
                f"{self.exact_copies:,} copies and {self.near_copies:,} almost among "
                f"{self.documents:,} {self._noun}s"
            )
        if self.documents > 1 and not (self.cut or self.val_copies or self.near_val_copies):
            good.append("none of validation to train on")
        if not self._characters():
            good.append("clean characters")
        good.append(f"{self.bytes_per_token:.2f} bytes per token")
        return [("checked", ", ".join(good)), ("carries", self._carried())]

    def _carried(self) -> str:
        c = self.capacity
        size = (
            f"{c.parameters / 1e6:,.2g}M" if c.parameters < 1e7 else f"{c.parameters / 1e6:,.0f}M"
        )
        text = f"a model of {counted(c.n_layer, 'layer')}, {c.n_embd} wide ({size} parameters)"
        if c.seconds is None:
            return f"{text}; nanogpt train --dry-run times it here"
        return f"{text}; on this CPU about --time {as_budget(c.seconds)}"


def refuse_warnings(findings: Findings, label: str) -> None:
    """Raise DataError where there are warnings."""
    if warnings := findings.warnings():
        more = f"; and {counted(len(warnings) - 1, 'more warning')}" if warnings[1:] else ""
        raise DataError(
            f"{label}: {warnings[0]}{more} (--strict)",
            "leave out --strict to prepare it all the same and to see all of them; --fix does what "
            "is safe",
        )
