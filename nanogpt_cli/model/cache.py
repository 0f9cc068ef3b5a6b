"""Keys and values already computed: a row per sequence, each with its own length.

The model calls ``start``, ``extend`` in every layer and ``advance``; whoever decodes resets,
truncates and selects rows between two calls. Nothing here knows what is in a block.

Shape letters: B rows, T new tokens, S slots that can be attended to, H heads, D head size, L
layers, N new tokens of all rows, padding left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nanogpt_cli.config import ModelConfig

_FILL_AHEAD = 64
"""Slots that are filled with zeros at a time."""


@dataclass
class _Row:
    """What is known of a row without looking at its keys."""

    length: int = 0
    """How many tokens it holds."""
    finite: int = 0
    """How many of its slots have been written to in every layer."""


class KVCache:
    """The keys and values of the tokens seen so far, so that each token is computed once.

    Rows of the same length take a path without gathering, and need no mask of their own: what is
    padding after a row's own tokens, none of them sees. What lies in a row's slots from its length
    on has no meaning, but must be finite before other rows reach further: nan times a weight of 0
    is nan.
    """

    def __init__(self, keys: Tensor, values: Tensor, ids: Tensor, rows: list[_Row]) -> None:
        self.keys, self.values = keys, values  # L, B, H, block_size, D
        self._ids = ids  # B, block_size
        self._rows = rows
        self._ends: list[int] = []  # the lengths after the tokens being computed
        self._span = 0  # S
        self._places: tuple[Tensor, Tensor, Tensor] | None = None  # N each: row, token, slot

    @classmethod
    def empty(cls, config: ModelConfig, rows: int, like: Tensor) -> "KVCache":
        """Return a cache of empty rows, with the device and type of ``like``."""
        size = config.n_embd // config.n_head
        shape = (config.n_layer, rows, config.n_head, config.block_size, size)  # L, B, H, S, D
        # not filled: a context costs memory only as far as it is used
        keys = torch.empty(shape, device=like.device, dtype=like.dtype)
        ids = torch.empty(rows, config.block_size, device=like.device, dtype=torch.long)
        return cls(keys, torch.empty_like(keys), ids, [_Row() for _ in range(rows)])

    @property
    def rows(self) -> int:
        """How many sequences there is room for."""
        return len(self._rows)

    @property
    def lengths(self) -> Tensor:
        """How many tokens each row holds (B,), on the CPU."""
        return torch.tensor([row.length for row in self._rows], device="cpu")

    # --- between two calls of the model -------------------------------------------------------

    def truncate(self, row: int, length: int) -> None:
        """Forget what a row holds from ``length`` on; other rows are not touched."""
        held = self._rows[row].length
        if not 0 <= length <= held:
            raise ValueError(f"row {row} holds {held} tokens, not {length}")
        if length == held:
            return
        self._rows[row].length = length
        for part in (self.keys, self.values):
            part[:, row, :, length:held] = 0  # also what overflowed, which would spread

    def row(self, row: int) -> "KVCache":
        """Return one row as a cache of its own, on the same memory."""
        return self.part(row, row + 1)

    def head(self, count: int) -> "KVCache":
        """Return the first ``count`` rows as a cache of their own, on the same memory."""
        return self.part(0, count)

    def part(self, first: int, end: int) -> "KVCache":
        """Return rows from ``first`` up to ``end`` as a cache of their own, on the same memory."""
        some = slice(first, end)
        return KVCache(self.keys[:, some], self.values[:, some], self._ids[some], self._rows[some])

    def move(self, old: int, new: int) -> None:
        """Put a row in the place of another, which is lost; what was there has no meaning then."""
        if old == new:
            return
        length = self._rows[old].length
        for part in (self.keys, self.values):
            part[:, new, :, :length] = part[:, old, :, :length]
        self._ids[new, :length] = self._ids[old, :length]
        self._rows[new] = _Row(length, max(length, self._rows[new].finite))

    def swap(self, a: int, b: int) -> None:
        """Exchange two rows, as far as they are filled."""
        if a == b:
            return
        filled = max(self._rows[a].finite, self._rows[b].finite, self._rows[a].length)
        for part in (self.keys, self.values):
            kept = part[:, a, :, :filled].clone()
            part[:, a, :, :filled] = part[:, b, :, :filled]
            part[:, b, :, :filled] = kept
        self._ids[[a, b]] = self._ids[[b, a]]
        self._rows[a], self._rows[b] = self._rows[b], self._rows[a]

    def select(self, rows: Sequence[int | None]) -> "KVCache":
        """Return a copy with these rows, in this order; None is an empty row, and one may repeat.

        Drops, reorders, duplicates or adds rows.
        """
        shape = list(self.keys.shape)
        shape[1] = len(rows)
        keys, values = self.keys.new_empty(shape), self.values.new_empty(shape)
        ids = self._ids.new_empty(len(rows), shape[3])
        lengths = [0 if old is None else self._rows[old].length for old in rows]
        for new, (old, length) in enumerate(zip(rows, lengths, strict=True)):
            if old is None:
                continue
            keys[:, new, :, :length] = self.keys[:, old, :, :length]
            values[:, new, :, :length] = self.values[:, old, :, :length]
            ids[new, :length] = self._ids[old, :length]
        return KVCache(keys, values, ids, [_Row(length, length) for length in lengths])

    # --- during a call of the model -----------------------------------------------------------

    def start(self, T: int, counts: Tensor | None) -> tuple[Tensor, int, bool]:
        """Begin a call with T new tokens a row, ``counts`` (B,) of them valid, all by default.

        Returns the tokens' positions (B, T), or (1, T) where all rows are alike; S, how many slots
        can be attended to; and whether rows are alike: each row's tokens, padding included, are the
        last T of S, so that none sees the padding of its row.
        Raises ValueError where a row would exceed block_size.
        """
        block_size, device = self.keys.size(3), self.keys.device
        lengths = [row.length for row in self._rows]
        new = [T] * len(lengths) if counts is None else counts.tolist()
        if not 0 <= min(new) <= max(new) <= T:
            raise ValueError(f"counts {new} are not between 0 and {T}")
        self._ends = [length + count for length, count in zip(lengths, new, strict=True)]
        self._span = max(1, *self._ends)
        if self._span > block_size:
            raise ValueError(f"{self._span} tokens do not fit a block_size of {block_size}")
        if len(set(lengths)) == 1 and max(new) == T:
            self._places = None
            return torch.arange(lengths[0], self._span, device=device)[None], self._span, True
        self._fill(self._span)
        steps = torch.arange(T, device="cpu")
        at = self.lengths[:, None] + steps  # B, T
        own = steps < torch.tensor(new, device="cpu")[:, None]  # B, T
        rows, tokens = own.nonzero(as_tuple=True)  # N
        self._places = rows.to(device), tokens.to(device), at[rows, tokens].to(device)
        at = at.clamp(max=block_size - 1)  # padding may reach past the end
        return at.to(device), self._span, False

    def _fill(self, span: int) -> None:
        """Put zeros where a row was never written to, so that it can be read and masked.

        Some slots further than asked for, so that it is not done again for every token.
        """
        upto = min(self.keys.size(3), span + _FILL_AHEAD)
        for i, row in enumerate(self._rows):
            if row.finite < span:
                self.keys[:, i, :, row.finite : upto] = 0
                self.values[:, i, :, row.finite : upto] = 0
                row.finite = upto

    def extend(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Store new keys and values (B, H, T, D) of ``layer``; return those of all S slots."""
        for part, new in ((self.keys[layer], k), (self.values[layer], v)):
            if self._places is None:
                part[:, :, self._span - new.size(2) : self._span] = new
            else:
                rows, tokens, slots = self._places
                part[rows, :, slots] = new[rows, :, tokens].to(part.dtype)  # N, H, D
        return self.keys[layer, :, :, : self._span], self.values[layer, :, :, : self._span]

    def extend_ids(self, idx: Tensor, before: int) -> Tensor:
        """Store new ids (B, T); return them after up to ``before`` earlier ones of their row.

        (B, up to before + T), with -1 where a row has no earlier token.
        """
        if self._places is None:
            first = self._span - idx.size(1)
            self._ids[:, first : self._span] = idx
            return self._ids[:, max(0, first - before) : self._span]
        rows, tokens, slots = self._places
        self._ids[rows, slots] = idx[rows, tokens]
        steps = torch.arange(-before, 0, device="cpu")
        at = (self.lengths[:, None] + steps).to(idx.device)  # B, before
        earlier = self._ids.gather(1, at.clamp(min=0)).masked_fill(at < 0, -1)
        return torch.cat((earlier, idx), dim=1)

    def advance(self) -> None:
        """End a call: the new tokens are held from now on. An interrupted call holds none."""
        for row, end in zip(self._rows, self._ends, strict=True):
            padded = self._places is None and end < self._span  # whatever that came to
            row.length, row.finite = end, end if padded else max(row.finite, end)
