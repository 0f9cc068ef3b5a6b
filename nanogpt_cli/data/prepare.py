"""Files of text and dialogues in, a dataset folder out: what `nanogpt prepare` does.

The input is read as a stream of pieces once to measure it, once more where a tokenizer is learned,
and once to write the tokens. This module knows neither the command line nor models.
"""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nanogpt_cli.config import PrepareConfig
from nanogpt_cli.data.corpora import find_corpus
from nanogpt_cli.data.doctor.diagnosis import diagnose
from nanogpt_cli.data.doctor.findings import Findings, refuse_warnings
from nanogpt_cli.data.encode import reliably
from nanogpt_cli.data.encodings import AUTO as RECOGNISED
from nanogpt_cli.data.encodings import check_encoding
from nanogpt_cli.data.given import Input, Progress
from nanogpt_cli.data.output import Part
from nanogpt_cli.data.publish import check_free, publish, temporary_folder, write_durably
from nanogpt_cli.data.resume import discard_kept, kept_tokenizer, resumable_folder
from nanogpt_cli.data.sources import Source, find_sources
from nanogpt_cli.data.split import Scan, Split, training_sample
from nanogpt_cli.data.summary import (
    check_lengths,
    choose_loss_on,
    conversation_notes,
    examples,
    size_notes,
    split_notes,
)
from nanogpt_cli.data.write import token_dtype, write_tokens
from nanogpt_cli.errors import DataError, UsageError
from nanogpt_cli.files import machine_errors
from nanogpt_cli.runs import DATASETS, DOWNLOADS
from nanogpt_cli.tokenizer.base import END_OF_TEXT, Tokenizer, TokenizerKind
from nanogpt_cli.tokenizer.choice import AUTO, suited_tokenizer, why_suited
from nanogpt_cli.tokenizer.load import find_kind, from_dict, named_tokenizer

if TYPE_CHECKING:
    from nanogpt_cli.data.show import Segment


@dataclass(frozen=True)
class PrepareOptions(PrepareConfig):
    """What to prepare, and the settings (keywords only) that say how."""

    inputs: tuple[str, ...] = ()
    """Files, folders, globs or "-"; none is the demo corpus."""
    out: Path | None = None
    """The dataset folder; by default data/NAME after the first input."""


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
    kind: Literal["text", "dialogue"]
    conversations: int
    turns: int
    loss_on: Literal["replies", "all"]
    """What the loss counts: the bot's turns, or everything."""
    train_bytes: int
    """The training text in UTF-8, without tags."""
    trained_tokens: int
    """Those of the training tokens that the loss counts."""
    examples: list[str]
    """The beginnings of two documents, as the model will see them."""
    notes: list[str]
    findings: Findings
    """What the doctor says of it."""
    rendered: list[list["Segment"]] = field(default_factory=list)
    """As many documents as ``show`` asked for, cut where what the loss counts begins and ends."""

    def to_dict(self) -> dict[str, Any]:
        """Return the keys of the JSON contract."""
        result = asdict(self) | {"out": str(self.out), "report": self.findings.to_dict()}
        del result["findings"]
        return result


def prepare(
    options: PrepareOptions, report: Callable[[Progress], None] = lambda _: None
) -> PrepareResult:
    """Write a dataset folder, whole or not at all.

    Raises UsageError where a dataset is there already, DataError for input that cannot be used,
    and MachineError where the disk is full or cannot be written.
    """
    started = time.perf_counter()
    check_encoding(options.encoding)
    if options.fix:
        options = replace(options, repeats="drop", encoding=options.encoding or RECOGNISED)
    with ExitStack() as stack:
        out = options.out or (DATASETS / options.dataset if options.dataset else None)
        downloaded: list[str] = []
        if options.dataset:
            find_corpus(options.dataset)
        if out is not None:  # before a pipe is read to its end
            check_free(out, options.force)
        if options.dataset:
            options = _with_corpus(options, downloaded, report)
        sources, notes = find_sources(options.inputs, options.format, stack, options.encoding)
        notes += downloaded
        named: list[Source] = []
        if options.val:
            named, more = find_sources((options.val,), options.format, stack, options.encoding)
            notes += more
        given = Input(options, sources, notes, report, named)
        if out is None:
            out = DATASETS / _name(options, given.sources)
            check_free(out, options.force)
        known = kept_tokenizer(out, given.key()) if options.resume else None
        tokenizer, scan = _tokenizer(given, known)
        parts, loss_on, shown, findings = _write_dataset(out, given, tokenizer, scan)
    train, val = parts["train"], parts["val"]
    return PrepareResult(
        out=out,
        tokenizer=tokenizer.name,
        train_tokens=train.tokens,
        val_tokens=val.tokens,
        vocab_size=tokenizer.vocab_size,
        bytes=given.size,
        seconds=round(time.perf_counter() - started, 3),
        documents=scan.documents,
        kind="dialogue" if scan.turns else "text",
        conversations=scan.conversations,
        turns=scan.turns,
        loss_on=loss_on,
        train_bytes=train.bytes,
        trained_tokens=train.reply_tokens if loss_on == "replies" else train.tokens,
        examples=shown,
        notes=[
            *given.notes,
            *given.report.notes(),
            *conversation_notes(scan),
            *split_notes(train, val, scan, options),
            *([] if os.path.exists(options.tokenizer) else size_notes(tokenizer, train)),
        ],
        findings=findings,
        rendered=_rendered(out, options.show),
    )


