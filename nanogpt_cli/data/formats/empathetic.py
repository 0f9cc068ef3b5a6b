"""Empathetic Dialogues (Rashkin et al. 2019), in the two layouts in which it is passed on.

The original has a row per utterance, with commas as ``_comma_``; the other a row per exchange, as
``Customer :... Agent :`` and, in the column labels, the agent's answer. The speaker is the human,
the listener the bot; the situation is the context.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, groupby

from nanogpt_cli.data.formats.base import Format, Piece, Report, conversation, whole_lines
from nanogpt_cli.data.formats.csv import table_rows
from nanogpt_cli.dialogue import Turn
from nanogpt_cli.errors import DataError

_ORIGINAL = ("conv_id", "utterance_idx", "context", "prompt", "speaker_idx", "utterance")
_EXCHANGES = ("situation", "emotion", "empathetic_dialogues", "labels")
_SPEAKERS = re.compile(r"\s*(Customer|Agent)\s*:", re.IGNORECASE)


def _sniff(head: str) -> bool:
    """Whether the first line names the columns of one of the layouts."""
    names = _names(head.lstrip("\ufeff").split("\n", 1)[0])
    return set(_ORIGINAL) <= set(names) or set(_EXCHANGES) <= set(names)


def _names(line: str) -> list[str]:
    return [name.strip().strip('"').lower() for name in line.split(",")]


def _read(chunks: Iterable[str], name: str, report: Report) -> Iterator[Piece]:
    """Yield each conversation."""
    lines = whole_lines(chunks, name)
    first = next(lines, "")
    names = _names(first)
    if set(_ORIGINAL) <= set(names):
        return _utterances(lines, names, name)
    if set(_EXCHANGES) <= set(names):
        return _exchanges(chain([first], lines), name)
    raise DataError(
        f"{name} does not have the columns of Empathetic Dialogues",
        f"its first line must name {', '.join(_ORIGINAL)}",
    )


def _utterances(lines: Iterable[str], names: list[str], name: str) -> Iterator[Piece]:
    """Yield conversations of which each utterance is a row, without quotes around cells."""

    def rows() -> Iterator[Mapping[str, str]]:
        for number, line in enumerate(lines, 2):
            cells = line.rstrip("\r\n").split(",")
            if len(cells) < len(_ORIGINAL):
                if line.strip():
                    raise DataError(
                        f"{name}, line {number} has {len(cells)} cells, too few",
                        "use the file as it was published, or leave out that line",
                    )
                continue
            texts = (cell.replace("_comma_", ",") for cell in cells)
            yield dict(zip(names, texts, strict=False))

    for _, group in groupby(rows(), lambda row: row["conv_id"]):
        spoken = list(group)
        human = spoken[0]["speaker_idx"]
        yield from conversation(
            [
                Turn("context", spoken[0]["prompt"]),
                Turn("emotion", spoken[0]["context"]),
                *(
                    Turn("human" if row["speaker_idx"] == human else "bot", row["utterance"])
                    for row in spoken
                ),
            ]
        )


def _exchanges(lines: Iterable[str], name: str) -> Iterator[Piece]:
    """Yield conversations of which each exchange is a row, in a row with the same situation."""
    rows = table_rows(lines, name)
    for (situation, emotion), group in groupby(
        rows, lambda row: (row.get("situation", ""), row.get("emotion", ""))
    ):
        turns = [Turn("context", situation), Turn("emotion", emotion)]
        for row in group:
            said = _SPEAKERS.split(row.get("empathetic_dialogues", ""))
            texts = zip(said[1::2], said[2::2], strict=True) if len(said) > 1 else [("", said[0])]
            turns += [
                Turn("bot" if who.lower() == "agent" else "human", text) for who, text in texts
            ]
            turns.append(Turn("bot", row.get("labels", "")))
        yield from conversation(turns)


FORMAT = Format("empathetic", suffixes=(), sniff=_sniff, read=_read, certain=True)
