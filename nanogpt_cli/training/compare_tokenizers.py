"""Which tokenizer suits a text: each is tried on it, and trained with for a short time if wanted.

This module does not know where anything is shown.
"""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from nanogpt_cli.config import ModelConfig
from nanogpt_cli.data.prepare import PrepareOptions, PrepareResult, prepare
from nanogpt_cli.model.gpt import GPT
from nanogpt_cli.sizes import head_flops, step_flops
from nanogpt_cli.tokenizer.choice import AUTO, candidates
from nanogpt_cli.training.loop import train
from nanogpt_cli.training.plan import Request, make_run
from nanogpt_cli.training.reporter import EvalReport, Reporter
from nanogpt_cli.training.run import Run

_EVALUATED_BYTES = 2**16
"""Of the validation text, about, on which the bits per byte are measured."""
_FEWEST_TOKENS = 1024


@dataclass(frozen=True)
class Tried:
    """What one tokenizer does to a text."""

    tokenizer: str
    vocab_size: int
    bytes_per_token: float
    """Of the training text; special tokens count as tokens."""
    head_share: float
    """Part of a training step's operations that the head takes, in the quick start's model."""
    operations_per_byte: float
    """Floating-point operations of such a step per byte of text."""
    suited: bool
    """Whether it is what ``--tokenizer auto`` takes."""
    bits_per_byte: float | None = None
    """After a short run; of the same part of the validation text for all."""
    parameters: int | None = None
    steps: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the entry in JSON."""
        return asdict(self)


def compare_tokenizers(
    options: PrepareOptions,
    seconds: float = 0.0,
    doing: Callable[[str], None] = lambda _: None,
    notes: list[str] | None = None,
) -> list[Tried]:
    """Try tokenizers on the input of ``options``, and train with each for some seconds.

    It is those that may suit the text and, beside them, one that the options name. ``notes`` are
    told what preparing the text says of it. Raises the
    errors of ``prepare`` and of a run.
    """
    with tempfile.TemporaryDirectory(prefix="nanogpt-") as folder:
        doing("reading the text")
        first = _prepared(options, AUTO, Path(folder))
        suited = first.tokenizer
        if notes is not None:
            notes += [note for note in first.notes if not note.startswith("tokenizer ")]
        names = candidates(suited)
        names += [] if options.tokenizer in (AUTO, *names) else [options.tokenizer]
        tried: list[Tried] = []
        for name in names:
            doing(f"trying {name}")
            made = _prepared(options, name, Path(folder))
            doing(f"training with {name}, {len(tried) + 1} of {len(names)}")
            result = _measured(made, name == suited)
            tried.append(_trained(made, result, seconds) if seconds else result)
        return tried


def _prepared(options: PrepareOptions, name: str, folder: Path) -> PrepareResult:
    """Prepare the input with a tokenizer, in the folder ``data`` of ``folder``."""
    return prepare(replace(options, out=folder / "data", tokenizer=name, force=True, show=0))


def _measured(made: PrepareResult, suited: bool) -> Tried:
    """Return what is known of a tokenizer without training."""
    per_token = made.train_bytes / made.train_tokens
    config = ModelConfig(vocab_size=made.vocab_size)
    operations = step_flops(config)
    return Tried(
        tokenizer=made.tokenizer,
        vocab_size=made.vocab_size,
        bytes_per_token=per_token,
        head_share=head_flops(config) / operations,
        operations_per_byte=operations / per_token,
        suited=suited,
    )


class _Listener(Reporter):
    """Remembers the best evaluation, and how large the model is."""

    parameters = 0
    best: EvalReport | None = None

    def start(self, run: Run, model: GPT, device: torch.device) -> None:
        self.parameters = model.parameter_count()

    def evaluation(self, report: EvalReport) -> None:
        self.best = report if report.best else self.best


def _trained(made: PrepareResult, tried: Tried, seconds: float) -> Tried:
    """Train for some seconds. Raises KeyboardInterrupt where that was interrupted."""
    out_dir = made.out.with_name("run")
    tokens = max(_FEWEST_TOKENS, int(_EVALUATED_BYTES / tried.bytes_per_token))
    settings = {"time": seconds, "eval_tokens": tokens}
    listener = _Listener()
    request = Request(settings=settings, data=str(made.out), out_dir=out_dir, force=True)
    outcome = train(make_run(request), listener)
    shutil.rmtree(out_dir)
    if outcome.reason.startswith("SIG"):
        raise KeyboardInterrupt
    return replace(
        tried,
        bits_per_byte=listener.best.bits_per_byte if listener.best else None,
        parameters=listener.parameters,
        steps=outcome.step,
    )