def _with_corpus(
    options: PrepareOptions, notes: list[str], report: Callable[[Progress], None]
) -> PrepareOptions:
    """Return options that name the files of a known corpus, which is downloaded."""
    if options.inputs:
        raise UsageError("--dataset is a corpus, and files are named too", "name one of them")
    from nanogpt_cli.data.download import fetched

    corpus, folder = find_corpus(options.dataset), DATASETS / DOWNLOADS / options.dataset

    def advance(name: str, done: int, total: int) -> None:
        report(Progress(f"downloading {name}", done, total))

    files = fetched([*corpus.files, *corpus.val], folder, notes, advance)
    names = [str(path) for path in files]
    val = names.pop() if corpus.val else ""
    return replace(
        options,
        inputs=tuple(names),
        val=options.val or val,
        format=corpus.format if options.format == "auto" else options.format,
    )


def _rendered(out: Path, count: int) -> list[list["Segment"]]:
    """Return documents of the dataset as the model will read them."""
    if not count:
        return []
    from nanogpt_cli.data.show import rendered  # which, like training, opens the dataset
    from nanogpt_cli.data.store import open_dataset

    return rendered(open_dataset(out), count)


def _name(options: PrepareOptions, sources: list[Source]) -> str:
    """Name a dataset after its first input, or after the first file that a glob matched.

    A name that would be hidden, or that of another folder, becomes an ordinary one.
    """
    if not options.inputs:
        return "demo"
    first = Path(options.inputs[0])
    if str(first) == "-":
        return "stdin"
    stem = (first if os.path.exists(first) else Path(sources[0].name)).resolve().stem
    return stem.lstrip(".") or "text"


def _tokenizer(given: Input, known: Mapping[str, Any] | None) -> tuple[Tokenizer, Scan]:
    """Load the tokenizer that was asked for, or learn it, and measure the input on the way.

    One that was learned before is ``known``.
    """
    name, scan = given.config.tokenizer, None
    if name == AUTO:
        scan = given.scan(alphabet=True)
        name = suited_tokenizer(scan.bytes, len(scan.alphabet or ()))
        given.notes.append(
            f"tokenizer {name}: {why_suited(name, scan.bytes)}; --compare-tokenizers tries others"
        )
    kind, argument = find_kind(name) or (TokenizerKind(), "")
    if kind.learn:
        scan = scan or given.scan(alphabet=kind.learns_from == "characters")
        if known:
            return from_dict(known), scan
        return _learned(given, name, kind, argument, scan), scan
    tokenizer = named_tokenizer(name)
    scan = scan or given.scan(alphabet=not tokenizer.open_vocabulary)
    tokenizer = tokenizer.with_special(_special(given, scan))
    if missing := tokenizer.unknown("".join(sorted(scan.alphabet or ()))):
        raise DataError(
            f"{name} has no token for {len(missing)} characters, among them {missing[0]!r}",
            "choose another tokenizer",
        )
    return tokenizer, scan


def _learned(given: Input, name: str, kind: TokenizerKind, argument: str, scan: Scan) -> Tokenizer:
    """Learn a tokenizer from all characters that occur, or from the training text."""
    assert kind.learn
    if kind.learns_from == "characters":
        texts: Iterator[str] = iter(scan.alphabet or ())
    else:
        texts = training_sample(given.split("learning", scan), scan.characters)
    tokenizer = kind.learn(texts, argument, _special(given, scan))
    if argument.isdecimal() and tokenizer.vocab_size < int(argument):
        given.notes.append(f"the text yields only {tokenizer.vocab_size:,} tokens for {name}")
    return tokenizer


def _special(given: Input, scan: Scan) -> list[str]:
    """Return the special tokens that the dataset needs, in the order of their ids."""
    end = [END_OF_TEXT] if scan.separated else []
    chat = given.chat_format(scan)
    return [*end, *(chat.tags if chat else ())]


def _write_dataset(
    out: Path, given: Input, tokenizer: Tokenizer, scan: Scan
) -> tuple[dict[Split, Part], Literal["replies", "all"], list[str], Findings]:
    """Build the whole dataset in a temporary folder, then publish it.

    Return also what the loss counts, examples, and what the doctor found. Raises DataError for its
    warnings where they are to be errors.
    """
    options, chat = given.config, given.chat_format(scan)
    making = resumable_folder(out) if options.resume else temporary_folder(out)
    with machine_errors(out), making as folder:
        kept = given.kept(folder, tokenizer) if options.resume else None
        parts = reliably(
            lambda: write_tokens(
                folder,
                given.split("tokenizing", scan),
                tokenizer,
                separated=scan.separated,
                chat=chat,
                workers=options.workers or os.cpu_count() or 1,
                kept=kept,
            ),
            warn=given.notes.append,
        )
        check_lengths(parts, given.label, given.report.numbers)
        loss_on = choose_loss_on(options.loss_on, parts, given.label)
        plan, numbers = given.plan(scan), given.report.numbers
        findings = diagnose(scan, plan, parts, tokenizer.vocab_size, numbers)
        if options.strict:
            refuse_warnings(findings, given.label)
        meta = {
            "format": "nanogpt-dataset",
            "version": 1,
            "tokenizer": tokenizer.to_dict(),
            "chat_format": chat.to_dict() if chat else None,
            "dtype": token_dtype(tokenizer).name,
            "vocab_size": tokenizer.vocab_size,
            "train": parts["train"].to_dict(),
            "val": parts["val"].to_dict(),
            "loss_on": loss_on,
            "seed": options.seed,
            "split": "file" if options.val else options.split,
            "val_fraction": options.val_fraction,
            "documents": scan.documents,
            "sources": given.names,
            "bytes": given.size,
        }
        write_durably(folder / "meta.json", json.dumps(meta).encode())
        shown = examples(folder / "train.bin", tokenizer)
        if kept:
            if kept.resumed:
                given.notes.append(f"resumed after {kept.resumed:,} tokens")
            kept.finish()
        publish(folder, out, options.force)
    discard_kept(out)
    return parts, loss_on, shown, findings
