"""``nanogpt train``."""

import os
import signal
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nanogpt_cli.cli import ui
from nanogpt_cli.cli.complete import any_of, datasets, starts
from nanogpt_cli.cli.options import JsonFlag, print_json, with_settings
from nanogpt_cli.config import PRESETS, ModelConfig, TrainConfig, config_fields
from nanogpt_cli.errors import NanoGPTError, UsageError
from nanogpt_cli.setting import flag
from nanogpt_cli.text import shell_word

if TYPE_CHECKING:
    from nanogpt_cli.training.run import Run

_BUDGET = (
    "max_iters", "time", "batch_size", "gradient_accumulation_steps", "seed", "loss_on",
)  # fmt: skip
_OPTIMIZER = (
    "optimizer", "learning_rate", "min_lr", "decay_lr", "schedule", "warmup_iters",
    "lr_decay_iters", "weight_decay", "beta1", "beta2", "grad_clip",
)  # fmt: skip
_EVALUATION = (
    "eval_interval", "eval_tokens", "eval_iters", "eval_only", "log_interval", "patience",
    "sample_tokens", "also_eval", "log_to",
)  # fmt: skip
_SAVING = ("save_every", "keep", "always_save_checkpoint")
_MACHINE = ("device", "dtype", "compile", "backend", "strategy", "activation_checkpointing")
_ESSENTIAL = (
    "data_dir", "time", "max_iters", "out_dir", "init_from", "pos_embd", "n_layer", "n_head",
    "n_embd", "device", "dry_run",
)  # fmt: skip
_RUN, _PANEL = "Run", "Machine"


@with_settings(
    essential=_ESSENTIAL,
    model=ModelConfig,
    budget=[(TrainConfig, _BUDGET)],
    optimizer=[(TrainConfig, _OPTIMIZER)],
    evaluation=[(TrainConfig, _EVALUATION)],
    saving=[(TrainConfig, _SAVING)],
    machine=[(TrainConfig, _MACHINE)],
)
def train(
    config_file: Annotated[
        Path | None,
        typer.Argument(metavar="CONFIG", help="A .toml file, or a configuration of nanoGPT's."),
    ] = None,
    *,
    data_dir: Annotated[
        str | None,
        typer.Option(
            "--data-dir",
            help="The prepared dataset; by default the newest.",
            autocompletion=datasets,
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            "--dataset",
            help="A dataset by its name under data/.",
            autocompletion=datasets,
            rich_help_panel=_RUN,
        ),
    ] = None,
    out_dir: Annotated[
        Path | None, typer.Option("--out-dir", help="The run's folder; by default out/NAME.")
    ] = None,
    init_from: Annotated[
        str | None,
        typer.Option(
            "--init-from",
            metavar="START",
            help="scratch, resume, a checkpoint, or a Hugging Face folder of GPT-2.",
            autocompletion=starts,
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            "--preset",
            metavar="NAME",
            help=f"auto, or one of: {', '.join(PRESETS)}.",
            autocompletion=any_of("auto", *PRESETS),
            rich_help_panel=_RUN,
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", metavar="FILE", help="A .toml file of settings.", rich_help_panel=_RUN
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Start over in a folder that holds a run, which is kept inside as old-1.",
            rich_help_panel=_RUN,
        ),
    ] = False,
    devices: Annotated[
        int,
        typer.Option(
            "--devices",
            min=1,
            max=1024,
            metavar="N",
            help="Train in N processes on this machine, each with a GPU of its own if on cuda.",
            rich_help_panel=_PANEL,
        ),
    ] = 1,
    max_restarts: Annotated[
        int,
        typer.Option(
            "--max-restarts",
            min=0,
            max=1000,
            metavar="N",
            help="With --devices: how often to resume by itself where a process is lost.",
            rich_help_panel=_PANEL,
        ),
    ] = 0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be trained, and stop.")
    ] = False,
    as_json: JsonFlag = False,
    given: dict[str, Any],
    typed: tuple[str, ...],
) -> int:
    """Train a GPT on a prepared dataset; Ctrl-C saves, and the run can be resumed."""
    if devices > 1 and not dry_run:
        return _start_processes(devices, max_restarts, typed)
    if config_file and config:
        raise UsageError(
            f"there are two configurations: {config_file} and --config {config}",
            "name one of them",
        )
    read = _read_settings(config_file or config)
    folder = out_dir or read.get("out_dir")
    asked = {
        "settings": {k: v for k, v in read.items() if k not in _PLACES} | given,
        "data": data_dir or dataset or read.get("data_dir") or read.get("dataset"),
        "out_dir": Path(folder) if folder else None,
        "init_from": init_from or read.get("init_from", "scratch"),
        "preset": preset or read.get("preset", "auto"),
        "force": force,
    }
    return _recorded(lambda: _carry_out(_plan(asked), dry_run, as_json))


