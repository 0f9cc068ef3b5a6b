"""Training: the state, one step, and the loop around it.

The loop talks to the outside through a ``Reporter``; it knows no screen and no command line. What a
run computes depends on its settings alone: batches and dropout are functions of seed and step.

Shape letters: B batch, T tokens (block_size).
"""

import math
import os
import platform
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from nanogpt_cli import __version__, files
from nanogpt_cli.checkpoint.torchfile import Checkpoint
from nanogpt_cli.config import (
    ModelConfig,
    SampleConfig,
    TrainConfig,
    parse_interval,
    tokens_per_step,
)
from nanogpt_cli.data.batches import training_batch, training_starts
from nanogpt_cli.data.store import Dataset
from nanogpt_cli.device import autocast, find_device, find_dtype, try_compile
from nanogpt_cli.errors import DivergedError, MachineError, UsageError, is_out_of_memory
from nanogpt_cli.evaluation.loss import Loss, evaluate_loss, token_byte_counts
from nanogpt_cli.inference.engine import Decoder, Reply, sampling_generator, stream_reply
from nanogpt_cli.logs import metrics
from nanogpt_cli.model.gpt import GPT
from nanogpt_cli.runs import BEST, LAST, LOCK, METRICS, saved_states
from nanogpt_cli.training.optim import Optimizers, learning_rate, make_optimizers
from nanogpt_cli.training.parallel import World, join_world
from nanogpt_cli.training.saver import Saver
from nanogpt_cli.training.signals import StopRequestedError, StopSignals
from nanogpt_cli.training.watch import Watch

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
    loaded: tuple[Path, object] | None = None
    """Of a run to go on with, the file that ``start`` was read from, and its stamp then."""
    fresh: bool = False
    """Whether ``out_dir`` held no run when this was planned, and must not when it begins."""
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
    watch: Watch = field(default_factory=Watch)


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


def compute_gradients(
    state: TrainState,
    forward: nn.Module,
    batch: Callable[[int], tuple[torch.Tensor, torch.Tensor]],
    config: TrainConfig,
    *,
    world: World,
    precision: Callable[[], Any] = nullcontext,
    scaler: "torch.amp.GradScaler | None" = None,
) -> tuple[float, float]:
    """Add up the gradients of a step's micro-batches; return their mean loss and the norm.

    The mean is over all targets of the step that count (those of -1 do not), however they are
    spread over micro-batches and processes.

    ``forward`` is the model as it is called: compiled, or wrapped for many processes. ``batch``
    gives the inputs and targets (B, T) of a micro-step. A norm that is finite has been clipped.
    """
    mine = world.micro_steps(config.gradient_accumulation_steps)
    device = next(state.model.parameters()).device
    totals = torch.zeros(2, device=device)  # nats, and targets that count
    positions = 0
    state.optimizers.zero_grad()
    for micro in mine:
        inputs, targets = batch(micro)
        positions = len(mine) * targets.numel()  # of this process: all of them, counting or not
        last = micro == mine[-1]
        no_sync = (
            forward.no_sync()
            if isinstance(forward, DistributedDataParallel) and not last
            else nullcontext()
        )
        with no_sync:
            with precision():
                nats = forward(inputs, targets)
            loss = nats / positions
            (scaler.scale(loss) if scaler else loss).backward()
        totals += torch.stack([nats.detach(), (targets >= 0).sum()])
    if scaler:
        for part in state.optimizers.parts:
            scaler.unscale_(part)
    parameters = [p for p in state.model.parameters() if p.grad is not None]
    gradients = [p.grad for p in parameters if p.grad is not None]
    nats, counted = totals.tolist()
    if world.size == 1 and 0 < counted < positions:
        torch._foreach_mul_(gradients, positions / counted)
    norm = nn.utils.get_total_norm(gradients)
    if config.grad_clip:
        clipped = torch.where(norm.isfinite(), norm, 0.0)  # what is no number stays as it is
        nn.utils.clip_grads_with_norm_(parameters, config.grad_clip, clipped)
    return nats / max(1.0, counted), float(norm)


