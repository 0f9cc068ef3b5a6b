"""Pieces of text to token ids, and ids to the files train.bin and val.bin.

Everything streams: memory does not grow with the input. This module knows neither which document
belongs to which split nor where the files are published.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nanogpt_cli.data.encode import encode_pieces, recut
from nanogpt_cli.data.formats.base import Piece
from nanogpt_cli.data.output import Output, Part
from nanogpt_cli.data.resume import Kept
from nanogpt_cli.data.split import SPLITS, Split
from nanogpt_cli.dialogue import ChatFormat, Turn
from nanogpt_cli.tokenizer.base import END_OF_TEXT, Tokenizer
from nanogpt_cli.tokenizer.engine import EnginesDiffer

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

BATCH = 2**20
"""Characters that are encoded at a time."""


@dataclass(frozen=True)
class _Encoded:
    """The tokens of some pieces of one split."""

    split: Split
    ids: "npt.NDArray[np.uint16] | npt.NDArray[np.uint32]"
    documents: int
    bytes: int
    counted: "npt.NDArray[np.bool_] | None"
    """Which of them are replies (N,), where that is asked for."""


def write_tokens(
    folder: Path,
    pieces: Iterable[tuple[Split, Piece]],
    tokenizer: Tokenizer,
    *,
    separated: bool,
    chat: ChatFormat | None = None,
    workers: int = 1,
    batch: int = BATCH,
    kept: Kept | None = None,
) -> dict[Split, Part]:
    """Encode pieces, ``batch`` characters at a time, and write train.bin and val.bin in order.

    ``separated`` puts ``<|endoftext|>`` after each document, ``chat`` is the format of turns, with
    which train.mask and val.mask are written too, and ``workers`` threads encode. What is ``kept``
    of an earlier attempt is not encoded again. The files have reached the disk when this returns.
    Raises OSError where they cannot be written, and EnginesDiffer as ``encode_pieces`` does.
    """
    encode = _encoder(tokenizer, separated, chat)
    with ExitStack() as stack:
        width, masked = token_dtype(tokenizer).itemsize, chat is not None
        state = kept.state if kept else {}
        try:
            outputs = _opened(folder, width, masked, state, stack)
        except (OSError, KeyError, TypeError, ValueError):
            if not kept or not state:
                raise
            kept.discard()  # less is there than was noted
            state = {}
            outputs = _opened(folder, width, masked, state, stack)
        done = state.get("batches", 0)
        pool = stack.enter_context(ThreadPoolExecutor(workers))
        rest = islice(_batches(pieces, batch), done, None)
        jobs = (pool.submit(encode, *job) for job in rest)
        try:
            for encoded in _in_order(jobs, ahead=workers + 1):
                outputs[encoded.split].add(
                    encoded.ids, encoded.documents, encoded.bytes, encoded.counted
                )
                done += 1
                if kept and kept.due():
                    _note(kept, outputs, done)
        except KeyboardInterrupt:
            if kept:
                _note(kept, outputs, done)
            raise
        except EnginesDiffer:
            if kept:
                kept.discard()  # what was written may be wrong
            raise
        for output in outputs.values():
            output.finish()
    return {split: output.part for split, output in outputs.items()}


def _opened(
    folder: Path, width: int, masked: bool, state: Mapping[str, Any], stack: ExitStack
) -> dict[Split, Output]:
    """Open the files of both splits, which go on where ``state`` says."""
    return {
        split: stack.enter_context(
            Output(folder, split, width, masked=masked, state=state[split] if state else None)
        )
        for split in SPLITS
    }


def _note(kept: Kept, outputs: Mapping[Split, Output], done: int) -> None:
    """Note how far outputs are, once that has reached the disk."""
    kept.save({"batches": done, **{split: output.state() for split, output in outputs.items()}})


def _encoder(
    tokenizer: Tokenizer, separated: bool, chat: ChatFormat | None
) -> Callable[[Split, list[Piece]], _Encoded]:
    """Return the function that turns a batch of pieces into an array of ids."""
    import numpy as np

    dtype = token_dtype(tokenizer)
    end = [tokenizer.special_tokens[END_OF_TEXT]] if separated else []

    def encode(split: Split, batch: list[Piece]) -> _Encoded:
        counted = bytearray() if chat else None
        ids = encode_pieces(batch, tokenizer, chat or ChatFormat(), end, counted)
        texts = (p.text if isinstance(p, Turn) else p or "" for p in batch)
        size = sum(len(text) if text.isascii() else len(text.encode()) for text in texts)
        mask = None if counted is None else np.frombuffer(counted, np.bool_)
        return _Encoded(split, ids.astype(dtype, copy=False), batch.count(None), size, mask)

    return encode


def token_dtype(tokenizer: Tokenizer) -> "np.dtype[Any]":
    """Return the type of an id on the disk: nanoGPT's uint16 where every id fits, else uint32."""
    import numpy as np

    return np.dtype("<u2" if tokenizer.vocab_size <= 2**16 else "<u4")


def _batches(
    pieces: Iterable[tuple[Split, Piece]], size: int
) -> Iterator[tuple[Split, list[Piece]]]:
    """Gather about ``size`` characters of one split at a time, text cut where it may be.

    A document's end is in the batch of what it ends.
    """
    batches: dict[Split, list[Piece]] = {"train": [], "val": []}
    sizes = dict.fromkeys(batches, 0)
    for split, piece in recut(pieces):
        if piece is not None and sizes[split] >= size:
            yield split, batches[split]
            batches[split], sizes[split] = [], 0
        batches[split].append(piece)
        sizes[split] += 16 + len(piece.text if isinstance(piece, Turn) else piece or "")
    yield from batches.items()


def _in_order(jobs: Iterable["Future[_Encoded]"], ahead: int) -> Iterator[_Encoded]:
    """Yield results in order, with no more than ``ahead`` jobs submitted and not yet yielded."""
    pending: deque[Future[_Encoded]] = deque()
    for job in jobs:
        pending.append(job)
        if len(pending) >= ahead:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()
