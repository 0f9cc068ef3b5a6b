"""Training: the loop, and the parts that it is made of.

What a run computes depends on its settings alone: batches and dropout are functions of seed and
step. Every process runs the same lines; what only one may do, its parts know. The loop talks to the
outside through a ``Reporter``; it knows no screen and no command line.
"""

import math
from contextlib import ExitStack, closing, nullcontext, suppress
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import torch
from torch import nn

from nanogpt_cli.checkpoint.weights import take_model
from nanogpt_cli.config import TrainConfig
from nanogpt_cli.device import autocast, compiles, find_device, find_dtype, try_compile
from nanogpt_cli.errors import DataError, DivergedError, MachineError, is_out_of_memory
from nanogpt_cli.model.factory import make_model
from nanogpt_cli.runs import STATE
from nanogpt_cli.training.activations import checkpoint_activations
from nanogpt_cli.training.batches import Batches, smaller_micro_batches
from nanogpt_cli.training.clock import Clock
from nanogpt_cli.training.evaluator import Evaluator
from nanogpt_cli.training.folder import RunFolder, claimed, open_log
from nanogpt_cli.training.guard import Guard
from nanogpt_cli.training.keeper import Keeper, RunKeeper, describe_machine
from nanogpt_cli.training.optim import learning_rate, make_optimizers
from nanogpt_cli.training.parallel import Parallel, join
from nanogpt_cli.training.recorder import Recorder, RunRecorder
from nanogpt_cli.training.reporter import Reporter
from nanogpt_cli.training.run import Outcome, Run
from nanogpt_cli.training.signals import StopRequestedError, StopSignals
from nanogpt_cli.training.state import TrainState
from nanogpt_cli.training.step import apply, gradients, step_seed
from nanogpt_cli.training.trackers.base import Place, Trackers, tracker_names


def train(run: Run, reporter: Reporter | None = None) -> Outcome:
    """Train until the budget is spent, the evaluations stop improving, or a signal comes; save.

    Writes ``ckpt.pt`` (the model to use), ``last.pt`` (the state to continue from) and
    ``metrics.jsonl`` into ``run.out_dir``. Raises DivergedError where the loss is not finite, and
    the errors of what it reads and writes.
    """
    reporter = reporter or Reporter()
    with ExitStack() as stack:
        device, config = find_device(run.config.device), run.config
        parallel = stack.enter_context(join(config.backend, device, config.strategy))
        parallel.prepare(config, find_dtype(config.dtype, parallel.device))
        _refuse_differences(run, parallel)
        out_dir = Path(parallel.agreed(str(run.out_dir)))
        run = replace(run, config=_agreed(config, parallel), out_dir=out_dir)
        folder = None
        if parallel.is_main and not run.config.eval_only:
            folder = stack.enter_context(claimed(run))
        outcome = _Training(run, reporter, parallel, folder).run_to_end()
    if parallel.is_main:
        reporter.end(outcome)
    return outcome


