"""Words and their n-grams, as the metrics of replies count them."""

import re

_WORD = re.compile(r"\w+")


def plain_words(text: str) -> list[str]:
    """Return the words in lower case, without punctuation."""
    return _WORD.findall(text.lower())


def ngrams(words: list[str], n: int) -> list[tuple[str, ...]]:
    """Return the n-grams in order; none where there are fewer words."""
    return list(zip(*(words[i:] for i in range(n)), strict=False))
