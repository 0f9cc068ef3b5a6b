"""A program that learns merges, which its parent can end: rustbpe itself heeds no signal.

Its arguments are the number of tokens, how many texts are held at a time, and the pattern. Texts
come on stdin, each after its length in 8 bytes. The tokens go to stdout in base64, in the order of
their ids. It imports nothing of this package, so that it starts at once.
"""

import base64
import struct
import sys
from collections.abc import Iterator


def _texts() -> Iterator[str]:
    while header := sys.stdin.buffer.read(8):
        yield sys.stdin.buffer.read(*struct.unpack("<Q", header)).decode()


def main() -> None:
    """Learn from stdin, and write to stdout."""
    import rustbpe

    size, held, pattern = sys.argv[1:]
    trainer = rustbpe.Tokenizer()
    trainer.train_from_iterator(_texts(), int(size), buffer_size=int(held), pattern=pattern)
    tokens = (bytes(token) for token, _ in trainer.get_mergeable_ranks())
    sys.stdout.buffer.write(b" ".join(map(base64.b64encode, tokens)))


if __name__ == "__main__":
    main()
