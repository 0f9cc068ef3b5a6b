"""Training: the state, one step, and the loop around it.

The loop talks to the outside through a ``Reporter``; it knows no screen and no command line. What a
run computes depends on its settings alone: batches are a function of seed and step, and every other
random number comes from generators that are saved with the state.

Shape letters: B batch, T tokens (block_size).
"""

import math
import os
import platform
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import filelock
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from nanogpt_cli import __version__, files, metrics
from nanogpt_cli.checkpoint import Checkpoint
from nanogpt_cli.config import ModelConfig, SampleConfig, TrainConfig, tokens_per_step
from nanogpt_cli.dataset import Dataset, training_batch
from nanogpt_cli.device import autocast, find_device, find_dtype, try_compile
from nanogpt_cli.distributed import World, join_world
from nanogpt_cli.errors import DivergedError, UsageError
from nanogpt_cli.evaluate import Loss, evaluate_loss, token_byte_counts
from nanogpt_cli.generate import Decoder, Reply, sampling_generator, stream_reply
from nanogpt_cli.model import GPT
from nanogpt_cli.optim import Optimizers, learning_rate, make_optimizers
from nanogpt_cli.runs import BEST, LAST, METRICS

EVALUATIONS = 10
"""How many evaluations a run has where no interval is asked for."""


@dataclass(frozen=True)
class Run:
    """All that is decided before the first step."""

    dataset: Dataset
    out_dir: Path
    model_config: ModelConfig
    config: TrainConfig
    start: Checkpoint | None = None
    """Where the weights come from, unless from scratch."""
    resume: bool = False
    """Whether ``start`` is a run of this kind to be gone on with."""
    keep: tuple[Path, Path] | None = None
    """A checkpoint of another program that this run would replace, and what to keep it as."""
    notes: tuple[str, ...] = ()
    """What had to be assumed, for the user to read."""


@dataclass
class TrainState:
    """What changes from step to step."""

    model: GPT
    optimizers: Optimizers
    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    """Wall-clock seconds of training so far, across resumes."""
    best_val_loss: float = math.inf
    evals_since_best: int = 0
    evaluated_at: int = -1
    """The step of the last evaluation, so that a resumed run does not repeat it."""
    evaluations: int = 0


@dataclass(frozen=True)
class StepReport:
    """One optimizer step: loss in nats per token, and how fast."""

    step: int
    loss: float
    lr: float
    grad_norm: float
    tokens_per_sec: float
    fraction: float
    """How much of the run is done, 0 to 1."""
    seconds: float


@dataclass(frozen=True)
class EvalReport:
    """One evaluation on fixed tokens of both splits, in nats per token."""

    step: int
    train_loss: float
    val_loss: float
    bits_per_byte: float | None
    best: bool


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    reason: str
    """``done``, ``patience``, ``SIGINT`` or ``SIGTERM``."""
    step: int
    seconds: float
    best_val_loss: float | None
    out_dir: Path


class Reporter:
    """Hears what happens in a run; this one keeps it to itself."""

    def start(self, run: Run, model: GPT, device: torch.device) -> None:
        """Hear of the run about to begin."""

    def step(self, report: StepReport) -> None:
        """Hear of a finished optimizer step."""

    def evaluating(self, tokens: int) -> None:
        """Hear that this many more tokens of an evaluation are done."""

    def evaluation(self, report: EvalReport) -> None:
        """Hear of a finished evaluation."""

    def sample(self, step: int, prompt: str, text: str) -> None:
        """Hear what the model writes by now."""

    def note(self, text: str) -> None:
        """Hear something worth knowing."""

    def end(self, outcome: Outcome) -> None:
        """Hear how the run ended, its state saved."""


class StopRequestedError(Exception):
    """Raised inside an evaluation or a sample when the run has been asked to stop."""


