"""Continuous batching: sequences of one model that join and leave between two steps.

A step reads a part of the prompts that wait to be read and draws one token for every sequence whose
text has been read. Each request has settings, a random generator and an end of its own, and says
the same as it would alone: the ids are those of ``engine.generate``. Nothing here knows a text, a
thread or a network; ``server/worker.py`` calls ``step`` in a thread.

Shape letters: B rows, T new tokens, C channels, V vocabulary.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from nanogpt_cli.inference.engine import (
    common_length,
    first_window_start,
    not_finite,
    window_start,
)
from nanogpt_cli.inference.requests import EndReason, FairQueue, Request
from nanogpt_cli.inference.sampling import Token, draw_ids, row_probabilities
from nanogpt_cli.model.gpt import GPT


@dataclass
class _Row:
    """A request, the ids so far, and which of them are in its row of the cache."""

    request: Request
    ids: list[int]
    start: int
    """Where the window begins that the model reads."""
    cached: int = 0
    """How many ids of the window the cache holds."""
    drawn: int = 0
    seen: set[int] = field(default_factory=set)
    served: int = 0
    """The step at which a part of its text was read last."""

    def pending(self, block_size: int) -> list[int]:
        """Return the ids to be read before the next token; a full window moves on by its half."""
        start = window_start(len(self.ids), self.start, block_size)
        if start != self.start:
            self.start, self.cached = start, 0
        return self.ids[self.start + self.cached :]


class Scheduler:
    """The rows of one model's cache, the requests that use them and those that wait for one.

    ``submit`` and ``Request.cancel`` may be called from any thread, all else from one.
    """

    def __init__(
        self,
        model: GPT,
        *,
        rows: int = 16,
        chunk: int = 128,
        waiting: int = 256,
        vocab_size: int | None = None,
    ) -> None:
        """Make room for ``rows`` sequences, and for ``waiting`` more that have none yet.

        ``chunk`` is how many tokens of prompts a step reads at most, so that a long one does not
        hold up the others. Ids from ``vocab_size`` on are never drawn.
        """
        self.model = model.eval()
        self.rows, self.chunk = rows, max(1, chunk)
        self._vocab_size = vocab_size
        self._block_size = model.config.block_size
        self._queue = FairQueue(waiting)
        self.steps = 0
        self.prompt_tokens = self.reused_tokens = self.new_tokens = 0
        self.reset()

    def reset(self) -> None:
        """Forget all rows and what they held; requests that wait stay."""
        self._cache = self.model.new_cache(self.rows)
        self._active: list[_Row] = []
        self._held: list[list[int]] = [[] for _ in range(self.rows)]
        """The ids that each row of the cache holds, of requests that are over too."""

    @property
    def active(self) -> int:
        """How many requests have a row."""
        return len(self._active)

    @property
    def waiting(self) -> int:
        """How many requests have none yet."""
        return len(self._queue)

    # --- joining ------------------------------------------------------------------------------

    def submit(self, request: Request) -> None:
        """Let a request wait for a row.

        Raises ValueError for a prompt without tokens or with ids that the model does not have, and
        QueueFullError.
        """
        if not request.prompt:
            raise ValueError("a prompt needs at least one token")
        if not 0 <= min(request.prompt) <= max(request.prompt) < self.model.config.vocab_size:
            raise ValueError(f"ids are 0 to {self.model.config.vocab_size - 1}")
        self._queue.add(request)

    def _admit(self) -> None:
        """Give free rows to those who wait."""
        for request, reason in self._queue.remove_over():
            request.on_end(reason)
        for request in self._queue.take(self.rows - len(self._active)):
            self._join(request)

    def _join(self, request: Request) -> None:
        """Give a request the free row that holds most of its beginning, or the emptiest."""
        start = first_window_start(len(request.prompt), self._block_size)
        row = _Row(request, list(request.prompt), start)
        window = row.ids[start:]
        slot, free = len(self._active), range(len(self._active), self.rows)
        shared = (
            {} if request.wants_prompt else {i: common_length(self._held[i], window) for i in free}
        )
        best = max(free, key=lambda i: (shared.get(i, 0), -len(self._held[i])))
        self._swap(slot, best)
        row.cached = min(shared.get(best, 0), len(window) - 1)
        self._cache.truncate(slot, row.cached)
        self._held[slot] = window[: row.cached]
        self.reused_tokens += row.cached
        self._active.append(row)

    def _swap(self, a: int, b: int) -> None:
        self._cache.swap(a, b)
        self._held[a], self._held[b] = self._held[b], self._held[a]

    # --- leaving ------------------------------------------------------------------------------

    def _leave(self, row: _Row, reason: EndReason, error: Exception | None = None) -> None:
        """Free the row of a request; what it holds may be of use to a later one."""
        slot, last = self._active.index(row), len(self._active) - 1
        if error is not None:  # not to be used again: it may not be finite
            self._cache.truncate(slot, 0)
            self._held[slot] = []
        self._swap(slot, last)
        self._active[slot] = self._active[last]
        self._active.pop()
        row.request.on_end(reason, error)

    def fail_all(self, error: Exception) -> None:
        """End every request, with a row or without, and forget all rows."""
        ending = [row.request for row in self._active]
        self._active = []
        for request in [*ending, *self._queue.take()]:
            request.on_end("error", error)
        self.reset()

    # --- a step -------------------------------------------------------------------------------

    def step(self) -> bool:
        """Read a part of the prompts and draw a token for each text that has been read.

        Returns whether anything was left to do. A request that fails ends with its error and
        leaves the others alone.
        """
        for row in list(self._active):
            if reason := row.request.over():
                self._leave(row, reason)
        self._admit()
        if not self._active:
            return False
        self.steps += 1
        ready = self._read(self._share_out())
        self._draw(ready)
        return True

    def _share_out(self) -> dict[int, list[int]]:
        """Return which ids each row reads in this step, by slot.

        Everyone's newest token, and ``chunk`` tokens of longer texts, those first that have waited
        longest.
        """
        pending = [row.pending(self._block_size) for row in self._active]
        for slot, row in enumerate(self._active):
            self._cache.truncate(slot, row.cached)
            del self._held[slot][row.cached :]
        new = {slot: ids for slot, ids in enumerate(pending) if len(ids) == 1}
        left = self.chunk
        for slot in sorted(range(len(pending)), key=lambda slot: self._active[slot].served):
            if slot not in new and left > 0:
                new[slot] = pending[slot][:left]
                left -= len(new[slot])
                self._active[slot].served = self.steps
        return new

    def _read(self, new: dict[int, list[int]]) -> dict[int, Tensor]:
        """Let the model read ids; return the hidden state (C,) at the end of each text, by slot."""
        long = [slot for slot, ids in new.items() if len(ids) > 1]
        groups = [[slot] for slot in long]
        if single := [slot for slot in new if slot not in long]:
            groups.append(single)
        ends: dict[int, Tensor] = {}
        failed: list[tuple[_Row, Exception]] = []
        for group in groups:
            try:
                read = self._read_group(group, new)
            except Exception as error:
                if len(group) == 1:
                    failed.append((self._active[group[0]], error))
                else:  # one of them, perhaps: each by itself
                    groups += [[slot] for slot in group]
                continue
            for slot, hidden in read.items():  # T, C
                row = self._active[slot]
                self._held[slot] += new[slot]
                row.cached += len(new[slot])
                if not row.drawn:
                    self.prompt_tokens += len(new[slot])
                    try:
                        self._tell_prompt(row.request, hidden)
                    except Exception as error:
                        failed.append((row, error))
                        continue
                if row.start + row.cached == len(row.ids):
                    ends[slot] = hidden[-1]
        rows = {slot: self._active[slot] for slot in ends}
        for row, problem in failed:
            self._leave(row, "error", problem)
        return {self._active.index(row): ends[slot] for slot, row in rows.items()}

    @torch.no_grad()
    def _read_group(self, group: list[int], new: dict[int, list[int]]) -> dict[int, Tensor]:
        """Read one text, or the newest tokens of several; return hidden states (T, C) by slot."""
        device = self._cache.keys.device
        if len(group) == 1:
            [slot] = group
            ids = torch.tensor([new[slot]], device=device)  # 1, T
            return {slot: self.model.hidden(ids, self._cache.row(slot))[0]}
        B = max(group) + 1
        counts = None if len(group) == B else torch.tensor([int(i in group) for i in range(B)])
        ids = torch.tensor([new[i] if i in group else [0] for i in range(B)], device=device)  # B, 1
        hidden = self.model.hidden(ids, self._cache.head(B), counts)  # B, 1, C
        return {slot: hidden[slot] for slot in group}

    @torch.no_grad()
    def _tell_prompt(self, request: Request, hidden: Tensor) -> None:
        """Give the logits that follow a part of the prompt (T, C) to who wants them."""
        if request.wants_prompt:
            logits = self.model.lm_head(hidden).float().cpu()  # T, V
            request.on_prompt(logits[:, : self._vocab_size])

    @torch.no_grad()
    def _draw(self, ready: dict[int, Tensor]) -> None:
        """Draw a token for each text that has been read, given its hidden state (C,)."""
        rows = [self._active[slot] for slot in ready]
        for row in rows:
            if row.request.new_tokens == 0:
                self._leave(row, "length")
        pairs = [(r, x) for r, x in zip(rows, ready.values(), strict=True) if r.request.new_tokens]
        if not pairs:
            return
        rows = [row for row, _ in pairs]
        logits = self.model.lm_head(torch.stack([x for _, x in pairs])).float()  # B, V
        logits = logits.cpu()[:, : self._vocab_size]
        finite = logits.isfinite().all(dim=1).tolist()
        for row, sound in zip(rows, finite, strict=True):
            if not sound:
                self._leave(row, "error", not_finite())
        sound_rows = [row for row, sound in zip(rows, finite, strict=True) if sound]
        if not sound_rows:
            return
        logits = logits if all(finite) else logits[torch.tensor(finite)]
        probs = row_probabilities(
            logits, [row.request.config for row in sound_rows], [row.seen for row in sound_rows]
        )
        ids = draw_ids(probs, [row.request.generator for row in sound_rows])
        for row, token, one in zip(sound_rows, ids, logits, strict=True):
            self._append(row, Token(token, one))

    def _append(self, row: _Row, token: Token) -> None:
        """Add a token to a text, and end it where it ends."""
        row.ids.append(token.id)
        row.drawn += 1
        self.new_tokens += 1
        if row.request.config.repeat_penalty != 1:
            row.seen.add(token.id)
        try:
            ended = row.request.on_token(token)
        except Exception as error:
            self._leave(row, "error", error)
            return
        if ended or row.drawn >= row.request.new_tokens:
            self._leave(row, "stop" if ended else "length")
