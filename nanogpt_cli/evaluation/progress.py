"""Saying what is being done, and how much of it is done, without knowing a screen."""

from collections.abc import Callable
from typing import Protocol


class Working(Protocol):
    """Is told what is being done."""

    def __call__(self, doing: str, done: int = 0, total: int | None = None) -> None:
        """``done`` of ``total``, where that is known; may raise to stop."""


def silent(doing: str, done: int = 0, total: int | None = None) -> None:
    """Say nothing."""


def labelled(working: Working, label: str) -> Working:
    """Return what puts a label in front of what is being done."""

    def say(doing: str, done: int = 0, total: int | None = None) -> None:
        working(f"{label}: {doing}", done, total)

    return say


def counting(working: Working, doing: str, total: int) -> Callable[[int], None]:
    """Return a function that is called with how much more is done."""
    done = 0

    def advance(more: int) -> None:
        nonlocal done
        done += more
        working(doing, min(done, total), total)

    advance(0)
    return advance