class _Training:
    """A run in progress: its parts, each with one task."""

    def __init__(
        self, run: Run, reporter: Reporter, parallel: Parallel, folder: RunFolder | None
    ) -> None:
        self.run, self.parallel, self.folder = run, parallel, folder
        dtype = find_dtype(run.config.dtype, parallel.device)
        self.precision = partial(autocast, parallel.device, dtype)
        self.machine = describe_machine(parallel, dtype)
        self.state = _make_state(run, parallel, dtype)
        self.signals = StopSignals()
        data = run.dataset
        self.batches = Batches(
            data.train, run.model_config, run.config, parallel, data.train_mask, run.order
        )
        self.clock = Clock(run.config, parallel, self.signals)
        self.recorder = Recorder()
        notes = _restore(run, self.state, self.machine, parallel) if run.resume else []
        if parallel.is_main:
            log = trackers = None
            if folder:
                log, said = open_log(run, folder, self.state)
                notes += said
                place = Place(log.path, self.state.step, run.resume, reporter.note)
                trackers = Trackers(tracker_names(run.config.log_to), place)
            self.recorder = RunRecorder(log, reporter, run.config, trackers)
        for note in notes:
            self.recorder.note(note)
        self.guard = Guard(run, self.batches, self.recorder)
        self.evaluator = Evaluator(run, parallel, self.clock, self.guard, self.recorder)
        self.keeper = Keeper()
        if not run.config.eval_only:
            self.keeper = _keeper_class(parallel)(
                run, self.batches, self.guard, self.recorder, self.machine, folder
            )

    def run_to_end(self) -> Outcome:
        """Run until there is a reason to stop."""
        state, recorder = self.state, self.recorder
        with closing(recorder), self.signals.listening(), self.clock:
            recorder.started(self.run, state, self.machine | {"device": str(self.parallel.device)})
            self.forward = self._prepare_forward()
            recorder.ready(self.run, state, self.parallel.device)
            try:
                with self.keeper:
                    reason = self.loop()
                    self.keeper.wait()
            except DivergedError:
                recorder.event("end", step=state.step, reason="diverged")
                raise
            best = state.best_val_loss if math.isfinite(state.best_val_loss) else None
            out_dir = self.folder.path if self.folder else self.run.out_dir
            outcome = Outcome(reason, state.step, state.seconds, best, out_dir)
            recorder.ended(outcome)
        return outcome

    def loop(self) -> str:
        """Step until there is a reason to stop; return it."""
        state, config, clock = self.state, self.run.config, self.clock
        clock.start(state)
        while True:
            if self.evaluator.due(state):
                self.evaluate()
            reason = "done" if config.eval_only else clock.reason_to_stop(state)
            if reason or self.keeper.due(state):
                self.keeper.save(state)
            if reason:
                if clock.stopped and self.evaluator.worthwhile(state):
                    self.evaluate_stopped()
                return reason
            lr = learning_rate(config, *clock.schedule(state))
            self.recorder.stepping(state)
            loss, norm = self.gradients()
            if self.guard.accepts(state, loss, norm, lr):
                apply(state, lr)
            state.optimizers.zero_grad()
            state.step += 1
            state.tokens += self.batches.targets
            usual = state.watch.add(state.step, loss, norm)
            self.recorder.stepped(state, loss, norm, lr, clock.progress(state))
            if usual is not None:
                self.recorder.spiked(state, loss, norm, usual)

    def evaluate(self, *, sample: bool = True) -> None:
        """Evaluate, keep the model if it is the best so far, and tell; or nothing on a signal."""
        state, config = self.state, self.run.config
        with suppress(StopRequestedError):
            evaluation = self.evaluator.run(state, sample)
            if evaluation.best or config.always_save_checkpoint:
                self.keeper.save_best(state, evaluation.val.per_token)
            self.recorder.evaluated(
                state, evaluation.train, evaluation.val, evaluation.best, evaluation.other
            )
            if evaluation.sample:
                self.recorder.sampled(state, *evaluation.sample)
        self.evaluator.ended(state)

    def evaluate_stopped(self) -> None:
        """Evaluate where the run was asked to stop, for the model to use alone.

        The state on the disk does not know of it: a resumed run continues as if it had not been.
        """
        self.keeper.set_best_aside()
        self.recorder.note("stopping: saved; evaluating the model (Ctrl-C again leaves at once)")
        self.signals.acknowledge()
        self.evaluate(sample=False)

    def gradients(self) -> tuple[float, float]:
        """Compute a step's gradients; where memory runs out, in smaller micro-batches."""
        state, config = self.state, self.run.config
        while True:
            torch.manual_seed(step_seed(config.seed, state.step, self.parallel.rank))
            try:
                loss, norm, votes = gradients(
                    state,
                    self.forward,
                    self.batches,
                    grad_clip=config.grad_clip,
                    precision=self.precision,
                    votes=self.clock.votes,
                )
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            else:
                self.clock.hear(state, votes)
                return loss, norm
            self._use_less_memory()

    def _prepare_forward(self) -> nn.Module:
        """Compile and wrap the model, unless a signal comes first."""
        model: nn.Module = self.state.model
        compiling = compiles(self.run.config.compile, self.parallel.device)
        compiling = compiling and not self.parallel.sharded  # whose blocks are compiled one by one
        while compiling:
            # processes compile together, and none may leave the others waiting
            alone = self.parallel.size == 1
            example = next(self.batches.of(self.state.step))
            try:
                interruptible = self.signals.interrupting() if alone else nullcontext()
                with suppress(StopRequestedError), interruptible:
                    model = try_compile(model, example, self.precision, self.recorder.note)
                break
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            self._use_less_memory()
        return self.parallel.wrap(model, self.state.optimizers)

    def _use_less_memory(self) -> None:
        """Cut the micro-batches; a step sees the same windows as before. Raises MachineError."""
        state, parallel = self.state, self.parallel
        possible = self.batches.shrink()
        if not possible or parallel.size > 1:
            raise MachineError(
                f"out of memory at step {state.step} of {self.run.out_dir}",
                "use a smaller --batch-size with more --gradient-accumulation-steps"
                if possible
                else "use a shorter --block-size or a smaller model (--n-embd, --n-layer)",
            )
        state.optimizers.zero_grad()
        if state.scaler:
            scale = state.scaler.state_dict()
            state.scaler = torch.amp.GradScaler()  # which knows nothing of a half-done step
            state.scaler.load_state_dict(scale)
        if parallel.device.type == "cuda":
            torch.cuda.empty_cache()
        size, count = (
            self.batches.config.batch_size,
            self.batches.config.gradient_accumulation_steps,
        )
        self.recorder.note(
            f"out of memory: continuing with {count} micro-batches of {size}, the same tokens per "
            "step"
        )
        sizes = {"batch_size": size, "gradient_accumulation_steps": count}
        self.recorder.event("memory", step=state.step, **sizes)


