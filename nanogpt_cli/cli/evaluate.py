"""``nanogpt eval``."""

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nanogpt_cli.cli import ui
from nanogpt_cli.cli.options import JsonFlag, print_json, with_settings
from nanogpt_cli.errors import CheckpointError, DataError
from nanogpt_cli.text import printable

if TYPE_CHECKING:
    from nanogpt_cli.checkpoint.schema import Checkpoint
    from nanogpt_cli.data.store import Tokens
    from nanogpt_cli.tokenizer.load import Tokenizer


@with_settings()
def evaluate(
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="[MODEL]...", help="Runs, folders or files; by default the newest."),
    ] = None,
    *,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            "--data-dir",
            help="A dataset's folder or a text file; by default what the model was trained on.",
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, mps, cuda or cuda:N.")] = "auto",
    as_json: JsonFlag = False,
) -> None:
    """Measure validation loss, perplexity and bits per byte of one or many models."""
    names: list[str | None] = [*models] if models else [None]
    rows = [_measure(name, data, device) for name in names]
    if as_json:
        print_json({"models": rows})
    else:
        for where in dict.fromkeys(row["data"] for row in rows):
            ui.say(f"evaluated on {printable(where)}")
        _show(rows)


def _measure(name: str | None, data: str | None, device: str) -> dict[str, Any]:
    """Evaluate one model, in float32."""
    from nanogpt_cli.checkpoint.load import load_checkpoint
    from nanogpt_cli.checkpoint.weights import build_model
    from nanogpt_cli.device import find_device
    from nanogpt_cli.evaluation.loss import evaluate_loss, token_byte_counts
    from nanogpt_cli.runs import find_checkpoint, unsaved_run

    path = find_checkpoint(name)
    if name is None and (newer := unsaved_run()):
        ui.note(f"{newer} has no checkpoint yet, this is {path}")
    checkpoint = load_checkpoint(path)
    where, tokens, words = _text(checkpoint, path, data)
    if len(tokens) < 2:
        raise DataError(f"{where} has too little text to evaluate", "name a longer one: --data")
    model = build_model(checkpoint, find_device(device))
    counts = token_byte_counts(words, checkpoint.config.vocab_size)
    with ui.progress() as bar:
        task = bar.add_task(f"evaluating {ui.escape(printable(path))}", total=len(tokens), note="")
        loss = evaluate_loss(model, tokens, counts, advance=lambda n: bar.advance(task, n))
    return {
        "checkpoint": str(path),
        "data": str(where),
        "val_loss": loss.per_token,
        "perplexity": loss.perplexity,
        "bits_per_byte": loss.bits_per_byte,
        "tokens": loss.tokens,
        "step": checkpoint.step,
        "pos_embd": checkpoint.config.pos_embd,
        "parameters": model.parameter_count(),
    }


def _text(
    checkpoint: "Checkpoint", path: Path, data: str | None
) -> tuple[Path, "Tokens", "Tokenizer"]:
    """Give what to evaluate on, its tokens and their tokenizer.

    Raises CheckpointError where the model's vocabulary is not the data's.
    """
    import numpy as np

    from nanogpt_cli.data.store import open_dataset
    from nanogpt_cli.data.write import encode_file
    from nanogpt_cli.dialogue import ChatFormat
    from nanogpt_cli.runs import find_dataset
    from nanogpt_cli.tokenizer import load as tokenizer

    if data is not None and Path(data).is_file():
        if checkpoint.tokenizer is None:
            raise CheckpointError(f"{path} carries no tokenizer", "add it: nanogpt migrate-ckpt")
        words = tokenizer.from_dict(checkpoint.tokenizer)
        chat = ChatFormat.from_dict(checkpoint.chat_format) if checkpoint.chat_format else None
        ids, unknown = encode_file(data, words, chat)
        if unknown:
            ui.note(f"{data}: characters the model does not know are left out: {unknown[:8]}")
        tokens = np.array(ids, dtype=np.uint32)
        return Path(data), tokens, words
    dataset = open_dataset(find_dataset(data or checkpoint.data.get("folder")))
    for note in dataset.notes:
        ui.note(note)
    if checkpoint.tokenizer is not None and dataset.tokenizer.to_dict() != checkpoint.tokenizer:
        raise CheckpointError(
            f"{path} was not trained with the tokenizer of {dataset.folder} "
            f"({dataset.tokenizer.name})",
            "name its own data with --data, or a text file",
        )
    if dataset.tokenizer.vocab_size > checkpoint.config.vocab_size:
        raise CheckpointError(
            f"{path} knows {checkpoint.config.vocab_size} tokens, {dataset.folder} has "
            f"{dataset.tokenizer.vocab_size}",
            "name its own data with --data",
        )
    return dataset.folder, dataset.val, dataset.tokenizer


def _show(rows: list[dict[str, Any]]) -> None:
    """Print the table on stdout."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("model", overflow="fold")  # the one column that gives way
    for title in ("val loss", "perplexity", "bits/byte", "tokens", "step"):
        table.add_column(title, justify="right", no_wrap=True)
    losses = [row["val_loss"] for row in rows if math.isfinite(row["val_loss"])]
    best = min(losses, default=None)
    for row in rows:
        perplexity, bpb = row["perplexity"], row["bits_per_byte"]
        table.add_row(
            ui.escape(printable(row["checkpoint"])),
            f"{row['val_loss']:.4f}",
            "-" if perplexity is None else f"{perplexity:,.2f}",
            "-" if bpb is None else f"{bpb:.4f}",
            f"{row['tokens']:,}",
            f"{row['step']:,}",
            style="bold" if len(rows) > 1 and row["val_loss"] == best else None,
        )
    width = None if sys.stdout.isatty() else 10_000  # a pipe or a file has no last column
    Console(soft_wrap=True, width=width).print(table)