class StopSignals:
    """Listens for SIGINT and SIGTERM: the first asks the run to stop, a second SIGINT ends it."""

    def __init__(self) -> None:
        self.received = 0

    @contextmanager
    def listening(self) -> Iterator["StopSignals"]:
        """Listen within this context, then give the signals back."""
        before = {s: signal.signal(s, self._on_signal) for s in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.received and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = number

    def check(self) -> None:
        """Raise StopRequestedError if a signal has come."""
        if self.received:
            raise StopRequestedError


def train_step(
    state: TrainState,
    forward: nn.Module,
    batch: Callable[[int], tuple[torch.Tensor, torch.Tensor]],
    config: TrainConfig,
    *,
    lr: float,
    world: World,
    precision: Callable[[], Any] = nullcontext,
    scaler: "torch.amp.GradScaler | None" = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Make one optimizer step; give its mean loss and the gradient's norm, as tensors.

    ``forward`` is the model as it is called: compiled, or wrapped for many processes. ``batch``
    gives the inputs and targets (B, T) of a micro-step.
    """
    mine = world.micro_steps(config.gradient_accumulation_steps)
    total = torch.zeros((), device=next(state.model.parameters()).device)
    for micro in mine:
        inputs, targets = batch(micro)
        last = micro == mine[-1]
        no_sync = (
            forward.no_sync()
            if isinstance(forward, DistributedDataParallel) and not last
            else nullcontext()
        )
        with no_sync:
            with precision():
                loss = forward(inputs, targets) / len(mine)
            (scaler.scale(loss) if scaler else loss).backward()
        total += loss.detach()
    if scaler:
        for part in state.optimizers.parts:
            scaler.unscale_(part)
    clip = config.grad_clip or math.inf
    norm = nn.utils.clip_grad_norm_(state.model.parameters(), clip)
    state.optimizers.set_lr(lr)
    state.optimizers.step(scaler)
    if scaler:
        scaler.update()
    state.optimizers.zero_grad()
    state.step += 1
    return total, norm


def train(run: Run, reporter: Reporter | None = None) -> Outcome:
    """Train until the budget is spent, the patience is over, or a signal comes; then save.

    Writes ``ckpt.pt`` (the model to use), ``last.pt`` (the state to go on from) and
    ``metrics.jsonl`` into ``run.out_dir``. Raises DivergedError where the loss is not finite, and
    the errors of what it reads and writes.
    """
    device = find_device(run.config.device)
    with join_world(run.config.backend, device) as world:
        world.micro_steps(run.config.gradient_accumulation_steps)
        if device.type == "cuda" and world.size > 1:
            device = torch.device("cuda", world.local_rank)
        if not world.is_main:
            return _Loop(run, Reporter(), device, world).run_to_end()
        with _only_run_in(run.out_dir):
            files.sweep(run.out_dir)
            if run.keep and not run.config.eval_only:
                files.keep_copy(*run.keep)
            return _Loop(run, reporter or Reporter(), device, world).run_to_end()


@contextmanager
def _only_run_in(folder: Path) -> Iterator[None]:
    """Hold the folder's lock. Raises UsageError where another run has it."""
    with files.machine_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / ".lock")
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout as error:
            raise UsageError(
                f"another run is training in {folder}", "wait for it, or choose --out-dir"
            ) from error
    try:
        yield
    finally:
        lock.release()


class _Loop:
    """A run in progress: its state, and what the steps need."""

    def __init__(self, run: Run, reporter: Reporter, device: torch.device, world: World) -> None:
        self.run, self.reporter, self.device, self.world = run, reporter, device, world
        self.config = config = run.config
        self.dtype = find_dtype(config.dtype, device)
        self.precision = lambda: autocast(device, self.dtype)
        self.signals = StopSignals()
        torch.manual_seed(config.seed)
        model = GPT(run.model_config)
        if run.start is not None:
            model.load_state_dict(run.start.model)
        model.to(device)
        self.state = TrainState(model, make_optimizers(model, config))
        self.scaler = torch.amp.GradScaler() if self.dtype == torch.float16 else None
        self.forward = self._wrap(model)
        if world.rank:
            torch.manual_seed(config.seed + world.rank)  # each process drops out other units
        if run.resume and run.start is not None:
            self._restore(run.start)  # after compiling, which draws random numbers
        self.evaluation_seconds = 0.0
        """How long the last evaluation took, with what it saves."""
        self.evaluation_ended = 0.0
        self.since: tuple[float, int] | None = None
        """When, and at how many tokens, the stretch began that the rate is measured over."""
        self.byte_counts = token_byte_counts(run.dataset.tokenizer, run.model_config.vocab_size)

    def _wrap(self, model: GPT) -> nn.Module:
        wanted = self.config.compile
        forward: nn.Module = model
        if wanted or (wanted is None and self.device.type == "cuda"):
            forward = try_compile(model, self._batch(0)[0], self.precision, self.reporter.note)
        if self.world.size > 1:
            forward = DistributedDataParallel(
                forward, device_ids=[self.device.index] if self.device.type == "cuda" else None
            )
        return forward

    def _batch(self, micro: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Give the inputs and targets (B, T) of a micro-step of the present step."""
        inputs, targets = training_batch(
            self.run.dataset.train,
            seed=self.config.seed,
            index=self.state.step * self.config.gradient_accumulation_steps + micro,
            batch_size=self.config.batch_size,
            block_size=self.run.model_config.block_size,
        )
        if self.device.type == "cuda":
            inputs, targets = inputs.pin_memory(), targets.pin_memory()
        return (
            inputs.to(self.device, non_blocking=True),
            targets.to(self.device, non_blocking=True),
        )

    # --- the loop -----------------------------------------------------------------------------

    def run_to_end(self) -> Outcome:
        """Run until there is a reason to stop."""
        if not self.world.is_main:
            return self._loop(None)
        if self.config.eval_only:
            self.state.evaluated_at = -1
            self.reporter.start(self.run, self.state.model, self.device)
            with metrics.MetricsLog(Path(os.devnull)) as nowhere:
                outcome = self._loop(nowhere)
            self.reporter.end(outcome)
            return outcome
        path = self.run.out_dir / METRICS
        cut = metrics.truncate(path, self.state.step) if self.run.resume else 0
        if cut:
            self.reporter.note(f"{cut} lines of {path} were past the checkpoint and are gone")
        elif not self.run.resume and path.exists():
            with files.machine_errors(path):
                path.unlink()
        with metrics.MetricsLog(path) as log:
            log.write("run", **self._description())
            self.reporter.start(self.run, self.state.model, self.device)
            try:
                outcome = self._loop(log)
            except DivergedError:
                log.write("end", step=self.state.step, reason="diverged")
                raise
            log.write("end", step=outcome.step, time=outcome.seconds, reason=outcome.reason)
        self.reporter.end(outcome)
        return outcome

    def _loop(self, log: metrics.MetricsLog | None) -> Outcome:
        state = self.state
        begun = time.perf_counter() - state.seconds
        with self.signals.listening():
            while True:
                try:
                    if log and self._evaluation_due():
                        before = time.perf_counter()
                        self._evaluate(log)
                        self._save(LAST)
                        self.evaluation_ended = time.perf_counter()
                        self.evaluation_seconds = self.evaluation_ended - before
                except StopRequestedError:
                    pass  # what was left out of the evaluation, a resumed run makes up for
                state.seconds = time.perf_counter() - begun
                if self.config.time:
                    state.seconds = self.world.from_main(state.seconds, self.device)
                reason = self._reason_to_stop()
                if reason is not None:
                    break
                self._step(log, begun)
            if log:
                self._save(LAST)
        best = state.best_val_loss if math.isfinite(state.best_val_loss) else None
        return Outcome(reason, state.step, state.seconds, best, self.run.out_dir)

    def _step(self, log: metrics.MetricsLog | None, begun: float) -> None:
        state, config = self.state, self.config
        lr = learning_rate(config, state.step, self._decay_end())
        if self.since is None:
            self.since = time.perf_counter(), state.tokens
        loss, norm = train_step(
            state,
            self.forward,
            self._batch,
            config,
            lr=lr,
            world=self.world,
            precision=self.precision,
            scaler=self.scaler,
        )
        state.tokens += self._tokens_per_step()
        logged = state.step % config.log_interval == 0
        if not logged and self.device.type == "cuda":
            return  # reading the loss would make the GPU wait
        value = float(loss)
        if not math.isfinite(value):
            raise self._diverged(value)
        now = time.perf_counter()
        state.seconds = now - begun
        rate = (state.tokens - self.since[1]) / (now - self.since[0])
        if logged:
            self.since = None
        report = StepReport(
            step=state.step,
            loss=value,
            lr=lr,
            grad_norm=float(norm),
            tokens_per_sec=rate,
            fraction=self._fraction(),
            seconds=state.seconds,
        )
        self.reporter.step(report)
        if log and logged:
            log.write(
                "train",
                step=state.step,
                time=round(state.seconds, 3),
                tokens=state.tokens,
                loss=value,
                lr=lr,
                grad_norm=report.grad_norm,
                tokens_per_sec=round(report.tokens_per_sec, 1),
            )

    def _tokens_per_step(self) -> int:
        return tokens_per_step(self.run.model_config, self.config)

    def _diverged(self, loss: float) -> DivergedError:
        return DivergedError(
            f"the loss became {loss} at step {self.state.step} of {self.run.out_dir}",
            f"try a lower --learning-rate than {self.config.learning_rate:g}; "
            f"{LAST} holds the last good state",
        )

    def _fraction(self) -> float:
        """Give how much of the budget is spent, 0 to 1."""
        if self.config.time:
            return min(1.0, self.state.seconds / self.config.time)
        return min(1.0, self.state.step / self.config.max_iters) if self.config.max_iters else 1.0

    def _decay_end(self) -> int:
        """Give the step on which the schedule lands; with a time budget, the expected one."""
        if not self.config.time:
            return self.config.lr_decay_iters or self.config.max_iters
        # the last evaluation comes out of the budget, and finds a rate that has come down
        spent = self.state.seconds / max(1e-3, self.config.time - self._last_evaluation())
        return round(self.state.step / spent) if spent > 0.01 else 10**9

    def _last_evaluation(self) -> float:
        """Give the seconds of the budget to keep for it; most of a short one is for training."""
        return min(self.evaluation_seconds, self.config.time / 5)

    def _spent(self) -> bool:
        """Tell whether the budget is spent; a time budget includes the last evaluation."""
        if self.config.eval_only:
            return True
        if self.config.time:
            return self.state.seconds >= self.config.time - self._last_evaluation()
        return self.state.step >= self.config.max_iters

    def _reason_to_stop(self) -> str | None:
        """Give why the run is over at this step, the same in every process, or None."""
        go_on, patience, done = -3, -2, -1  # signals' numbers are above
        code = self.signals.received or go_on
        if code == go_on and self.world.is_main:
            lost_patience = 0 < self.config.patience <= self.state.evals_since_best
            code = done if self._spent() else patience if lost_patience else go_on
        code = self.world.agree(code, self.device)
        names = {go_on: None, patience: "patience", done: "done"}
        return names[code] if code in names else signal.Signals(code).name

    # --- evaluation ---------------------------------------------------------------------------

    def _evaluation_due(self) -> bool:
        state, config = self.state, self.config
        if state.evaluated_at == state.step:
            return False
        if self._spent():
            return True
        if config.eval_interval:
            return state.step % config.eval_interval == 0
        if config.time:
            rested = time.perf_counter() - self.evaluation_ended >= 10 * self.evaluation_seconds
            return rested and self._fraction() * EVALUATIONS >= state.evaluations
        return state.step % max(1, config.max_iters // EVALUATIONS) == 0

    def _evaluate(self, log: metrics.MetricsLog) -> None:
        state, config, dataset = self.state, self.config, self.run.dataset
        self.since = None
        limit = config.eval_iters * config.batch_size or None

        def advance(tokens: int) -> None:
            self.signals.check()
            self.reporter.evaluating(tokens)

        def measure(tokens: Any, limit: int | None) -> Loss:
            # in float32, as `nanogpt eval` measures
            return evaluate_loss(
                state.model, tokens, self.byte_counts, limit=limit, advance=advance
            )

        val = measure(dataset.val, limit)
        if not math.isfinite(val.nats):
            raise self._diverged(val.per_token)
        block_size = self.run.model_config.block_size
        train = measure(dataset.train, limit or max(1, val.tokens // block_size))
        best = val.per_token < state.best_val_loss
        state.evaluated_at = state.step
        state.evaluations += 1
        state.evals_since_best = 0 if best else state.evals_since_best + 1
        state.best_val_loss = min(state.best_val_loss, val.per_token)
        if best or config.always_save_checkpoint:
            self._save(BEST, val.per_token)
            log.write("checkpoint", step=state.step, file=BEST)
        bpb = val.bits_per_byte
        log.write(
            "eval",
            step=state.step,
            time=round(state.seconds, 3),
            tokens=state.tokens,
            train_loss=train.per_token,
            val_loss=val.per_token,
            bits_per_byte=bpb,
            val_tokens=val.tokens,
        )
        self.reporter.evaluation(EvalReport(state.step, train.per_token, val.per_token, bpb, best))
        if config.sample_tokens:
            self._sample(log)

    def _sample(self, log: metrics.MetricsLog) -> None:
        """Let the model go on from a fixed beginning of the validation text."""
        dataset = self.run.dataset
        words, prompt = dataset.tokenizer, _sample_prompt(dataset, self.run.model_config)
        sampling = SampleConfig(max_tokens=self.config.sample_tokens)
        stops = {words.special_tokens[dataset.chat_format.end]} if dataset.chat_format else set()
        reply = Reply()
        generator = sampling_generator(self.config.seed)
        try:
            for _ in stream_reply(
                Decoder(self.state.model), words, prompt, sampling, reply,
                stop_ids=stops, generator=generator,
            ):  # fmt: skip
                self.signals.check()
        finally:
            self.state.model.train()
        before = words.decode(prompt)
        log.write("sample", step=self.state.step, prompt=before, text=reply.text)
        self.reporter.sample(self.state.step, before, reply.text)

    # --- saving and going on ------------------------------------------------------------------

    def _save(self, name: str, val_loss: float | None = None) -> None:
        if self.config.eval_only:
            return
        state, dataset = self.state, self.run.dataset
        checkpoint = Checkpoint(
            config=self.run.model_config,
            model=state.model.state_dict(),
            tokenizer=dataset.tokenizer.to_dict(),
            chat_format=dataset.chat_format.to_dict() if dataset.chat_format else None,
            data={"folder": str(dataset.folder), "fingerprint": dataset.fingerprint},
            train_config=asdict(self.config),
            step=state.step,
            val_loss=val_loss,
            training=self._training_state() if name == LAST else None,
        )
        checkpoint.save(self.run.out_dir / name)

    _COUNTERS = (
        "tokens", "seconds", "best_val_loss", "evals_since_best", "evaluated_at", "evaluations"
    )  # fmt: skip

    def _training_state(self) -> dict[str, Any]:
        rng: dict[str, Any] = {"cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            rng["cuda"] = torch.cuda.get_rng_state(self.device)
        return {
            "optimizers": self.state.optimizers.state_dict(),
            "scaler": self.scaler.state_dict() if self.scaler else None,
            "rng": rng,
            **{name: getattr(self.state, name) for name in self._COUNTERS},
        }

    def _restore(self, start: Checkpoint) -> None:
        """Take over optimizer, counters and RNGs of the run to go on with."""
        state = self.state
        state.step = start.step
        saved = start.training or {}
        state.tokens = start.step * self._tokens_per_step()
        state.best_val_loss = math.inf if start.val_loss is None else start.val_loss
        for name in self._COUNTERS:
            if name in saved:
                setattr(state, name, saved[name])
        try:
            state.optimizers.load_state_dict(saved.get("optimizers", []))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            self.reporter.note(f"the optimizer starts anew: {error}")
        if self.scaler and saved.get("scaler"):
            self.scaler.load_state_dict(saved["scaler"])
        rng = saved.get("rng", {})
        if "cpu" in rng:
            torch.set_rng_state(rng["cpu"])
        if "cuda" in rng and self.device.type == "cuda":
            torch.cuda.set_rng_state(rng["cuda"], self.device)

    def _description(self) -> dict[str, Any]:
        """Describe the run for the log's first line."""
        dataset = self.run.dataset
        return {
            "step": self.state.step,
            "model": asdict(self.run.model_config),
            "config": asdict(self.config),
            "parameters": self.state.model.parameter_count(),
            "data": {
                "folder": str(dataset.folder),
                "fingerprint": dataset.fingerprint,
                "train_tokens": len(dataset.train),
                "val_tokens": len(dataset.val),
                "tokenizer": dataset.tokenizer.name,
            },
            "machine": {
                "device": str(self.device),
                "dtype": str(self.dtype).removeprefix("torch."),
                "threads": torch.get_num_threads(),
                "processes": self.world.size,
                "system": platform.platform(),
            },
            "versions": {
                "nanogpt": __version__,
                "torch": torch.__version__,
                "python": platform.python_version(),
            },
        }


def _sample_prompt(dataset: Dataset, config: ModelConfig) -> list[int]:
    """Give a fixed beginning: a dialogue up to the bot's first turn, else a few tokens."""
    ids = dataset.val[: config.block_size // 2 + 1].tolist()
    if dataset.chat_format:
        bot = dataset.tokenizer.special_tokens[dataset.chat_format.bot]
        if bot in ids[:-1]:
            return list(ids[: ids.index(bot) + 1])
    return list(ids[: max(1, min(8, len(ids)))])
