"""The input of a preparation: its files, read anew in each pass, and what is true of all of them.

This module knows neither tokenizers nor where a dataset goes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from nanogpt_cli.config import PrepareConfig
from nanogpt_cli.data.alphabet import Alphabet
from nanogpt_cli.data.arrange import arrange
from nanogpt_cli.data.doctor.examination import Examination
from nanogpt_cli.data.doctor.mend import mended
from nanogpt_cli.data.formats.base import Asked, Piece, Report
from nanogpt_cli.data.resume import Kept, key_of
from nanogpt_cli.data.sources import Source, read_pieces
from nanogpt_cli.data.split import Plan, Scan, Split, plan_split, split, without
from nanogpt_cli.dialogue import ChatFormat
from nanogpt_cli.errors import DataError
from nanogpt_cli.setting import parse_columns
from nanogpt_cli.tokenizer.base import Tokenizer


@dataclass(frozen=True)
class Progress:
    """How many of ``total`` bytes one of the passes has read."""

    phase: str
    done: int
    total: int


@dataclass
class Input:
    """The files to read, and what can be said about the whole of them."""

    config: PrepareConfig
    sources: list[Source]
    notes: list[str]
    progress: Callable[[Progress], None]
    for_validation: list[Source] = field(default_factory=list)
    """The files that were named for validation; with them, all ``sources`` are for training."""

    def __post_init__(self) -> None:
        self.asked = Asked(self.config.me, parse_columns(self.config.columns))
        self.report = Report(self.asked)
        everything = [*self.for_validation, *self.sources]
        self.size = sum(path.stat().st_size for path in {source.path for source in everything})
        self.names = [source.name for source in self.sources]

    @property
    def label(self) -> str:
        """How errors name the input."""
        first, count = self.names[0], len(self.names)
        return first if count == 1 else f"these {count} files: {first}, ..."

    def scan(self, *, alphabet: bool) -> Scan:
        """Measure everything, and count in ``report`` what formats leave out.

        Raises DataError where there is no text.
        """
        drop = self.config.repeats == "drop"
        scan = Scan(self.config.seed, Alphabet() if alphabet else None, drop, Examination())
        advance = self._advance("reading")
        if self.for_validation:
            scan.add_validation(self._read(self.for_validation, self.report, advance))
            if not scan.documents:
                raise DataError(
                    f"there is no text in {self.config.val}", "name another file with --val"
                )
        scan.add(self._read(self.sources, self.report, advance))
        if scan.documents == (scan.for_validation or 0):
            raise DataError(
                f"there is no text in {self.label}", "name a file that contains some text"
            )
        if repeats := sum(scan.dropped):
            self.report.add("repeated document was left out", "repeated documents were left out",
                            repeats)  # fmt: skip
        return scan

    def split(self, phase: str, scan: Scan) -> Iterator[tuple[Split, Piece]]:
        """Yield all pieces with their split; ``phase`` names this pass in the progress."""
        plan = self.plan(scan)
        everything = [*self.for_validation, *self.sources]
        pieces = self._read(everything, Report(self.asked), self._advance(phase))
        return split(without(pieces, scan.dropped) if scan.dropped else pieces, scan, plan)

    def plan(self, scan: Scan) -> Plan:
        """Return how the input is split."""
        return plan_split(scan, self.config.val_fraction, self.config.split)

    def key(self) -> str:
        """Return a hash of what decides the tokens: settings and files."""
        return key_of(self.config, [*self.for_validation, *self.sources])

    def kept(self, folder: Path, tokenizer: Tokenizer) -> Kept:
        """Return what an earlier attempt to prepare just this has kept in a folder."""
        return Kept(folder, self.key(), tokenizer.to_dict())

    def chat_format(self, scan: Scan) -> ChatFormat | None:
        """Return the format in which turns are written; None where there are none."""
        if not scan.turns:
            return None
        return ChatFormat(
            context="<context>" if "context" in scan.tags else "",
            emotion="<emotion>" if "emotion" in scan.tags else "",
            turns=self.config.turns,
        )

    def _read(
        self, sources: list[Source], report: Report, advance: Callable[[int], None]
    ) -> Iterator[Piece]:
        config = self.config
        pieces = read_pieces(sources, config.errors, report, advance)
        if config.fix:
            pieces = mended(pieces, report)
        return arrange(
            pieces,
            report,
            join=config.join,
            context=config.with_context,
            emotion=config.with_emotion,
        )

    def _advance(self, phase: str) -> Callable[[int], None]:
        """Return what is told of each part that a pass has read."""
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            self.progress(Progress(phase, done, self.size))

        return advance
