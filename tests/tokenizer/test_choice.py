"""Which tokenizer suits a text of which size."""

import pytest

from nanogpt_cli.tokenizer.choice import suited_tokenizer


@pytest.mark.parametrize(
    ("size", "characters", "name"),
    [
        (0, 0, "char"),
        (50_000, 80, "char"),
        (50_000, 3000, "bpe:512"),
        (1_000_000, 80, "bpe:1024"),
        (1_000_000, 5000, "bpe:1024"),
        (5_000_000, 80, "bpe:2048"),
        (100_000_000, 300, "bpe:8192"),
        (10**9, 300, "gpt2"),
    ],
)
def test_the_vocabulary_grows_with_the_text(size: int, characters: int, name: str) -> None:
    assert suited_tokenizer(size, characters) == name
