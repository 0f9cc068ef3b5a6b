"""The micro-batches of each step: which windows, this process's share, on its device."""

from collections.abc import Iterator
from dataclasses import replace

from torch import Tensor

from nanogpt_cli.config import ModelConfig, TrainConfig
from nanogpt_cli.data.batches import training_batch, training_starts
from nanogpt_cli.data.mask import LossMask
from nanogpt_cli.data.order import VERSION
from nanogpt_cli.data.store import Tokens
from nanogpt_cli.training.parallel import Parallel


class Batches:
    """What each step sees, a pure function of the seed and the step.

    ``config`` says how a step is cut into micro-batches; ``shrink`` changes that, and nothing else.
    Shape letters: B batch_size, T block_size.
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
        self.targets = config.batch_size * config.gradient_accumulation_steps * self.block_size
        """Target positions of a step, in all processes together."""

    def of(self, step: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield inputs and targets (B, T) of this process's micro-batches of ``step``.

        A target that the mask does not count is -1.
        """
        device = self.parallel.device
        for micro in self.parallel.micro_steps(self.config.gradient_accumulation_steps):
            place = self._place(step, micro)
            inputs, targets = training_batch(self.tokens, mask=self.mask, **place)
            if device.type == "cuda":
                inputs, targets = inputs.pin_memory(), targets.pin_memory()
            yield inputs.to(device, non_blocking=True), targets.to(device, non_blocking=True)

    def starts(self, step: int) -> list[list[int]]:
        """Return where in the text the windows of each micro-batch of ``step`` start."""
        return [
            training_starts(self.tokens, **self._place(step, micro)).tolist()
            for micro in range(self.config.gradient_accumulation_steps)
        ]

    def shrink(self) -> bool:
        """Cut the micro-batches, so that they take less memory. Whether that was possible."""
        smaller = smaller_micro_batches(self.config)
        self.config = smaller or self.config
        return smaller is not None

    def _place(self, step: int, micro: int) -> dict[str, int]:
        """Return what identifies the windows of a micro-batch."""
        return {
            "seed": self.config.seed,
            "index": step * self.config.gradient_accumulation_steps + micro,
            "batch_size": self.config.batch_size,
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