def apply_gradients(
    state: TrainState, lr: float, scaler: "torch.amp.GradScaler | None" = None
) -> None:
    """Make the optimizer step that the gradients ask for."""
    state.optimizers.set_lr(lr)
    state.optimizers.step(scaler)
    if scaler:
        scaler.update()


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
        if run.config.eval_only:
            return _Loop(run, reporter or Reporter(), device, world).run_to_end()
        with _only_run_in(run.out_dir):
            # another run may have begun and ended since this one was planned
            if run.fresh:
                refuse_existing(run.out_dir)
            if run.loaded and files.stamp(run.loaded[0]) != run.loaded[1]:
                raise UsageError(
                    f"{run.loaded[0]} was replaced by another run just now", "run the command again"
                )
            files.sweep(run.out_dir)
            if run.keep:
                files.keep_copy(*run.keep)
            return _Loop(run, reporter or Reporter(), device, world).run_to_end()


def refuse_existing(folder: Path) -> None:
    """Raise UsageError where ``folder`` holds a run."""
    saved = saved_states(folder)
    if saved or (folder / METRICS).exists():
        go_on = f"go on with it: --init-from resume --out-dir {folder}; or " if saved else ""
        raise UsageError(f"{folder} holds a run already", f"{go_on}start over: --force")


