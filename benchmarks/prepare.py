"""How fast text becomes token ids, beside tiktoken and Hugging Face's tokenizers, in one run.

Usage: python benchmarks/prepare.py [FILE ...] [--size MB] [--only gpt2 ...] [--workers N]
       [--runs N] [--cpu]

encode   one thread turns the text into ids: gpt2 and bpe:8192 here, by tiktoken and by tokenizers;
         char and byte here, and with Python's dict and list
prepare  `nanogpt prepare` as a whole: two passes over the file, hashes, and files on the disk

Without a FILE it is the demo corpus, again and again up to --size. Contestants take turns; medians
are shown, in MB of UTF-8 per second of wall-clock time, or with --cpu of processor time, which says
more on a machine that does other things as well. Where ids differ from tiktoken's, it says so.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from nanogpt_cli.data.encode import cut_safely
from nanogpt_cli.data.prepare import PrepareOptions, prepare
from nanogpt_cli.data.sources import demo_corpus
from nanogpt_cli.tokenizer.bpe import BPETokenizer, default_gpt2, train_bpe
from nanogpt_cli.tokenizer.byte_alphabet import byte_alphabet
from nanogpt_cli.tokenizer.load import ByteTokenizer, train_char
from nanogpt_cli.tokenizer.patterns import PATTERNS

PIECE = 2**20
"""Characters that are encoded at a time, as in prepare."""
LEARNED = 20_000_000
"""Characters that bpe:8192 is learned from."""
NAMES = ("byte", "char", "gpt2", "bpe:8192")

Encode = Callable[[str], Any]


def text_of(files: list[str], size: int) -> str:
    """Return about ``size`` characters of the files, which are repeated if they are too short."""
    whole = "".join(Path(f).read_text(encoding="utf-8") for f in files or [str(demo_corpus())])
    return (whole * (size // max(1, len(whole)) + 1))[:size]


def by_tiktoken(tokenizer: BPETokenizer, pattern: str) -> Encode:
    """Return tiktoken's own way."""
    import tiktoken

    ranks = {tokenizer.token_bytes(i): i for i in range(tokenizer.vocab_size)}
    encoding = tiktoken.Encoding("x", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
    return encoding.encode_ordinary


def by_tokenizers(tokenizer: BPETokenizer, pattern: str) -> Encode:
    """Return Hugging Face's way, with every pair of tokens that makes one as a merge."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers

    letter = {byte: character for character, byte in byte_alphabet().items()}
    ids = range(tokenizer.vocab_size)
    written = ["".join(letter[bytes([b])] for b in tokenizer.token_bytes(i)) for i in ids]
    known = {token: i for i, token in enumerate(written)}
    merges = [
        (token[:i], token[i:])
        for token in written[256:]
        for i in range(1, len(token))
        if token[:i] in known and token[i:] in known
    ]
    theirs = Tokenizer(models.BPE(vocab=known, merges=merges))
    if pattern == PATTERNS["gpt2"]:
        theirs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    else:
        split = pre_tokenizers.Split(Regex(pattern), "isolated")
        level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        theirs.pre_tokenizer = pre_tokenizers.Sequence([split, level])
    return lambda piece: theirs.encode(piece, add_special_tokens=False).ids


def contestants(name: str, text: str) -> dict[str, Encode]:
    """Return the ways to encode with a tokenizer, by whose they are."""
    if name == "byte":
        return {
            "nanogpt": ByteTokenizer().encode_array,
            "a list": lambda piece: list(piece.encode()),
        }
    if name == "char":
        ids = {c: i for i, c in enumerate(sorted(set(text)))}
        return {
            "nanogpt": train_char([text]).encode_array,
            "a dict": lambda piece: [ids[c] for c in piece],
        }
    ours = default_gpt2({}) if name == "gpt2" else train_bpe([text[:LEARNED]], 8192)
    pattern = PATTERNS["gpt2" if name == "gpt2" else "rustbpe"]
    return {
        "nanogpt": ours.encode_array,
        "tiktoken": by_tiktoken(ours, pattern),
        "tokenizers": by_tokenizers(ours, pattern),
    }


def rate(encode: Encode, pieces: list[str], clock: Callable[[], float]) -> float:
    """Return megabytes per second; a slow way gets a tenth of the text."""
    size, started = 0, clock()
    for number, piece in enumerate(pieces):
        encode(piece)
        size += len(piece.encode())
        if number >= len(pieces) // 10 and clock() - started > 2:
            break
    return size / 1e6 / (clock() - started)


def main() -> None:
    """Measure, and print tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("files", nargs="*", metavar="FILE")
    parser.add_argument("--size", type=float, default=64, help="megabytes")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--cpu", action="store_true")
    args = parser.parse_args()
    clock = time.process_time if args.cpu else time.perf_counter
    text = text_of(args.files, int(args.size * 1e6))
    cut = cut_safely(text[i : i + PIECE] for i in range(0, len(text), PIECE))
    pieces = list(cut)
    results: dict[str, dict[str, float]] = {}
    for name in args.only:
        ways = contestants(name, text)
        for encode in ways.values():
            for piece in pieces[:4]:  # gigatoken is made here, and caches are warm for all
                encode(piece[: PIECE if encode is ways["nanogpt"] else PIECE // 8])
        expected = [np.asarray(encode(pieces[-1])) for encode in ways.values()]
        if any(not np.array_equal(ids, expected[0]) for ids in expected):
            print(f"{name}: the ids differ")
        turns = [{w: rate(e, pieces, clock) for w, e in ways.items()} for _ in range(args.runs)]
        results[name] = {way: statistics.median(turn[way] for turn in turns) for way in ways}
        shown = ", ".join(f"{way} {value:,.1f} MB/s" for way, value in results[name].items())
        print(f"encode   {name:9} {shown}")
    results["prepare"] = {}
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "text.txt")
        source.write_text(text, encoding="utf-8")
        for name in args.only:
            options = PrepareOptions(
                (str(source),), Path(folder, "data"), tokenizer=name, format="text",
                workers=args.workers, force=True,
            )  # fmt: skip
            started = clock()
            prepare(options)
            results["prepare"][name] = source.stat().st_size / 1e6 / (clock() - started)
            print(f"prepare  {name:9} {results['prepare'][name]:,.1f} MB/s")
    print(json.dumps(results))


if __name__ == "__main__":
    main()
