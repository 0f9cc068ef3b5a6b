"""Evaluations during training: when, over which text, and what the model writes by then.

When is a function of the settings and the step, but for a budget of time: so a resumed run
evaluates where one that was not stopped does. Every process measures its share of the same windows.
Their number is decided when the run is planned, in tokens: neither the batch size nor the memory
changes which text a loss is over.
"""

import math
from collections.abc import Callable
from dataclasses import astuple, dataclass

from nanogpt_cli.config import ModelConfig, SampleConfig, TrainConfig, tokens_per_step
from nanogpt_cli.data.mask import LossMask
from nanogpt_cli.data.store import Dataset, Tokens
from nanogpt_cli.dialogue import stops
from nanogpt_cli.evaluation.loss import (
    Loss,
    Starts,
    evaluate_loss,
    evaluation_windows,
    token_byte_counts,
)
from nanogpt_cli.inference.engine import Decoder, stream_reply
from nanogpt_cli.inference.sampling import sampling_generator
from nanogpt_cli.inference.text_stream import Reply
from nanogpt_cli.training.clock import Clock
from nanogpt_cli.training.guard import Guard
from nanogpt_cli.training.parallel import Parallel
from nanogpt_cli.training.recorder import Recorder
from nanogpt_cli.training.run import Run
from nanogpt_cli.training.state import TrainState

EVALUATIONS = 10
"""How many evaluations a run has where no interval is asked for, beside the early ones."""

FIRST = 25
"""Steps before the first early evaluation; the loss falls fast there."""


@dataclass(frozen=True)
class Evaluation:
    """What was measured at a step."""

    train: Loss
    val: Loss
    best: bool
    """Whether the validation loss is the lowest so far."""
    other: Loss | None
    """Of the other dataset, where there is one."""
    sample: tuple[str, str] | None
    """A prompt and how the model continued it; in the main process, where asked for."""


