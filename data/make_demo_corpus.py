"""Write the demo corpus: short, warm conversations between a human and a bot.

Usage: python data/make_demo_corpus.py [--out FILE] [--seed N] [--count N]

The same arguments give the same bytes on every machine. What the corpus consists of is printed.
"""

import argparse
import re
from collections import Counter
from pathlib import Path

from demo_grammar.compose import compose_corpus

DEFAULT_OUT = Path(__file__).with_name("demo_corpus.txt")
DEFAULT_SEED = 2024
DEFAULT_COUNT = 12_000


def main() -> None:
    """Parse the command line and write the corpus."""
    parser = argparse.ArgumentParser(description="Write the demo corpus.")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="file to write")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="seed of the generator")
    parser.add_argument("--count", type=int, default=DEFAULT_COUNT, help="conversations to write")
    args = parser.parse_args()
    text = compose_corpus(args.count, args.seed)
    args.out.write_bytes(text.encode("ascii"))
    for name, figure in describe(text).items():
        print(f"{name:>44}  {figure}")


def describe(text: str) -> dict[str, str]:
    """Return what is worth knowing about a corpus, by name."""
    conversations = text.split("\n\n")
    human, bot = (re.findall(rf"<{who}>(.*)<endOfText>", text) for who in ("human", "bot"))
    copies = Counter(conversation.strip() for conversation in conversations)
    # every tenth stands for the validation part, whose choice is prepare's
    training = {c.strip() for n, c in enumerate(conversations) if n % 10}
    unseen = [c for c in conversations[::10] if c.strip() not in training]
    return {
        "conversations": f"{len(conversations):,}",
        "of them written before": f"{1 - len(copies) / len(conversations):.1%}",
        "of the validation tenth not in the rest": f"{len(unseen) / len(conversations[::10]):.1%}",
        "turns of the human per conversation": f"{len(human) / len(conversations):.1f}",
        "words of the human": f"{len(_words(human)):,}, {len(set(_words(human))):,} distinct",
        "words of the bot": f"{len(_words(bot)):,}, {len(set(_words(bot))):,} distinct",
        "different replies": f"{len(set(bot)):,}",
        "bytes": f"{len(text):,}",
    }


def _words(lines: list[str]) -> list[str]:
    return re.findall(r"[a-z0-9']+", " ".join(lines).lower())


if __name__ == "__main__":
    main()
