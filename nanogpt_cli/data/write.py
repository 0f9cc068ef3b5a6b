"""Pieces of text to token ids, and ids to the files train.bin and val.bin.

Everything streams: memory does not grow with the input. This module knows neither which document
belongs to which split nor where the files are published.
"""

import hashlib
import os
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from nanogpt_cli.data.encode import encode_pieces, recut
from nanogpt_cli.data.formats.base import Piece
from nanogpt_cli.data.split import Split
from nanogpt_cli.dialogue import ChatFormat, Turn
from nanogpt_cli.tokenizer.base import END_OF_TEXT, Tokenizer

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from nanogpt_cli.data.mask import MaskWriter

BATCH = 2**20
"""Characters that are encoded at a time."""


@dataclass
class Part:
    """What train.bin or val.bin holds; ``bytes`` are those of its text, without tags."""

    tokens: int = 0
    documents: int = 0
    bytes: int = 0
    sha256: Any = field(default_factory=hashlib.sha256)
    mask: "MaskWriter | None" = None
    """Has written which tokens are replies, in a dialogue."""

    @property
    def reply_tokens(self) -> int:
        """The tokens of replies, and of plain text beside them; all where there is no mask."""
        return self.mask.counted if self.mask else self.tokens

    def to_dict(self) -> dict[str, Any]:
        """Return the entry in meta.json."""
        described = {
            "tokens": self.tokens,
            "documents": self.documents,
            "bytes": self.bytes,
            "sha256": self.sha256.hexdigest(),
        }
        if self.mask:
            described["reply_tokens"] = self.mask.counted
            described["mask_sha256"] = self.mask.sha256.hexdigest()
        return described


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
) -> dict[Split, Part]:
    """Encode pieces, ``batch`` characters at a time, and write train.bin and val.bin in order.

    ``separated`` puts ``<|endoftext|>`` after each document, ``chat`` is the format of turns, with
    which train.mask and val.mask are written too, and ``workers`` threads encode. The files have
    reached the disk when this returns. Raises OSError where they cannot be written, and
    EnginesDiffer as ``encode_pieces`` does.
    """
    encode = _encoder(tokenizer, separated, chat)
    parts: dict[Split, Part] = {"train": Part(), "val": Part()}
    with ExitStack() as stack:
        files = {
            split: stack.enter_context((folder / f"{split}.bin").open("wb")) for split in parts
        }
        masks = [_open_mask(folder, split, parts[split], stack) for split in parts if chat]
        pool = stack.enter_context(ThreadPoolExecutor(workers))
        jobs = (pool.submit(encode, *job) for job in _batches(pieces, batch))
        for encoded in _in_order(jobs, ahead=workers + 1):
            part, data = parts[encoded.split], encoded.ids.tobytes()
            files[encoded.split].write(data)
            part.sha256.update(data)
            part.tokens += len(encoded.ids)
            part.documents += encoded.documents
            part.bytes += encoded.bytes
            if part.mask and encoded.counted is not None:
                part.mask.add(encoded.counted)
        for part in parts.values():
            if part.mask:
                part.mask.finish()
        for file in (*files.values(), *masks):
            file.flush()
            os.fsync(file.fileno())
    return parts


def _open_mask(folder: Path, split: Split, part: Part, stack: ExitStack) -> IO[bytes]:
    """Open the mask of a part, which will write it."""
    from nanogpt_cli.data.mask import MaskWriter

    path = folder / f"{split}.mask"
    file = stack.enter_context(path.open("wb"))
    with suppress(OSError):  # the file system has no modes
        shutil.copymode(path.with_suffix(".bin"), path)
    part.mask = MaskWriter(file)
    return file


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
