"""Conversations as they are wanted: turns joined, what stands in front of them kept or left out.

This module knows turns, but neither formats nor tokenizers.
"""

from collections.abc import Iterable, Iterator

from nanogpt_cli.data.formats.base import Piece, Report
from nanogpt_cli.dialogue import LONGEST_TURN, Turn


def arrange(
    pieces: Iterable[Piece], report: Report, *, join: bool, context: bool, emotion: bool
) -> Iterator[Piece]:
    """Yield pieces with turns of one speaker in a row joined by a line break, if ``join``.

    ``context`` and ``emotion`` keep the turns of that role, which are otherwise left out and
    counted, as are conversations in which nobody speaks. Documents of text stay as they are.
    """
    kept = {"context": context, "emotion": emotion}
    front: list[Turn] = []
    held: Turn | None = None
    spoken = False
    for piece in pieces:
        if isinstance(piece, str):
            yield piece
            spoken = True
        elif piece is None:
            if held:
                yield held
            if spoken:
                yield None
            else:
                report.add("conversation without turns was left out",
                           "conversations without turns were left out")  # fmt: skip
            held, front, spoken = None, [], False
        elif piece.role in kept:
            if kept[piece.role]:
                front.append(piece)
            else:
                report.add(
                    f"{piece.role} was left out (--with-{piece.role} keeps it)",
                    f"{piece.role}s were left out (--with-{piece.role} keeps them)",
                )
        elif held and join and _fit(held, piece):
            held = Turn(held.role, f"{held.text}\n{piece.text}")
            report.add(
                "turn was joined to the one before it, of the same speaker",
                "turns were joined to the one before them, of the same speaker",
            )
        else:
            if held:
                yield held
            yield from front
            held, front, spoken = piece, [], True


def _fit(held: Turn, turn: Turn) -> bool:
    return held.role == turn.role and len(held.text) + len(turn.text) < LONGEST_TURN
