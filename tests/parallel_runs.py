"""What each of several processes does in the tests of training on many; see ``workers``."""

import os
import signal
from pathlib import Path
from typing import Any

import torch
from short_runs import Listener, start

from nanogpt_cli.data.prepare import PrepareOptions, prepare
from nanogpt_cli.model.gpt import GPT
from nanogpt_cli.training.loop import train

SMALL = {"batch_size": 4, "gradient_accumulation_steps": 2, "max_iters": 4, "eval_interval": 2,
         "sample_tokens": 0, "dtype": "float32", "ngram_rows": 32, "n_layer": 1}  # fmt: skip

REPLIES = "".join(
    f"<human>{'word ' * (n * 7 % 23)}?<endOfText>\n<bot>{'yes ' * (1 + n * n % 31)}.<endOfText>\n\n"
    for n in range(60)
)
"""Dialogues of which some windows count many tokens, others none."""


def prepare_replies() -> None:
    """Prepare data/hamlet of which replies alone count."""
    Path("chat.txt").write_text(REPLIES)
    prepare(PrepareOptions(("chat.txt",), Path("data/hamlet"), tokenizer="byte"))


class Steps(Listener):
    """Keeps the losses and norms of the steps, and the validation losses."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[tuple[int, float, float]] = []
        self.evaluations: list[float] = []

    def step(self, report: Any) -> None:
        self.steps.append((report.step, report.loss, report.grad_norm))

    def evaluation(self, report: Any) -> None:
        self.evaluations += [report.train_loss, report.val_loss]


def trained(out: str, each: Any = None, **settings: Any) -> dict[str, Any]:
    """Train; return what was told, in the main process. ``each`` has settings of some ranks."""
    told = Steps()
    settings |= (each or {}).get(int(os.environ.get("RANK", "0")), {})
    given = settings if settings.get("resume") else {**SMALL, **settings}
    outcome = train(start(out, **given), told)
    return {"steps": told.steps, "val": told.evaluations, "notes": told.notes,
            "reason": outcome.reason, "rank": os.environ.get("RANK", "0")}  # fmt: skip


def stopped_at_one(out: str, rank: int, **settings: Any) -> str:
    """Train, and have one process get SIGTERM before its second step."""
    run = start(out, **{**SMALL, **settings})
    calls = 0

    def count(module: torch.nn.Module, inputs: Any) -> None:
        nonlocal calls
        calls += isinstance(module, GPT) and module.training
        if calls == 3 and int(os.environ["RANK"]) == rank:
            os.kill(os.getpid(), signal.SIGTERM)

    with torch.nn.modules.module.register_module_forward_pre_hook(count):
        return train(run, Steps()).reason