def _plan(asked: dict[str, Any]) -> "Run":
    """Plan the run that was ``asked`` for; of processes that all refuse it, one says so."""
    if os.environ.get("RANK"):  # else each process warns of sockets and the like
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    with ui.working("loading torch") as doing:
        from nanogpt_cli.training.parallel import launched
        from nanogpt_cli.training.plan import Request, make_run

        doing("reading the data")
        try:
            return make_run(Request(**asked), doing)
        except NanoGPTError as error:
            error.shown = not launched().local_rank
            raise


def _recorded(work: Callable[[], int]) -> int:
    """Do the work; what it fails with is kept where torchrun looks for it, if that started it."""
    if "TORCHELASTIC_ERROR_FILE" not in os.environ:
        return work()
    from torch.distributed.elastic.multiprocessing.errors import record

    return record(work)() or 0


def _start_processes(count: int, max_restarts: int, typed: tuple[str, ...]) -> int:
    """Run this command in several processes; return the exit code of all."""
    if os.environ.get("RANK"):
        raise UsageError(
            f"--devices {count} starts processes itself, and RANK says that this is one of some",
            "leave out --devices under torchrun",
        )
    with ui.working("loading torch"):
        from nanogpt_cli.training.parallel.elastic import start_processes

    rest, arguments = deque(typed), ["train"]
    while rest:
        name, equals, _ = (typed_one := rest.popleft()).partition("=")
        if name not in ("--devices", "--max-restarts"):
            arguments.append(typed_one)
        elif not equals:
            rest.popleft()
    return start_processes(count, arguments, max_restarts)


def _carry_out(run: "Run", dry_run: bool, as_json: bool) -> int:
    """Train, or only say what would be trained; return the exit code."""
    from nanogpt_cli.cli.train_view import TrainView, describe_outcome, show_forecast
    from nanogpt_cli.training.loop import train as run_training
    from nanogpt_cli.training.parallel import launched

    if launched().rank == 0:
        for text in run.notes:
            ui.note(text)
    if dry_run:
        document = show_forecast(run)
        if as_json:
            print_json(document)
        return 0
    with TrainView() as view:
        outcome = run_training(run, view)
    if as_json and launched().rank == 0:
        print_json(describe_outcome(outcome))
    if not outcome.reason.startswith("SIG") or launched().restartable:
        return 0  # torchrun --max-restarts would take a stop that was asked for for a failure
    return 128 + signal.Signals[outcome.reason]


def _refuse_what_is_no_configuration(path: Path) -> None:
    """Raise UsageError where ``path`` is a dataset, or a text that is to be prepared first."""
    from nanogpt_cli.runs import DATASETS

    for folder in (path, DATASETS / path):
        if (folder / "train.bin").is_file() and not path.is_file():
            raise UsageError(
                f"{path} is a dataset, not a configuration",
                f"write --data-dir {shell_word(folder)}",
            )
    if path.exists() and path.suffix not in (".toml", ".py"):
        raise UsageError(
            f"{path} is not a configuration (.toml or .py)",
            f"prepare a text first: nanogpt prepare {shell_word(path)}, then: nanogpt train",
        )


_PLACES = ("data_dir", "dataset", "out_dir", "init_from", "preset")
"""What a configuration file may name beside settings."""


def _read_settings(path: Path | None) -> dict[str, Any]:
    """Return what a configuration file sets; nothing without one. Raises UsageError."""
    from nanogpt_cli.configfile import read_config

    if path is None:
        return {}
    _refuse_what_is_no_configuration(path)
    read = read_config(path, [*config_fields(ModelConfig, TrainConfig), *_PLACES])
    for name in _PLACES:
        if not isinstance(read.get(name, ""), str):
            raise UsageError(
                f"{path}: {flag(name)} cannot be {read[name]!r}", "write it as text in quotes"
            )
    if path.suffix == ".py":
        read.setdefault("preset", "gpt2")  # nanoGPT's files lie on top of its own defaults
    return read