@contextmanager
def _only_run_in(folder: Path) -> Iterator[None]:
    """Hold the folder's lock. Raises UsageError where another run has it, naming its process."""
    holder = ""
    with files.machine_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / LOCK)
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout as error:
            with suppress(OSError):  # where a locked file cannot be read
                holder = (folder / LOCK).read_bytes()[:80].decode(errors="replace")
            raise UsageError(
                f"another run is training in {folder}{holder and f' (process {holder})'}",
                "wait for it, or choose --out-dir",
            ) from error
        with suppress(OSError):
            (folder / LOCK).write_text(f"{os.getpid()} on {platform.node()}")
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
        self.precision = partial(autocast, device, self.dtype)
        self.signals = StopSignals()
        torch.manual_seed(config.seed)
        model = GPT(run.model_config)
        if run.start is not None:
            model.load_state_dict(run.start.model)
        model.to(device)
        self.state = TrainState(model, make_optimizers(model, config))
        self.scaler = torch.amp.GradScaler() if self.dtype == torch.float16 else None
        self.forward: nn.Module = model
        if run.resume and run.start is not None:
            self._restore(run.start)
        self.save_every = parse_interval(config.save_every)
        self.saved_at: int | None = None
        """The step of the state that was saved last."""
        self.saved_when = self.safe_when = 0.0
        """When that was, and when the state was the present one that is surely on the disk."""
        self.evaluation_seconds = 0.0
        """How long the last evaluation took."""
        self.evaluation_ended = 0.0
        self.since: tuple[float, int] | None = None
        """When, and at how many tokens, the stretch began that the rate is measured over."""
        self.byte_counts = token_byte_counts(run.dataset.tokenizer, run.model_config.vocab_size)

    def _wrap(self, model: GPT) -> nn.Module:
        wanted = self.config.compile
        forward: nn.Module = model
        if wanted or (wanted is None and self.device.type == "cuda"):
            # processes compile together, and none may leave the others waiting
            with self.signals.interrupting() if self.world.size == 1 else nullcontext():
                forward = try_compile(model, self._batch(0)[0], self.precision, self.reporter.note)
        if self.world.size > 1:
            forward = DistributedDataParallel(
                forward, device_ids=[self.device.index] if self.device.type == "cuda" else None
            )
        return forward

    def _batch(self, micro: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Give the inputs and targets (B, T) of a micro-step of the present step."""
        inputs, targets = training_batch(self.run.dataset.train, **self._place(micro))
        if self.device.type == "cuda":
            inputs, targets = inputs.pin_memory(), targets.pin_memory()
        return (
            inputs.to(self.device, non_blocking=True),
            targets.to(self.device, non_blocking=True),
        )

    def _place(self, micro: int) -> dict[str, int]:
        """Give what says which windows of the training text belong to a micro-step."""
        return {
            "seed": self.config.seed,
            "index": self.state.step * self.config.gradient_accumulation_steps + micro,
            "batch_size": self.config.batch_size,
            "block_size": self.run.model_config.block_size,
        }

    # --- the loop -----------------------------------------------------------------------------

    def run_to_end(self) -> Outcome:
        """Run until there is a reason to stop."""
        with self.signals.listening():
            if self.config.eval_only:
                return self._evaluate_only() if self.world.is_main else self._loop(None, None)
            if not self.world.is_main:
                self._prepare(None)
                return self._loop(None, None)
            return self._run_and_save()

    def _prepare(self, log: metrics.MetricsLog | None) -> None:
        """Compile and wrap the model, unless a signal comes first."""
        while True:
            try:
                with suppress(StopRequestedError):
                    self.forward = self._wrap(self.state.model)
                return
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            self._use_less_memory(log)

    def _evaluate_only(self) -> Outcome:
        self.state.evaluated_at = -1
        self.reporter.start(self.run, self.state.model, self.device)
        with metrics.MetricsLog(Path(os.devnull)) as nowhere:
            outcome = self._loop(nowhere, None)
        self.reporter.end(outcome)
        return outcome

    def _run_and_save(self) -> Outcome:
        path, state = self.run.out_dir / METRICS, self.state
        if self.run.resume:
            cut = metrics.truncate(path, state.step, evaluated=state.evaluated_at == state.step)
            if cut:
                self.reporter.note(f"{cut} lines of {path} were past the checkpoint and are gone")
            if self.run.start and self.run.start.training is None:
                state.seconds = metrics.last_time(path)
        else:
            self._start_over()
        with metrics.MetricsLog(path) as log:
            log.write("run", **self._description())
            self._prepare(log)
            self.reporter.start(self.run, self.state.model, self.device)
            try:
                with Saver(self.run.out_dir, self.config.keep) as saver:
                    outcome = self._loop(log, saver)
            except DivergedError:
                log.write("end", step=self.state.step, reason="diverged")
                raise
            seconds = round(outcome.seconds, 3)
            log.write("end", step=outcome.step, time=seconds, reason=outcome.reason)
            log.sync()
        self.reporter.end(outcome)
        return outcome

    def _start_over(self) -> None:
        """Remove an old run, its states first: what is left must not be taken for this one's."""
        folder = self.run.out_dir
        with files.machine_errors(folder):
            for path in (*saved_states(folder), folder / METRICS):
                path.unlink(missing_ok=True)

    def _loop(self, log: metrics.MetricsLog | None, saver: Saver | None) -> Outcome:
        state = self.state
        begun = time.perf_counter() - state.seconds
        while True:
            try:
                if log and self._evaluation_due():
                    before = time.perf_counter()
                    self._evaluate(log, saver)
                    self.evaluation_ended = time.perf_counter()
                    self.evaluation_seconds = self.evaluation_ended - before
            except StopRequestedError:
                pass  # a resumed run evaluates in its place
            state.seconds = time.perf_counter() - begun
            if self.config.time:  # the clock of one process sets the rate of all
                state.seconds = self.world.from_main(state.seconds, self.device)
                self.evaluation_seconds = self.world.from_main(self.evaluation_seconds, self.device)
            reason = self._reason_to_stop()
            if log and saver and (reason is not None or self._save_due(saver)):
                self._save(saver, LAST, log)
            if reason is not None:
                break
            self._step(log, begun)
        if saver:
            saver.wait(BEST, LAST)
        best = state.best_val_loss if math.isfinite(state.best_val_loss) else None
        return Outcome(reason, state.step, state.seconds, best, self.run.out_dir)

    def _step(self, log: metrics.MetricsLog | None, begun: float) -> None:
        state, config = self.state, self.config
        lr = learning_rate(config, state.step, self._decay_end())
        if self.since is None:
            self.since = time.perf_counter(), state.tokens
        loss, norm = self._gradients(log)
        if self._usable(log, loss, norm, lr):
            apply_gradients(state, lr, self.scaler)
        elif self.scaler:
            self.scaler.update()  # scales less
        state.optimizers.zero_grad()
        state.step += 1
        state.tokens += self._tokens_per_step()
        usual = state.watch.add(state.step, loss, norm)
        now = time.perf_counter()
        state.seconds = now - begun
        rate = (state.tokens - self.since[1]) / (now - self.since[0])
        logged = state.step % config.log_interval == 0
        if logged:
            self.since = None
        self.reporter.step(
            StepReport(
                step=state.step,
                loss=loss,
                lr=lr,
                grad_norm=norm,
                tokens_per_sec=rate,
                fraction=self._fraction(),
                seconds=state.seconds,
            )
        )
        if log and usual is not None:
            self.reporter.note(f"the loss leaped to {loss:.3f} at step {state.step:,}")
            log.write("spike", step=state.step, loss=loss, mean=usual, grad_norm=norm)
        if log and logged:
            log.write(
                "train",
                step=state.step,
                time=round(state.seconds, 3),
                tokens=state.tokens,
                loss=loss,
                lr=lr,
                grad_norm=norm,
                tokens_per_sec=round(rate, 1),
            )

    def _gradients(self, log: metrics.MetricsLog | None) -> tuple[float, float]:
        """Compute the step's gradients; where memory runs out, in smaller micro-batches."""
        while True:
            torch.manual_seed(step_seed(self.config.seed, self.state.step, self.world.rank))
            try:
                return compute_gradients(
                    self.state,
                    self.forward,
                    self._batch,
                    self.config,
                    world=self.world,
                    precision=self.precision,
                    scaler=self.scaler,
                )
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            self._use_less_memory(log)

    def _use_less_memory(self, log: metrics.MetricsLog | None) -> None:
        """Cut the micro-batches; a step sees the same windows as before."""
        config = smaller_micro_batches(self.config)
        if config is None or self.world.size > 1:
            raise MachineError(
                f"out of memory at step {self.state.step} of {self.run.out_dir}",
                "use a smaller --batch-size with more --gradient-accumulation-steps"
                if config
                else "use a shorter --block-size or a smaller model (--n-embd, --n-layer)",
            )
        self.config = config
        self.state.optimizers.zero_grad()
        if self.scaler:
            scale = self.scaler.state_dict()
            self.scaler = torch.amp.GradScaler()  # which knows of no half-made step
            self.scaler.load_state_dict(scale)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        sizes = {k: getattr(config, k) for k in ("batch_size", "gradient_accumulation_steps")}
        self.reporter.note(
            f"out of memory: going on with {sizes['gradient_accumulation_steps']} micro-batches "
            f"of {sizes['batch_size']}, the same tokens per step"
        )
        if log:
            log.write("memory", step=self.state.step, **sizes)

    def _usable(self, log: metrics.MetricsLog | None, loss: float, norm: float, lr: float) -> bool:
        """Tell whether the gradients may move the weights. Raises DivergedError."""
        watch, at = self.state.watch, self.state.step + 1
        # every process has the same norm, but its own loss
        lost = self.world.agree(int(not math.isfinite(loss)), self.device)
        if math.isfinite(norm) and not lost:
            watch.skipped = 0
            return True
        if self.scaler and not lost and self.scaler.get_scale() >= 1:
            return False  # in fp16 that happens, until the scale fits
        watch.skipped += 1
        event = "diverged" if lost or watch.skipped > 1 else "skipped"
        if log:
            log.write(event, **self._what_led_here(at, loss, norm, lr))
        if event == "diverged":
            what = "two gradients in a row were no numbers"
            if lost:
                what = f"the loss became {loss}"
                what = "another process's loss became no number" if math.isfinite(loss) else what
            raise self._diverged(what, at)
        self.reporter.note(f"the gradient of step {at:,} was no number and is skipped")
        return False

    def _what_led_here(self, step: int, loss: float, norm: float, lr: float) -> dict[str, Any]:
        """Describe a step whose loss or gradient is no number, before it is forgotten."""
        windows = [
            training_starts(self.run.dataset.train, **self._place(micro)).tolist()
            for micro in range(self.config.gradient_accumulation_steps)
        ]
        return {
            "step": step,
            "loss": loss,
            "grad_norm": norm,
            "lr": lr,
            "windows": windows,
            "recent": self.state.watch.led_here(),
            "norms": {
                name: {"weight": float(p.detach().norm()), "grad": float(p.grad.norm())}
                for name, p in self.state.model.named_parameters()
                if p.grad is not None
            },
        }

    def _tokens_per_step(self) -> int:
        return tokens_per_step(self.run.model_config, self.config)

    def _diverged(self, what: str, step: int) -> DivergedError:
        saved = f"{LAST} holds the good state of step {self.saved_at}, and "
        return DivergedError(
            f"{what} at step {step} of {self.run.out_dir}",
            f"try a lower --learning-rate than {self.config.learning_rate:g}; "
            f"{saved if self.saved_at is not None else ''}{METRICS} has what led here",
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
        if self._spent() or state.evaluated_at < 0:
            return True
        if config.eval_interval:
            return state.step % config.eval_interval == 0
        if config.time:
            rested = time.perf_counter() - self.evaluation_ended >= 10 * self.evaluation_seconds
            return rested and self._fraction() * EVALUATIONS >= state.evaluations
        return state.step % max(1, math.ceil(config.max_iters / EVALUATIONS)) == 0

    def _evaluate(self, log: metrics.MetricsLog, saver: Saver | None) -> None:
        """Measure both splits and let the model write; all of it, or where a signal comes none."""
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
            log.write("diverged", step=state.step, val_loss=val.nats, recent=state.watch.led_here())
            raise self._diverged(f"the validation loss became {val.per_token}", state.step)
        block_size = self.run.model_config.block_size
        train = measure(dataset.train, limit or max(1, val.tokens // block_size))
        sample = self._sample() if config.sample_tokens else None
        best = val.per_token < state.best_val_loss
        state.evaluated_at = state.step
        state.evaluations += 1
        state.evals_since_best = 0 if best else state.evals_since_best + 1
        state.best_val_loss = min(state.best_val_loss, val.per_token)
        if saver and (best or config.always_save_checkpoint):
            self._save(saver, BEST, log, val.per_token)
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
        if sample:
            prompt, text = sample
            log.write("sample", step=state.step, prompt=prompt, text=text)
            self.reporter.sample(state.step, prompt, text)

    def _sample(self) -> tuple[str, str]:
        """Let the model go on from a fixed beginning of the validation text; give both."""
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
        return words.decode(prompt), reply.text

    # --- saving and going on ------------------------------------------------------------------

    def _save_due(self, saver: Saver) -> bool:
        """Tell whether to save now; with an interval of time, wait where the disk lags behind.

        The first save comes before the first step: a killed run goes on from there, exactly. An
        interval of time lasts until a save is on the disk, so that no more than that is ever lost.
        """
        steps, seconds = self.save_every
        lagging = saver.is_writing(LAST)
        if self.saved_at == self.state.step or not (steps or seconds):
            return False
        if self.saved_at is None:
            return True
        if steps:
            return self.state.step % steps == 0
        now = time.perf_counter()
        if lagging and now - self.safe_when > seconds:
            saver.wait(LAST)
            lagging = False
        if lagging:
            return False
        self.safe_when = self.saved_when
        return now - self.saved_when > seconds - min(1.5 * saver.seconds, seconds / 2)

    def _save(
        self, saver: Saver, name: str, log: metrics.MetricsLog, val_loss: float | None = None
    ) -> None:
        """Save the state as it is now. Raises DivergedError where weights are no numbers."""
        state, dataset = self.state, self.run.dataset
        norms = torch.stack(torch._foreach_norm(list(state.model.parameters())))
        if not norms.isfinite().all():
            log.write("diverged", step=state.step, recent=state.watch.led_here())
            raise self._diverged("weights became no numbers", state.step)
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
        saver.save(name, checkpoint, first=log.sync)
        if name == LAST:
            self.saved_when = time.perf_counter()
            if self.saved_at is None:
                self.safe_when = self.saved_when
            self.saved_at = state.step

    _COUNTERS = (
        "tokens", "seconds", "best_val_loss", "evals_since_best", "evaluated_at", "evaluations"
    )  # fmt: skip

    def _training_state(self) -> dict[str, Any]:
        return {
            "optimizers": self.state.optimizers.state_dict(),
            "scaler": self.scaler.state_dict() if self.scaler else None,
            "watch": self.state.watch.state_dict(),
            "machine": self._machine(),
            **{name: getattr(self.state, name) for name in self._COUNTERS},
        }

    def _restore(self, start: Checkpoint) -> None:
        """Take over optimizer and counters of the run to go on with; say what is not exact."""
        state = self.state
        state.step = start.step
        saved = start.training or {}
        state.tokens = start.step * self._tokens_per_step()
        for name in self._COUNTERS:
            if type(saved.get(name)) in (int, float):
                setattr(state, name, saved[name])
        try:
            state.optimizers.load_state_dict(saved.get("optimizers", []))
        except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
            state.optimizers = make_optimizers(state.model, self.config)
            self.reporter.note(f"the optimizer starts anew: {error}")
        if self.scaler and saved.get("scaler"):
            self.scaler.load_state_dict(saved["scaler"])
        with suppress(KeyError, TypeError, ValueError):
            state.watch.load_state_dict(saved["watch"])
        before, now = saved.get("machine"), self._machine()
        if isinstance(before, dict):
            changes = [f"{k} {before.get(k)} -> {now[k]}" for k in now if before.get(k) != now[k]]
            if changes:
                self.reporter.note(
                    f"going on, but no longer bit for bit as before: {', '.join(changes)}"
                )

    def _machine(self) -> dict[str, Any]:
        """Give what the rounding of a result depends on, beside the settings."""
        return {
            "torch": str(torch.__version__),
            "threads": torch.get_num_threads(),
            "processes": self.world.size,
            "device": self.device.type,
            "dtype": str(self.dtype).removeprefix("torch."),
        }

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
                **{k: v for k, v in self._machine().items() if k != "torch"},
                "device": str(self.device),
                "system": platform.platform(),
            },
            "versions": {
                "nanogpt": __version__,
                "torch": str(torch.__version__),
                "python": platform.python_version(),
            },
        }


def step_seed(seed: int, step: int, rank: int) -> int:
    """Give the seed of a step's dropout in the process ``rank``, a pure function."""
    return int(np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)[0] >> 1)


def smaller_micro_batches(config: TrainConfig) -> TrainConfig | None:
    """Give settings with half the micro-batch and twice as many of them, or the nearest to it.

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


def _sample_prompt(dataset: Dataset, config: ModelConfig) -> list[int]:
    """Give a fixed beginning: a dialogue up to the bot's first turn, else a few tokens."""
    ids = dataset.val[: config.block_size // 2 + 1].tolist()
    if dataset.chat_format:
        bot = dataset.tokenizer.special_tokens[dataset.chat_format.bot]
        if bot in ids[:-1]:
            return list(ids[: ids.index(bot) + 1])
    return list(ids[: max(1, min(8, len(ids)))])
