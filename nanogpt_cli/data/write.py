"""Text files, conversations and tables in, a dataset folder out: what `nanogpt prepare` does.

Everything streams. The sources are read as a stream of events (pieces of text, turns, ends of
documents) once to measure them and once to write the tokens, so memory does not grow with the
input. This module knows neither the command line nor models.
"""

import hashlib
import json
import os
import re
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nanogpt_cli.config import check_ranges, setting
from nanogpt_cli.data.sources import CHUNK, Errors, Event, Format, Source, find_sources, read_events
from nanogpt_cli.dialogue import ChatFormat, ParseReport, Turn, encode_turn, tags_are_special
from nanogpt_cli.errors import DataError, UsageError
from nanogpt_cli.files import TEMPORARY, machine_errors, sweep, sync_folder
from nanogpt_cli.runs import COMMITTED, LOCK
from nanogpt_cli.tokenizer.load import (
    END_OF_TEXT,
    Tokenizer,
    named_tokenizer,
    train_bpe,
    train_char,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Split = Literal["train", "val"]

DEMO_TOKENIZER = "bpe:1024"
SAMPLE_CHARACTERS = 200_000_000
"""How much of a larger training text bpe:N learns from, in pieces spread evenly over it."""

_LONGEST_PIECE = 4 * CHUNK
_SAFE_CUT = re.compile(r".*(?:\S(?= )|[^\W_](?=[\r\n.,;:!?，。、；：！？]))", re.DOTALL)
_DATASET_FILES = ("meta.json", "train.bin", "val.bin", "meta.pkl")


@dataclass(frozen=True)
class PrepareOptions:
    """What to prepare and how."""

    inputs: tuple[str, ...] = ()
    """Files, folders, globs or "-"; none is the demo corpus."""
    out: Path | None = None
    """The dataset folder; by default data/NAME after the first input."""
    tokenizer: str | None = setting(
        None,
        "gpt2 (default; the demo corpus takes bpe:1024), char, byte, bpe:N (N tokens learned from "
        "the text), cl100k_base, o200k_base, or a file or dataset that holds one.",
    )
    format: Format = setting("auto", "auto, text, dialogue (<human>, <bot>), jsonl or csv.")
    val_fraction: float = setting(0.1, "Part of the text kept for validation.", min=0, below=1)
    seed: int = setting(1337, "Which documents are kept for validation.", min=0, max=2**63 - 1)
    errors: Errors = setting(
        "strict", "Bytes that are no UTF-8: strict (stop) or replace (by U+FFFD)."
    )
    workers: int = setting(1, "Threads that tokenize.", min=1)
    force: bool = setting(False, "Replace the dataset that is there.")

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_ranges(self)


@dataclass(frozen=True)
class PrepareResult:
    """What was written; ``bytes`` are the sources' and ``seconds`` wall-clock."""

    out: Path
    tokenizer: str
    train_tokens: int
    val_tokens: int
    vocab_size: int
    bytes: int
    seconds: float
    documents: int
    notes: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Give the keys of the JSON contract."""
        return asdict(self) | {"out": str(self.out)}


@dataclass(frozen=True)
class Progress:
    """How many of ``total`` bytes one of the passes has read."""

    phase: str
    done: int
    total: int


@dataclass
class Scan:
    """What the first pass over the sources found."""

    alphabet: set[str] | None
    """Collects the characters that occur, unless None."""
    documents: int = 0
    characters: int = 0
    """Length of plain text and turns, without tags."""
    turns: int = 0
    lowest_draw: float = 1.0
    highest_draw: float = 0.0
    parsing: ParseReport = field(default_factory=ParseReport)

    @property
    def apart(self) -> bool:
        """Whether ``<|endoftext|>`` keeps documents apart: all but a single plain text."""
        return self.documents > 1 or self.turns > 0

    def add(self, events: Iterable[Event], seed: int) -> None:
        """Measure the whole input."""
        for event in events:
            if event is None:
                draw = _draw(seed, self.documents)
                self.lowest_draw = min(self.lowest_draw, draw)
                self.highest_draw = max(self.highest_draw, draw)
                self.documents += 1
                continue
            text = event if isinstance(event, str) else event.text
            self.characters += len(text)
            self.turns += isinstance(event, Turn)
            if self.alphabet is not None:
                self.alphabet.update(text)


def prepare(
    options: PrepareOptions, report: Callable[[Progress], None] = lambda _: None
) -> PrepareResult:
    """Write a dataset folder, whole or not at all.

    Raises UsageError where a dataset is there already, DataError for input that cannot be used,
    and MachineError where the disk is full or cannot be written.
    """
    started = time.perf_counter()
    with ExitStack() as stack:
        sources, notes = find_sources(options.inputs, options.format, stack)
        total = sum(source.path.stat().st_size for source in sources)
        out = options.out or Path("data", _stem(options, sources))
        with machine_errors(out):
            if (out / COMMITTED).is_dir():
                with _publishing_in(out):
                    _settle(out)
            _refuse_existing(out, options.force)
        kind = options.tokenizer or ("gpt2" if options.inputs else DEMO_TOKENIZER)
        if kind != options.tokenizer and not options.inputs:
            notes.append(f"tokenizer {kind}, because gpt2's is far too large for the demo corpus")

        def read(phase: str, parsing: ParseReport | None = None) -> Iterator[Event]:
            done = 0

            def advance(count: int) -> None:
                nonlocal done
                done += count
                report(Progress(phase, done, total))

            return read_events(sources, options.errors, advance, parsing)

        learned = kind == "char" or kind.startswith("bpe:")
        ready = None if learned else named_tokenizer(kind)
        scan = Scan(alphabet=set() if "char" in (kind, ready and ready.name) else None)
        scan.add(read("reading", scan.parsing), options.seed)
        if not scan.documents:
            raise DataError(
                f"there is no text in {_named([source.name for source in sources])}",
                "give a file that holds some text",
            )
        special = [END_OF_TEXT] if scan.apart else []
        special += ChatFormat().tags if scan.turns else ()
        if ready is None:
            sample = _sample(_split(read("learning"), scan, options), scan)
            tokenizer = _learn(kind, sample, scan, special, notes)
        else:
            tokenizer = ready.with_special(special)
            if missing := tokenizer.unknown("".join(sorted(scan.alphabet or ()))):
                raise DataError(
                    f"{kind} has no token for {len(missing)} characters, among them {missing[0]!r}",
                    "choose another tokenizer",
                )
        about = {"sources": [source.name for source in sources], "bytes": total}
        events = _split(read("tokenizing"), scan, options)
        parts = _write_dataset(out, events, tokenizer, scan, options, about)

    train, val = parts["train"], parts["val"]
    notes += _notes(tokenizer, train, val, scan, options)
    return PrepareResult(
        out=out,
        tokenizer=tokenizer.name,
        train_tokens=train.tokens,
        val_tokens=val.tokens,
        vocab_size=tokenizer.vocab_size,
        bytes=total,
        seconds=round(time.perf_counter() - started, 3),
        documents=scan.documents,
        notes=notes,
    )


def _stem(options: PrepareOptions, sources: list[Source]) -> str:
    """Name a dataset after its first input, or after the first file that a glob matched."""
    if not options.inputs:
        return "demo"
    first = Path(options.inputs[0])
    if str(first) == "-":
        return "stdin"
    return (first if first.exists() else Path(sources[0].name)).resolve().stem


def _learn(
    kind: str, sample: Iterable[str], scan: Scan, special: list[str], notes: list[str]
) -> Tokenizer:
    """Make the tokenizer char or bpe:N for this text."""
    if kind == "char":
        return train_char(scan.alphabet or ()).with_special(special)
    number = kind.removeprefix("bpe:")
    if not number.isdecimal():
        raise UsageError(f"--tokenizer {kind} names no size", "write for example bpe:2048")
    tokenizer = train_bpe(sample, int(number), special)
    if tokenizer.vocab_size < int(number):
        notes.append(f"the text yields only {tokenizer.vocab_size:,} tokens for {kind}")
    return tokenizer


def _draw(seed: int, document: int) -> float:
    """Give a document's number in [0, 1), the same on every machine."""
    digest = hashlib.blake2b(f"{seed}:{document}".encode(), digest_size=6).digest()
    return int.from_bytes(digest, "big") / 2**48


def _split(
    events: Iterable[Event], scan: Scan, options: PrepareOptions
) -> Iterator[tuple[Split, Event]]:
    """Say for each event where it belongs.

    Of several documents each is drawn for training or validation; the lowest draw always goes to
    validation and the highest to training. A single plain text is cut between two characters,
    exactly where nanoGPT cuts, and a single conversation between two turns.
    """
    if scan.documents > 1:
        bound = max(options.val_fraction, scan.lowest_draw) if options.val_fraction else -1.0
        document = -1
        inside = False
        for event in events:
            if not inside:
                document += 1
                draw = _draw(options.seed, document)
                split: Split = "val" if draw <= bound and draw < scan.highest_draw else "train"
            yield split, event
            inside = event is not None
        return
    room = int((scan.turns or scan.characters) * (1 - options.val_fraction))
    for event in events:
        if event is None:
            yield "train", None
            yield "val", None
        elif isinstance(event, Turn):
            yield "train" if room > 0 else "val", event
            room -= 1
        else:
            if event[:room]:
                yield "train", event[:room]
            if event[room:]:
                yield "val", event[room:]
            room = max(0, room - len(event))


def _sample(events: Iterable[tuple[Split, Event]], scan: Scan) -> Iterator[str]:
    """Give the training text, or pieces of it that together have SAMPLE_CHARACTERS."""
    share = min(1.0, SAMPLE_CHARACTERS / scan.characters)
    seen = taken = 0
    for split, event in events:
        if split == "val" or event is None:
            continue
        text = event if isinstance(event, str) else event.text
        if taken <= share * seen:
            taken += len(text)
            yield text
        seen += len(text)


def cut_safely(pieces: Iterable[str], longest: int = _LONGEST_PIECE) -> Iterator[str]:
    """Cut text anew so that its pieces, tokenized one by one, give the ids of the whole.

    All our patterns end a word between a non-space and a space, and between a letter or digit and
    a line break or a sentence's punctuation. ``longest`` characters without such a place are cut
    anywhere.
    """
    held = ""
    for piece in pieces:
        held += piece
        match = _SAFE_CUT.match(held)
        cut = match.end() if match else len(held) if len(held) >= longest else 0
        if cut:
            yield held[:cut]
            held = held[cut:]
    if held:
        yield held


@dataclass
class Part:
    """What train.bin or val.bin holds; ``bytes`` are those of its text, without tags."""

    tokens: int = 0
    documents: int = 0
    bytes: int = 0
    sha256: Any = field(default_factory=hashlib.sha256)

    def to_dict(self) -> dict[str, Any]:
        """Give the entry in meta.json."""
        return {
            "tokens": self.tokens,
            "documents": self.documents,
            "bytes": self.bytes,
            "sha256": self.sha256.hexdigest(),
        }


@dataclass(frozen=True)
class _Encoded:
    """The tokens of some events of one split."""

    split: Split
    ids: "npt.NDArray[np.uint16] | npt.NDArray[np.uint32]"
    documents: int
    bytes: int


def _write_dataset(
    out: Path,
    events: Iterable[tuple[Split, Event]],
    tokenizer: Tokenizer,
    scan: Scan,
    options: PrepareOptions,
    about: dict[str, Any],
) -> dict[Split, Part]:
    """Build the whole dataset in a temporary folder, then put it in its place."""
    with machine_errors(out):
        base = out if out.exists() else out.parent
        temporary = base / f".{out.resolve().name}.{os.getpid()}{TEMPORARY}"
        base.mkdir(parents=True, exist_ok=True)
        sweep(base)
        temporary.mkdir()
        try:
            parts = _write_tokens(temporary, events, tokenizer, scan, options)
            _check_lengths(parts, options, _named(about["sources"]))
            meta = {
                "format": "nanogpt-dataset",
                "version": 1,
                "tokenizer": tokenizer.to_dict(),
                "chat_format": ChatFormat().to_dict() if scan.turns else None,
                "dtype": _dtype(tokenizer).name,
                "vocab_size": tokenizer.vocab_size,
                "train": parts["train"].to_dict(),
                "val": parts["val"].to_dict(),
                "seed": options.seed,
                "val_fraction": options.val_fraction,
                "documents": scan.documents,
                **about,
            }
            _write_durably(temporary / "meta.json", json.dumps(meta).encode())
            _publish(temporary, out, options.force)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return parts


def _write_tokens(
    folder: Path,
    events: Iterable[tuple[Split, Event]],
    tokenizer: Tokenizer,
    scan: Scan,
    options: PrepareOptions,
) -> dict[Split, Part]:
    """Tokenize all events in threads of their own and write train.bin and val.bin in order."""
    import numpy as np

    chat, dtype = ChatFormat(), _dtype(tokenizer)
    end = [tokenizer.special_tokens[END_OF_TEXT]] if scan.apart else []

    def encode(split: Split, batch: list[Event]) -> _Encoded:
        ids = _encode(batch, tokenizer, chat, end)
        texts = (e.text if isinstance(e, Turn) else e or "" for e in batch)
        size = sum(len(text.encode()) for text in texts)
        return _Encoded(split, np.array(ids, dtype), batch.count(None), size)

    parts: dict[Split, Part] = {"train": Part(), "val": Part()}
    with ExitStack() as stack:
        files = {
            split: stack.enter_context((folder / f"{split}.bin").open("wb")) for split in parts
        }
        pool = stack.enter_context(ThreadPoolExecutor(options.workers))
        jobs = (pool.submit(encode, *batch) for batch in _batches(events))
        for encoded in _in_order(jobs, ahead=options.workers + 1):
            part, data = parts[encoded.split], encoded.ids.tobytes()
            files[encoded.split].write(data)
            part.sha256.update(data)
            part.tokens += len(encoded.ids)
            part.documents += encoded.documents
            part.bytes += encoded.bytes
        for file in files.values():
            file.flush()
            os.fsync(file.fileno())
    return parts


def _encode(
    events: Iterable[Event], tokenizer: Tokenizer, chat: ChatFormat, end: list[int]
) -> list[int]:
    """Give the ids of events; ``end`` goes after each document."""
    ids: list[int] = []
    for event in events:
        if event is None:
            ids += end
        elif isinstance(event, str):
            ids += tokenizer.encode(event)
        else:
            ids += encode_turn(event, tokenizer, chat)
    return ids


def encode_file(
    name: str, tokenizer: Tokenizer, chat: ChatFormat | None = None
) -> tuple[list[int], list[str]]:
    """Give a file's ids as ``prepare`` would write them, and the characters that have none.

    Where the tags are no special tokens, as in the earlier project's models, tagged text is read
    as it stands. Raises DataError for a file that cannot be used.
    """
    chat = chat or ChatFormat()
    special = tags_are_special(tokenizer, chat)
    with ExitStack() as stack:
        sources, _ = find_sources([name], "auto", stack)
        if not special:
            sources = [replace(s, format="text") if s.format == "dialogue" else s for s in sources]
        events = list(read_events(sources, "strict"))
    scan = Scan(alphabet=set())
    scan.add(events, seed=0)
    if scan.turns and not special:
        raise DataError(
            f"{name} holds conversations, and the tokenizer has no tags for them",
            "give a file of plain text",
        )
    end = tokenizer.special_tokens.get(END_OF_TEXT) if scan.apart else None
    pieces = (event for _, event in _recut(("val", event) for event in events))
    ids = _encode(pieces, tokenizer, chat, [] if end is None else [end])
    return ids, tokenizer.unknown("".join(sorted(scan.alphabet or ())))


def _batches(events: Iterable[tuple[Split, Event]]) -> Iterator[tuple[Split, list[Event]]]:
    """Gather about CHUNK characters of one split at a time, text cut where it may be."""
    batches: dict[Split, list[Event]] = {"train": [], "val": []}
    sizes = dict.fromkeys(batches, 0)
    for split, event in _recut(events):
        batches[split].append(event)
        sizes[split] += 16 + len(event.text if isinstance(event, Turn) else event or "")
        if sizes[split] >= CHUNK:
            yield split, batches[split]
            batches[split], sizes[split] = [], 0
    yield from batches.items()


def _recut(events: Iterable[tuple[Split, Event]]) -> Iterator[tuple[Split, Event]]:
    """Let cut_safely cut each run of pieces of text."""
    for (split, is_text), run in groupby(events, lambda e: (e[0], isinstance(e[1], str))):
        if is_text:
            pieces = (event for _, event in run if isinstance(event, str))
            yield from ((split, piece) for piece in cut_safely(pieces))
        else:
            yield from run


def _in_order(jobs: Iterable["Future[_Encoded]"], ahead: int) -> Iterator[_Encoded]:
    """Wait for results in order, with no more than ``ahead`` jobs under way."""
    pending: deque[Future[_Encoded]] = deque()
    for job in jobs:
        pending.append(job)
        if len(pending) >= ahead:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()


def _dtype(tokenizer: Tokenizer) -> "np.dtype[Any]":
    """Give the type of an id on the disk: nanoGPT's uint16 where every id fits."""
    import numpy as np

    return np.dtype("<u2" if tokenizer.vocab_size <= 2**16 else "<u4")


def _named(sources: list[str]) -> str:
    """Name the input in an error."""
    return sources[0] if len(sources) == 1 else f"these {len(sources)} files: {sources[0]}, ..."


def _check_lengths(parts: dict[Split, Part], options: PrepareOptions, source: str) -> None:
    """Refuse a split too short to hold one token and the next."""
    if parts["train"].tokens < 2:
        raise DataError(
            f"the text is too short: {parts['train'].tokens} tokens to train on in {source}",
            "give more text, some thousand words at the least, or lower --val-fraction",
        )
    if parts["val"].tokens < 2:
        raise DataError(
            f"the validation split would be empty: {parts['val'].tokens} tokens of {source} "
            f"at --val-fraction {options.val_fraction:g}",
            "raise --val-fraction, or give more text",
        )


def _refuse_existing(out: Path, force: bool) -> None:
    """Raise UsageError rather than overwrite a dataset."""
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file", "name a folder with --out")
    there = [name for name in _DATASET_FILES if (out / name).exists()]
    if there and not force:
        raise UsageError(
            f"{out} holds a dataset already ({', '.join(there)})",
            "replace it with --force, or choose another folder with --out",
        )


def _publish(temporary: Path, out: Path, force: bool) -> None:
    """Put a complete dataset in its place; other files in that folder stay as they are.

    One rename makes the difference between the old and the new dataset. A new folder appears whole.
    In one that is there, the rename gives the new files' folder the name under which readers prefer
    them to their old namesakes, which they then replace one by one; one process at a time does so.
    Raises UsageError where another process was first.
    """
    sync_folder(temporary)
    if not out.exists():
        try:
            temporary.rename(out)
        except OSError:
            if not out.exists():
                raise  # else another process has published there since
        else:
            sync_folder(out.parent)
            return
    with _publishing_in(out):
        _settle(out)
        _refuse_existing(out, force)
        temporary.rename(out / COMMITTED)
        sync_folder(out)
        _settle(out)


def _publishing_in(out: Path) -> AbstractContextManager[object]:
    """Give what lets one process at a time replace the files of a folder."""
    import filelock

    return filelock.FileLock(out / LOCK)


def _settle(out: Path) -> None:
    """Move the files of a committed dataset to their places, also those of a killed run."""
    committed = out / COMMITTED
    if not committed.is_dir():
        return
    for name in ("train.bin", "val.bin", "meta.json"):
        with suppress(FileNotFoundError):  # moved before
            (committed / name).replace(out / name)
    (out / "meta.pkl").unlink(missing_ok=True)
    committed.rmdir()
    sync_folder(out)


def _write_durably(path: Path, data: bytes) -> None:
    """Write a file that survives a power cut once its folder is in place."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _notes(
    tokenizer: Tokenizer, train: Part, val: Part, scan: Scan, options: PrepareOptions
) -> list[str]:
    """Say what the user would want to know about the result."""
    notes = []
    found = scan.parsing
    for count, what in (
        (found.unclosed, "turns without an end tag were closed at the next tag"),
        (found.empty, "empty turns were left out"),
        (found.stray, "stretches of text outside of all turns were left out"),
    ):
        if count:
            notes.append(f"{count:,} {what}")
    share = val.tokens / (train.tokens + val.tokens)
    if not options.val_fraction / 2 <= share <= options.val_fraction * 2:
        notes.append(
            f"validation got {share:.0%} of the tokens, because documents stay whole; "
            "another --seed draws others"
        )
    if tokenizer.name not in ("char", "byte") and train.tokens < 100 * tokenizer.vocab_size:
        better = _better_tokenizer(train.bytes)
        if better != tokenizer.name:
            notes.append(
                f"{tokenizer.name}'s vocabulary of {tokenizer.vocab_size:,} is large for "
                f"{train.tokens:,} tokens: --tokenizer {better} trains faster and better"
            )
    return notes


def _better_tokenizer(size: int) -> str:
    """Suggest a tokenizer for ``size`` bytes of training text: one token per 500 bytes."""
    power = int(size / 500).bit_length() - 1
    return f"bpe:{2 ** min(power, 14)}" if power >= 9 else "char"
