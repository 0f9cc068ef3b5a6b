"""The micro-batches of each step: which windows, this process's share, on its device."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from torch import Tensor

from nanogpt_cli.config import ModelConfig, TrainConfig
from nanogpt_cli.data.batches import training_batch, training_starts
from nanogpt_cli.data.mask import LossMask
from nanogpt_cli.data.order import VERSION
from nanogpt_cli.data.store import Tokens
from nanogpt_cli.errors import UsageError
from nanogpt_cli.text import counted
from nanogpt_cli.training.parallel import Parallel


class Batches:
    """What each step sees, a pure function of the seed and the step.

    A step has ``batch_size`` x ``gradient_accumulation_steps`` windows, whatever the number of
    processes. Each takes an equal share, in micro-batches of at most ``batch_size``; ``shrink``
    changes that, and nothing else. Shape letters: B windows of a micro-batch, T block_size.
    """

    def __init__(
        self,
        tokens: Tokens,
        model_config: ModelConfig,
        config: TrainConfig,
        parallel: Parallel,
        mask: LossMask | None = None,
        order: int = VERSION,
    ) -> None:
        self.tokens, self.mask, self.config, self.parallel = tokens, mask, config, parallel
        self.order = order
        """The version of the order in which an epoch goes over the text."""
        self.block_size = model_config.block_size
        self.windows = config.batch_size * config.gradient_accumulation_steps
        """Windows of a step, in all processes together."""
        self.targets = self.windows * self.block_size
        """Target positions of a step, in all processes together."""
        if self.windows < parallel.size:
            raise UsageError(
                f"a step has {counted(self.windows, 'sequence')}, too few for "
                f"{parallel.size} processes",
                f"use at most {self.windows} of them, or --batch-size {parallel.size}",
            )

    @property
    def micro_batches(self) -> int:
        """How many micro-batches a step has in each process, the same in all."""
        return math.ceil(math.ceil(self.windows / self.parallel.size) / self.config.batch_size)

    def of(self, step: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield inputs and targets (B, T) of this process's micro-batches of ``step``.

        A target that the mask does not count is -1.
        """
        device = self.parallel.device
        for numbers in self._numbers(step):
            seen = numbers or range(numbers.start, numbers.start + 1)
            inputs, targets = training_batch(self.tokens, mask=self.mask, **self._place(seen))
            if not numbers:  # another process has one more: this one computes, and counts nothing
                targets = targets.new_full(targets.shape, -1)
            if device.type == "cuda":
                inputs, targets = inputs.pin_memory(), targets.pin_memory()
            yield inputs.to(device, non_blocking=True), targets.to(device, non_blocking=True)

    def starts(self, step: int) -> list[list[int]]:
        """Return where in the text the windows of ``step`` start, in lists of ``batch_size``."""
        first, size = step * self.windows, self.config.batch_size
        lists = [range(n, n + size) for n in range(first, first + self.windows, size)]
        return [training_starts(self.tokens, **self._place(numbers)).tolist() for numbers in lists]

    def shrink(self) -> bool:
        """Cut the micro-batches, so that they take less memory. Whether that was possible."""
        smaller = smaller_micro_batches(self.config)
        self.config = smaller or self.config
        return smaller is not None

    def _numbers(self, step: int) -> list[range]:
        """Return which windows of the run are in each of this process's micro-batches."""
        own = self.parallel.share(self.windows)
        first, count = step * self.windows + own.start, self.micro_batches
        ends = [first + micro * len(own) // count for micro in range(count + 1)]
        return [range(*pair) for pair in itertools.pairwise(ends)]

    def _place(self, numbers: range) -> dict[str, Any]:
        """Return what identifies the windows of a micro-batch."""
        return {
            "seed": self.config.seed,
            "numbers": numbers,
            "block_size": self.block_size,
            "order": self.order,
        }


def smaller_micro_batches(config: TrainConfig) -> TrainConfig | None:
    """Return settings with half the micro-batch and twice as many of them, or the nearest to it.

    A step sees the same windows. None where a micro-batch is a single window.
    """
    size = config.batch_size
    parts = next((n for n in range(2, size + 1) if size % n == 0), None)
    if parts is None:
        return None
    return replace(
        config,
        batch_size=size // parts,
        gradient_accumulation_steps=config.gradient_accumulation_steps * parts,
    )
