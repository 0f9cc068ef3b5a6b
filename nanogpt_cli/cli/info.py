"""``nanogpt info``."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nanogpt_cli.cli.complete import runs
from nanogpt_cli.cli.options import JsonFlag, print_json, with_settings
from nanogpt_cli.runs import DATASETS, RUNS
from nanogpt_cli.text import byte_size, printable, shortened

if TYPE_CHECKING:
    from nanogpt_cli.checkpoint.info import Info


@with_settings()
def info(
    path: Annotated[
        str,
        typer.Argument(
            metavar="PATH",
            help="A file or folder of any kind, or the name of a run or dataset.",
            autocompletion=runs,
        ),
    ],
    *,
    as_json: JsonFlag = False,
) -> None:
    """Say what a file or folder is: its shape, where it comes from, whether it is whole."""
    from nanogpt_cli.checkpoint.info import inspect

    places = (Path(path), RUNS / path, DATASETS / path)
    found = inspect(next((p for p in places if p.exists()), places[0]))
    if as_json:
        print_json(_document(found))
    else:
        whole = "no" if found.error else "yes"
        rows = [(printable(shortened(label)), value) for label, value in _rows(found)]
        rows.append(("whole", whole))
        width = max(len(label) for label, _ in rows)
        for label, value in rows:
            print(f"{label:<{width}}  {printable(shortened(value, 300))}")
    if found.error:
        raise found.error


def _document(found: "Info") -> dict[str, Any]:
    """Return what ``--json`` prints."""
    return {
        "path": str(found.path),
        "kind": found.kind,
        "bytes": found.bytes,
        "whole": found.error is None,
        "problem": found.error and found.error.message,
        **found.facts,
    }


def _rows(found: "Info") -> Iterator[tuple[str, object]]:
    """Yield what is shown, in the order in which one asks."""
    facts = found.facts
    yield "path", found.path
    yield "kind", found.kind
    yield "size", byte_size(found.bytes)
    for label, key in (("made by", "origin"), ("name", "name"), ("parameters", "parameters")):
        if key in facts:
            value = facts[key]
            yield label, f"{value:,}" if isinstance(value, int) else value
    if isinstance(facts.get("model"), dict):
        yield "shape", ", ".join(f"{name} {value}" for name, value in facts["model"].items())
    yield from _text_rows(facts)
    yield from _training_rows(facts)
    yield from _log_rows(facts.get("log"))
    for name, value in facts.get("metadata", {}).items():
        yield name, value
    if "files" in facts:
        yield "files", ", ".join(facts["files"])


def _text_rows(facts: dict[str, Any]) -> Iterator[tuple[str, object]]:
    """Yield what is known of tokens and documents."""
    if "tokenizer" in facts:
        yield "tokenizer", f"{facts['tokenizer']}, {facts['vocab_size']:,} tokens"
    if "chat" in facts:
        yield "for", "dialogues" if facts["chat"] else "text"
    for label, key in (("to train on", "train_tokens"), ("to validate", "val_tokens")):
        if key in facts:
            yield label, f"{facts[key]:,} tokens"
    for key in ("documents", "sources", "split", "seed", "loss_on"):
        if key in facts:
            yield key, facts[key]


def _training_rows(facts: dict[str, Any]) -> Iterator[tuple[str, object]]:
    """Yield how a model came about."""
    if "step" not in facts:
        return
    loss = facts["val_loss"]
    yield "step", facts["step"] if loss is None else f"{facts['step']}, validation loss {loss:.4f}"
    if folder := facts["data"].get("folder"):
        yield "trained on", folder
    if "seconds" in facts:
        yield "training", f"{facts['seconds']:,.0f} s, {facts.get('tokens', 0):,} tokens"
    if facts["train_config"]:
        keys = ("optimizer", "max_iters", "time", "learning_rate", "batch_size", "seed")
        settings = {key: facts["train_config"][key] for key in keys if key in facts["train_config"]}
        yield "settings", ", ".join(f"{name} {value}" for name, value in settings.items())
    if facts["migrations"]:
        yield "read with", ", ".join(facts["migrations"])


def _log_rows(log: dict[str, Any] | None) -> Iterator[tuple[str, object]]:
    """Yield where the losses of a log stand."""
    if log is None:
        return
    best = log["best_val_loss"]
    text = f"{log['steps']:,} steps"
    text += f", best validation loss {best:.4f} at {log['best_step']}" if best is not None else ""
    text += f", {log['seconds']:,.0f} s" if log["seconds"] else ""
    yield "log", text + (f", ended: {log['reason']}" if log["reason"] else "")
    if log["dropped_lines"]:
        yield "left out", f"{log['dropped_lines']} lines of the log that cannot be read"
