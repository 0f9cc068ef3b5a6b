"""Write the demo corpus: short, warm conversations between a human and a bot.

Usage: python data/make_demo_corpus.py [--out FILE] [--seed N] [--count N]

The same arguments give the same bytes on every machine.
"""

import argparse
from pathlib import Path

from demo_grammar.compose import compose_corpus

DEFAULT_OUT = Path(__file__).with_name("demo_corpus.txt")
DEFAULT_SEED = 2024
DEFAULT_COUNT = 20_000


def main() -> None:
    """Parse the command line and write the corpus."""
    parser = argparse.ArgumentParser(description="Write the demo corpus.")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="file to write")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="seed of the generator")
    parser.add_argument("--count", type=int, default=DEFAULT_COUNT, help="conversations to write")
    args = parser.parse_args()
    text = compose_corpus(args.count, args.seed)
    args.out.write_bytes(text.encode("utf-8"))
    print(f"{args.count} conversations, {len(text):,} characters: {args.out}")


if __name__ == "__main__":
    main()
