"""Matches are the longest there are: what a search of every place finds."""

import random

import numpy as np
import pytest

from nanogpt_cli.evaluation.text_index import BOUNDARY, END, TextIndex


def longest(text: bytes, query: bytes) -> list[int]:
    """Return the longest match at each place, by trying all."""
    found = []
    for at in range(len(query)):
        length = 0
        while at + length < len(query) and query[at : at + length + 1] in text:
            length += 1
        found.append(length)
    return found


@pytest.mark.parametrize("alphabet", [b"a", b"ab", b"abcdefgh", "aé€".encode(), bytes(range(250))])
def test_matches_are_the_longest_there_are(alphabet):
    rng = random.Random(0)
    for _ in range(15):
        text = bytes(rng.choices(alphabet, k=rng.randrange(150)))
        query = bytes(rng.choices(alphabet, k=rng.randrange(1, 60)))
        index = TextIndex.of(text)
        found = index.longest_matches(query)
        assert found.lengths.tolist() == longest(text, query)
        for at, (length, place) in enumerate(zip(found.lengths, found.places, strict=True)):
            assert text[place : place + length] == query[at : at + length]


def test_long_matches_are_whole_and_end_where_they_should():
    rng = random.Random(0)
    book = bytes(rng.choices(b"abc", k=6000))
    text = b"x" + book[:3000] + b"y" + book[2000:] + b"z" * 3000
    query = b"q" + book + b"w" + b"z" * 2500
    found = TextIndex.of(text).longest_matches(query)
    assert found.lengths[1] == 3000
    assert found.lengths[1 + 2000] == 4000
    assert found.lengths[len(book) + 2] == 2500
    for at in range(0, len(query), 61):
        length = int(found.lengths[at])
        assert query[at : at + length] in text
        assert at + length == len(query) or query[at : at + length + 1] not in text
        place = int(found.places[at])
        assert text[place : place + length] == query[at : at + length]


def test_no_match_reaches_over_a_special_token_or_the_end_of_a_part():
    index = TextIndex.of(b"one" + bytes([BOUNDARY]) + b"two")
    assert index.longest_matches(b"one" + bytes([BOUNDARY]) + b"two").lengths[0] == 3
    assert index.longest_matches(b"on" + bytes([END]) + b"e").lengths.tolist() == [2, 1, 0, 1]
    assert TextIndex.of(bytes([END]) * 3).longest_matches(bytes([END]) * 3).lengths.max() == 0


def test_occurrences_are_counted_and_shown_in_their_context():
    index = TextIndex.of(b"to be, or not to be" + bytes([BOUNDARY]) + b"that is")
    found = [index.occurrences(span) for span in (b"to be", b"be", b"not", b"question")]
    assert found == [(2, 0), (2, 3), (1, 10), (0, -1)]
    assert index.context(14, 5, around=4) == (b"not to be", 4)
    assert index.context(0, 2, around=4) == (b"to be,", 0)


def test_progress_covers_the_whole_query():
    seen: list[int] = []
    TextIndex.of(b"abc" * 9).longest_matches(b"ab" * 40_000, seen.append)
    assert sum(seen) == 80_000
    assert len(seen) == 2


def test_a_corrupt_order_of_suffixes_gives_no_wrong_match():
    text, suffixes = TextIndex.of(b"to be, or not to be").parts
    broken = TextIndex(text, np.full_like(suffixes, -5) + np.arange(len(suffixes)) * 7)
    found = broken.longest_matches(b"or not")
    for at, (length, place) in enumerate(zip(found.lengths, found.places, strict=True)):
        assert text[place : place + length].tobytes() == b"or not"[at : at + length]