def _agreed(config: TrainConfig, parallel: Parallel) -> TrainConfig:
    """Cut the micro-batches as the process with the least memory has to."""
    least = parallel.least(config.batch_size)
    while config.batch_size > least:
        config = smaller_micro_batches(config) or config
    return config


def _refuse_differences(run: Run, parallel: Parallel) -> None:
    """Raise DataError where this process has planned another run than the main one."""
    sizes = {"batch_size": 0, "gradient_accumulation_steps": 0}  # they follow the memory
    own = {
        "data": run.dataset.fingerprint,
        "first step": run.start.step if run.resume and run.start else 0,
        **asdict(run.model_config),
        **asdict(run.config),
        **sizes,
    }
    main = parallel.agreed(own)
    if own != main:
        names = sorted(name for name in own if own[name] != main.get(name))
        raise DataError(
            f"this process would train something else than process 0: {', '.join(names)}",
            "let all processes read the same dataset and run: a folder that every node has",
        )


def _keeper_class(parallel: Parallel) -> type[RunKeeper]:
    if not parallel.sharded:
        return RunKeeper
    from nanogpt_cli.training.sharded_keeper import ShardedKeeper

    return ShardedKeeper


def _make_state(run: Run, parallel: Parallel, dtype: torch.dtype) -> TrainState:
    """Build the model, from its seed or from a checkpoint, and its optimizers."""
    if run.start is None or not run.start.model:  # a sharded state is read where it belongs
        torch.manual_seed(run.config.seed)
        model = make_model(run.model_config)
    else:
        model = take_model(replace(run.start, config=run.model_config), parallel.loading_device)
    if run.config.activation_checkpointing:
        checkpoint_activations(model)
    model = parallel.place(model)
    scaler = torch.amp.GradScaler() if dtype == torch.float16 else None
    return TrainState(model, make_optimizers(model, run.config, parallel.muon), scaler)


def _restore(
    run: Run, state: TrainState, machine: dict[str, object], parallel: Parallel
) -> list[str]:
    """Take over what the run saved; return what is not exactly as it was."""
    assert run.start is not None
    saved = run.start.training or {}
    notes = []
    per_step = run.config.batch_size * run.config.gradient_accumulation_steps
    state.step = run.start.step
    state.tokens = state.step * per_step * run.model_config.block_size
    if run.loaded and run.loaded[0].name == STATE:
        from nanogpt_cli.training.parallel.checkpoint import load_state

        problem = None
        state.load_counters(saved)
        load_state(run.loaded[0].parent, state)
    else:
        problem = state.load_state_dict(saved)
        parallel.adopt(state.optimizers)
    if problem is not None:
        notes.append(f"the optimizer starts anew: {problem}")
    before = saved.get("machine")
    if isinstance(before, dict):
        changes = [f"{k} {before.get(k)} -> {v}" for k, v in machine.items() if before.get(k) != v]
        if changes:
            notes.append(f"resuming, but no longer bit for bit as before: {', '.join(changes)}")
    return notes
