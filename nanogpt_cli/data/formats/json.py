"""JSON: an array of records, or records one after the other.

An array of messages is one conversation. Records are read one by one, so that memory does not grow
with the file.
"""

import json
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from nanogpt_cli.data.formats.base import LONGEST_LINE, Format, Piece, Report
from nanogpt_cli.data.formats.records import (
    KNOWN_FIELDS,
    is_message,
    is_record,
    not_a_record,
    read_record,
)
from nanogpt_cli.errors import DataError

_SPACE = re.compile(r"\s*")
_FIRST_RECORD = re.compile(r"\s*(?:\[\s*)?(?=[\[{])")
_FIELD = re.compile(rf'"(?:{"|".join(sorted(KNOWN_FIELDS))})"\s*:')


def _sniff(head: str) -> bool:
    """Whether the first value, or the first of an array, is a record or a message."""
    start = _FIRST_RECORD.match(head)
    if not start:
        return False
    try:
        value, _ = json.JSONDecoder().raw_decode(head, start.end())
    except RecursionError:
        return False
    except ValueError:  # it is longer than the head, or not JSON
        return '"' in head[:200] and _FIELD.search(head) is not None
    return is_record(value) or is_message(value)


class Values:
    """The JSON values in a text that comes in chunks."""

    def __init__(self, chunks: Iterable[str], name: str) -> None:
        self._chunks = iter(chunks)
        self._name = name
        self._held = ""
        self._at = 0
        self.number = 0
        """Of the value that is being read, from 1."""

    def skip(self, character: str) -> bool:
        """Skip white space, and ``character`` where it follows."""
        found = self.next() == character
        self._at += found
        return found

    def next(self) -> str:
        """Skip white space, and return the character that follows; empty at the end."""
        while True:
            self._at = _SPACE.match(self._held, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._held) or not self._more():
                return self._held[self._at : self._at + 1]

    def read(self) -> tuple[Any, str, str]:
        """Return the next value, where it is, and how it begins. Raises DataError for none."""
        self.number += 1
        place = f"{self._name}, record {self.number}"
        self.next()
        while True:
            try:
                value, end = json.JSONDecoder().raw_decode(self._held, self._at)
            except (ValueError, RecursionError) as error:
                if isinstance(error, RecursionError) or not self._more(longer=True):
                    raise not_a_record(place, self._shown()) from error
                continue
            if end < len(self._held) or not self._more():  # a number may go on in the next chunk
                shown, self._at = self._shown(), end
                return value, place, shown

    def rest(self) -> str:
        """Return the text that is held and was not read."""
        return self._held[self._at :]

    def refuse(self) -> DataError:
        """Return the error for what follows, which is not JSON."""
        return not_a_record(f"{self._name}, after record {self.number}", self._shown())

    def _shown(self) -> str:
        return self._held[self._at : self._at + 100]

    def _more(self, longer: bool = False) -> bool:
        """Hold more of the text, at least twice as much where a value is longer than what is held.

        False at the end. Raises DataError for a value of more than LONGEST_LINE characters.
        """
        held = [self._held[self._at :]]
        self._at = 0
        wanted = len(held[0]) if longer else 1
        if wanted > LONGEST_LINE:
            raise DataError(
                f"{self._name}: record {self.number} is not JSON, or has more than "
                f"{LONGEST_LINE:,} characters",
                "write one document or conversation per record",
            )
        for chunk in self._chunks:
            held.append(chunk)
            wanted -= len(chunk)
            if wanted <= 0:
                break
        self._held = "".join(held)
        return len(held) > 1


def _read(chunks: Iterable[str], name: str, report: Report) -> Iterator[Piece]:
    """Yield each record."""
    values = Values(chunks, name)
    while values.next():
        if not values.skip("["):
            yield from read_record(*values.read(), report)
            continue
        items = array_items(values)
        first = next(items, None)
        if first is None:
            continue
        if is_message(first[0]):
            messages = [value for value, _, _ in chain([first], items)]
            yield from read_record(messages, *first[1:], report)
        else:
            for item in chain([first], items):
                yield from read_record(*item, report)


def array_items(values: Values) -> Iterator[tuple[Any, str, str]]:
    """Yield the values of an array whose opening bracket was read."""
    if values.skip("]"):
        return
    while True:
        yield values.read()
        if values.skip("]"):
            return
        if not values.skip(","):
            raise values.refuse()


FORMAT = Format("json", suffixes=(".json",), sniff=_sniff, read=_read)
