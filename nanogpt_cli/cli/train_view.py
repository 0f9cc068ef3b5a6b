"""What a training run shows: its plan, a bar with loss and rate, evaluations and samples."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import torch
from rich.markup import escape

from nanogpt_cli.cli import ui
from nanogpt_cli.config import tokens_per_step
from nanogpt_cli.device import find_device, find_dtype
from nanogpt_cli.model.factory import make_meta_model
from nanogpt_cli.model.gpt import GPT
from nanogpt_cli.runs import BEST, RUNS
from nanogpt_cli.text import counted, duration, printable, shell_word
from nanogpt_cli.training.forecast import forecast
from nanogpt_cli.training.reporter import EvalReport, Reporter, StepReport
from nanogpt_cli.training.run import Outcome, Run

UNSTEADY = 2.5
"""How many times as long slow steps take as fast ones where a forecast is doubted."""


def describe(run: Run, device: torch.device) -> dict[str, Any]:
    """Return the facts of a run before its first step."""
    model = make_meta_model(run.model_config)
    config = run.config
    return {
        "out_dir": str(run.out_dir),
        "data": str(run.dataset.folder),
        "tokenizer": run.dataset.tokenizer.name,
        "vocab_size": run.model_config.vocab_size,
        "train_tokens": len(run.dataset.train),
        "trained_tokens": run.dataset.trained_tokens,
        "parameters": model.parameter_count(),
        "tokens_per_step": tokens_per_step(run.model_config, config),
        "steps": None if config.time else config.max_iters,
        "seconds": config.time or None,
        "device": str(device),
        "dtype": str(find_dtype(config.dtype, device)).removeprefix("torch."),
    }


def describe_outcome(outcome: Outcome) -> dict[str, Any]:
    """Return how a run ended, as ``--json`` prints it."""
    best = outcome.out_dir / BEST
    return {
        "out_dir": str(outcome.out_dir),
        "reason": outcome.reason,
        "step": outcome.step,
        "seconds": round(outcome.seconds, 3),
        "best_val_loss": outcome.best_val_loss,
        "checkpoint": str(best) if best.is_file() else None,
    }


def show_forecast(run: Run) -> dict[str, Any]:
    """Print what would be trained and what it would need; return it as a dictionary too."""
    device = find_device(run.config.device)
    facts = describe(run, device)
    _show_plan(run, facts)
    with ui.working("timing steps"):
        expected = forecast(run, device)
    per_parameter = expected.tokens_per_weight
    rows = {
        "time": f"{_clock(expected.seconds)}, {counted(expected.steps, 'step')}, "
        f"{expected.tokens_per_sec:,.0f} tokens/s "
        f"({counted(expected.timed_steps, 'step')} timed)",
        "memory": f"about {expected.peak_memory_bytes / 1e9:.1f} GB, torch itself not counted",
        "reading": f"{expected.epochs:.1f} times the text, {per_parameter:.2g} tokens per "
        "parameter; "
        f"risk of overfitting: {expected.overfitting}",
    }
    _show_rows(rows)
    fast, slow = expected.step_seconds
    if slow > UNSTEADY * fast:
        ui.note(
            f"steps took {fast * 1000:,.0f} to {slow * 1000:,.0f} ms: the machine is busy with "
            "something else, and the time is a guess"
        )
    return facts | asdict(expected)


def _show_plan(run: Run, facts: dict[str, Any]) -> None:
    shape, config = run.model_config, run.config
    budget = duration(config.time) if config.time else counted(config.max_iters, "step")
    rows = {
        "run": f"{facts['out_dir']} on {facts['device']} in {facts['dtype']}",
        "data": f"{facts['data']}, {facts['train_tokens']:,} tokens of {facts['tokenizer']}"
        + (f"; loss on replies, {facts['trained_tokens']:,}" if run.dataset.train_mask else ""),
        "model": f"{facts['parameters'] / 1e6:.2f} M parameters, "
        f"{counted(shape.n_layer, 'layer')}, {counted(shape.n_head, 'head')}, "
        f"{shape.n_embd} wide, block {shape.block_size}, {shape.arch}, "
        f"positions {shape.pos_embd}, dropout {shape.dropout:g}",
        "training": f"{budget} of {facts['tokens_per_step']:,} tokens, "
        f"{config.optimizer}, learning rate {config.learning_rate:.3g} ({config.schedule})",
    }
    _show_rows(rows)


def _show_rows(rows: dict[str, str]) -> None:
    for name, text in rows.items():
        ui.markup(f"[bold]{name:>8}[/]  {escape(printable(text))}")


class TrainView(Reporter):
    """Shows a run on stderr: a live bar on a terminal, plain lines elsewhere.

    A context manager, so that the terminal is as before however the run ends.
    """

    def __init__(self) -> None:
        self._bar = ui.progress(counts=False)
        self._live = ui.console().is_terminal and not ui.console().quiet
        self._last_line = 0.0
        self._other_losses: list[float] = []
        """The validation loss on another dataset: before, and of the model to use."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._bar.stop()

    def start(self, run: Run, model: GPT, device: torch.device) -> None:
        """Show the plan and open the bar."""
        self._run = run
        _show_plan(run, describe(run, device))
        total = run.config.time or run.config.max_iters
        self._task = self._bar.add_task("training", total=total, note="")
        self._bar.start()

    def _position(self, report: StepReport) -> str:
        """Say where in the run it is, with what is counted."""
        config = self._run.config
        if config.time:
            return f"{_clock(report.seconds)} of {_clock(config.time)}, step {report.step:,}"
        return f"step {report.step:,} of {config.max_iters:,}"

    def step(self, report: StepReport) -> None:
        """Move the bar; without a terminal, print a line every 10 seconds."""
        text = f"loss {report.loss:.3f}  {report.tokens_per_sec:,.0f} tok/s"
        where = self._position(report)
        done = report.seconds if self._run.config.time else report.step
        self._bar.update(self._task, completed=done, description=where, note=text)
        if not self._live and report.seconds - self._last_line >= 10:
            self._last_line = report.seconds
            left = report.seconds * (1 / report.fraction - 1) if report.fraction else 0.0
            ui.say(f"{where}: {text}, {_clock(left)} left")

    def evaluating(self, tokens: int) -> None:
        """Say that it is the evaluation that takes time now."""
        self._bar.update(self._task, note="evaluating")

    def evaluation(self, report: EvalReport) -> None:
        """Print the losses."""
        bpb = f", {report.bits_per_byte:.3f} bits/byte" if report.bits_per_byte else ""
        star = "  [green]best so far[/]" if report.best else ""
        ui.markup(
            f"[bold]step {report.step:,}[/]: train loss {report.train_loss:.4f}, "
            f"val loss {report.val_loss:.4f}{bpb}{self._elsewhere(report)}{star}"
        )

    def _elsewhere(self, report: EvalReport) -> str:
        """Say what the loss on another dataset is, and keep what is said of it at the end."""
        loss, other = report.other_val_loss, self._run.other
        if loss is None or other is None:
            return ""
        if report.best or not self._other_losses:
            self._other_losses = [*self._other_losses[:1], loss]
        return f"; on {escape(printable(other.folder.name))} {loss:.4f}"

    def sample(self, step: int, prompt: str, text: str) -> None:
        """Print what the model writes, on at most three lines."""
        shown = " ".join(f"{prompt} » {text}".split())
        ui.markup(f"  [dim]{escape(printable(shown[:240]))}[/]")

    def note(self, text: str) -> None:
        """Print a note."""
        ui.note(text)

    def end(self, outcome: Outcome) -> None:
        """Close the bar; say how to go on, or what to do with the model."""
        self._bar.stop()
        folder = outcome.out_dir
        if self._run.config.eval_only:
            return
        if outcome.reason.startswith("SIG"):
            ui.say(f"stopped at step {outcome.step:,}, everything is saved in {printable(folder)}")
            ui.say(f"resume with:  nanogpt train --init-from resume --out-dir {shell_word(folder)}")
            return
        why = (
            f" (stopped early: no improvement in {self._run.config.patience} evaluations)"
            if outcome.reason == "patience"
            else ""
        )
        best = f", best val loss {outcome.best_val_loss:.4f}" if outcome.best_val_loss else ""
        ui.say(f"done in {_clock(outcome.seconds)}{why}{best}: {printable(folder / BEST)}")
        if len(self._other_losses) == 2 and self._run.other:
            before, now = self._other_losses
            where = printable(self._run.other.folder)
            ui.say(f"val loss on {where}: {before:.4f} before, {now:.4f} now")
        ui.say(f"talk to it:  nanogpt chat {shell_word(_shortest_name(folder))}")


def _shortest_name(folder: Path) -> Path:
    """Return a run's name under out/, unless that is something else in the working folder."""
    name = folder.relative_to(RUNS) if folder.is_relative_to(RUNS) else folder
    return folder if name.exists() else name


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
