"""What is written of one split: its tokens, its mask, and what there is to say of them.

This module knows neither text nor tokenizers.
"""

import hashlib
import os
import shutil
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from nanogpt_cli.data.mask import MaskWriter


@dataclass
class Part:
    """What train.bin or val.bin holds; ``bytes`` are those of its text, without tags."""

    tokens: int = 0
    documents: int = 0
    bytes: int = 0
    sha256: Any = field(default_factory=hashlib.sha256)
    shards: list[int] = field(default_factory=list)
    """The tokens of each file, where there are several."""
    mask: "MaskWriter | None" = None
    """Has written which tokens are replies, in a dialogue."""

    @property
    def reply_tokens(self) -> int:
        """The tokens of replies, and of plain text beside them; all where there is no mask."""
        return self.mask.counted if self.mask else self.tokens

    def to_dict(self) -> dict[str, Any]:
        """Return the entry in meta.json."""
        described: dict[str, Any] = {
            "tokens": self.tokens,
            "documents": self.documents,
            "bytes": self.bytes,
            "sha256": self.sha256.hexdigest(),
        }
        if len(self.shards) > 1:
            described["shards"] = self.shards
        if self.mask:
            described["reply_tokens"] = self.mask.counted
            described["mask_sha256"] = self.mask.sha256.hexdigest()
        return described


class Output:
    """The files of one split while they are written."""

    def __init__(
        self,
        folder: Path,
        split: str,
        width: int,
        *,
        masked: bool,
        state: Mapping[str, Any] | None = None,
    ) -> None:
        """Open them; a token has ``width`` bytes. ``state`` is where to go on.

        Raises OSError, also where less was written than ``state`` says, and KeyError or TypeError
        where it says something else.
        """
        from nanogpt_cli.data.mask import MaskWriter
        from nanogpt_cli.data.shards import ShardWriter

        self.part = part = Part()
        self._mask: IO[bytes] | None = None
        path = folder / f"{split}.mask"
        with ExitStack() as stack:
            size = state["tokens"] * width if state else 0
            writer = ShardWriter(folder, split, width, size, part.sha256.update)
            self._tokens = stack.enter_context(writer)
            if masked:
                self._mask = stack.enter_context(path.open("r+b" if state else "wb"))
                with suppress(OSError):  # the file system has no modes
                    shutil.copymode(path.with_suffix(".bin"), path)
                part.mask = MaskWriter(self._mask)
            if state:
                part.tokens, part.documents = state["tokens"], state["documents"]
                part.bytes = state["bytes"]
                if part.mask:
                    part.mask.restore(state["mask"])
            self._stack = stack.pop_all()

    def add(
        self,
        ids: "npt.NDArray[Any]",
        documents: int,
        size: int,
        counted: "npt.NDArray[np.bool_] | None",
    ) -> None:
        """Write the tokens of so many documents and bytes. Raises OSError where the disk fails."""
        data = ids.tobytes()
        self._tokens.write(data)
        part = self.part
        part.sha256.update(data)
        part.tokens += len(ids)
        part.documents += documents
        part.bytes += size
        if part.mask and counted is not None:
            part.mask.add(counted)

    def state(self) -> dict[str, Any]:
        """Return how far it is, once that has reached the disk. Raises OSError."""
        self._sync()
        part = self.part
        found = {"tokens": part.tokens, "documents": part.documents, "bytes": part.bytes}
        return found | ({"mask": part.mask.state()} if part.mask else {})

    def finish(self) -> None:
        """Write the last of it, which has then reached the disk. Raises OSError."""
        if self.part.mask:
            self.part.mask.finish()
        self.part.shards = self._tokens.sizes()
        self._sync()

    def _sync(self) -> None:
        self._tokens.sync()
        if self._mask:
            self._mask.flush()
            os.fsync(self._mask.fileno())

    def __enter__(self) -> "Output":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()