class Evaluator:
    """Measures fixed windows of both splits, and of another dataset's validation text."""

    def __init__(
        self, run: Run, parallel: Parallel, clock: Clock, guard: Guard, recorder: Recorder
    ) -> None:
        self.dataset, self.model_config, self.config = run.dataset, run.model_config, run.config
        self.other = run.other
        self.parallel, self.clock, self.guard, self.recorder = parallel, clock, guard, recorder
        self._byte_counts = token_byte_counts(run.dataset.tokenizer, run.model_config.vocab_size)
        self._ended = 0.0
        """Seconds of training at which the last evaluation of this process ended."""

    def due(self, state: TrainState) -> bool:
        """Whether to evaluate now: before the first step, at the end, and in between."""
        config = self.config
        if config.eval_only:
            return True
        if state.evaluated_at == state.step:
            return False
        if state.evaluated_at < 0 or self.clock.spent(state):
            return True
        if config.eval_interval:
            return state.step % config.eval_interval == 0
        if config.time:
            rested = state.seconds - self._ended >= 10 * self.clock.evaluation_seconds
            return rested and state.seconds >= config.time * _part_before(state.evaluations)
        interval = max(1, math.ceil(config.max_iters / EVALUATIONS))
        return state.step % interval == 0 or (state.step < interval and self._early(state.step))

    def worthwhile(self, state: TrainState) -> bool:
        """Whether a run that stops here has learned something since it was evaluated."""
        return state.step > 0 and state.evaluated_at != state.step and not self.config.eval_only

    def run(self, state: TrainState, with_sample: bool = True) -> Evaluation:
        """Evaluate the model as it is now.

        Raises StopRequestedError where a signal comes: the state is then as it was, and a resumed
        run evaluates in its place. Raises DivergedError for a loss that is not finite.
        """
        block_size = self.model_config.block_size
        val_windows = evaluation_windows(
            self.dataset.val, block_size, self._budget, self.dataset.val_mask
        )
        budget = self._budget or len(val_windows) * block_size
        train_windows = evaluation_windows(
            self.dataset.train, block_size, budget, self.dataset.train_mask
        )
        data = self.dataset
        shares = [
            self._share(state, data.val, data.val_mask, val_windows),
            self._share(state, data.train, data.train_mask, train_windows),
        ]
        if self.other:
            val_of_other = self.other.val, self.other.val_mask
            windows = evaluation_windows(val_of_other[0], block_size, budget, val_of_other[1])
            shares.append(self._share(state, *val_of_other, windows))
        val, train, *others = self._together(*shares)
        self.parallel.settle(state.model)
        self.guard.check_evaluation(state, val)
        sample = None
        if with_sample and self.config.sample_tokens and self._writes_samples:
            sample = write_sample(state, self.dataset, self.config, self._check)
        self.parallel.wait_for_all()
        best = val.per_token < state.best_val_loss
        state.evaluated_at = state.step
        state.evaluations += 1
        state.evals_since_best = 0 if best else state.evals_since_best + 1
        state.best_val_loss = min(state.best_val_loss, val.per_token)
        return Evaluation(train, val, best, others[0] if others else None, sample)

    def ended(self, state: TrainState) -> None:
        """Note that an evaluation is over, complete or not."""
        self.clock.evaluated(state)
        self._ended = state.seconds

    def _early(self, step: int) -> bool:
        """Whether to evaluate at a step of the first tenth: FIRST, then at twice as many each time.

        Not where an evaluation takes more than half as long as the steps before it.
        """
        cost = steps_of_evaluation(self.dataset, self.model_config, self.config)
        return step >= 2 * cost and step % FIRST == 0 and (step // FIRST).bit_count() == 1

    @property
    def _writes_samples(self) -> bool:
        """Whether this process does; of a model in shards none has what it takes."""
        return self.parallel.is_main and not self.parallel.sharded

    def _check(self) -> None:
        """Raise StopRequestedError on a signal, but not where others would wait for this one."""
        if self.parallel.size == 1:
            self.clock.signals.check()

    @property
    def _budget(self) -> int | None:
        """How many tokens are measured; None is all of val.bin."""
        return self.config.eval_tokens or None

    def _together(self, *shares: Loss) -> list[Loss]:
        """Return the losses of which each process has measured a share, in one collective."""
        sums = self.parallel.zeros(0).new_tensor([astuple(share) for share in shares])
        total = self.parallel.sum(sums).tolist()
        return [Loss(nats, round(tokens), round(size)) for nats, tokens, size in total]

    def _share(
        self, state: TrainState, tokens: Tokens, mask: LossMask | None, windows: Starts
    ) -> Loss:
        """Measure this process's share of the windows in float32, as `nanogpt eval` does."""

        def advance(count: int) -> None:
            self._check()
            self.recorder.evaluating(count)

        return evaluate_loss(
            state.model,
            tokens,
            self._byte_counts,
            mask=mask,
            windows=windows,
            share=(self.parallel.rank, self.parallel.size),
            advance=advance,
        )


def steps_of_evaluation(dataset: Dataset, model_config: ModelConfig, config: TrainConfig) -> float:
    """Estimate how many steps of training take as long as an evaluation without its sample."""
    tokens = 2 * min(config.eval_tokens or math.inf, len(dataset.val))  # of both splits
    return tokens / tokens_per_step(model_config, config) / 3  # it has no backward pass


def _part_before(evaluations: int) -> float:
    """Return the part of a budget of time that is spent before the next evaluation, at least.

    1/80, 1/40, 1/20, and then each tenth; the one before the first step counts.
    """
    early = max(0, 4 - evaluations)
    return max(1, evaluations - 3) / EVALUATIONS / 2.0**early


def write_sample(
    state: TrainState, dataset: Dataset, config: TrainConfig, check: Callable[[], None]
) -> tuple[str, str]:
    """Let the model continue a fixed beginning of the validation text; return both.

    ``check`` is called for each piece and may raise to stop.
    """
    tokenizer, chat = dataset.tokenizer, dataset.chat_format
    prompt = _sample_prompt(dataset, state.model.config)
    sampling = SampleConfig(max_tokens=config.sample_tokens)
    stop_ids, stop_strings = stops(tokenizer, chat)
    reply, generator = Reply(), sampling_generator(config.seed)
    try:
        for _ in stream_reply(
            Decoder(state.model), tokenizer, prompt, sampling, reply,
            stop_ids=stop_ids, stop_strings=stop_strings, generator=generator,
        ):  # fmt: skip
            check()
    finally:
        state.model.train()
    return tokenizer.decode(prompt), reply.text


def _sample_prompt(dataset: Dataset, config: ModelConfig) -> list[int]:
    """Return a fixed beginning: a dialogue up to the bot's first turn, else a few tokens."""
    ids = dataset.val[: config.block_size // 2 + 1].tolist()
    if dataset.chat_format:
        bot = dataset.tokenizer.special_tokens[dataset.chat_format.bot]
        if bot in ids[:-1]:
            return list(ids[: ids.index(bot) + 1])
    return list(ids[: max(1, min(8, len(ids)))])
