"""``nanogpt prepare --compare-tokenizers``: the table of tokenizers that were tried on a text."""

import sys
from typing import TYPE_CHECKING

from nanogpt_cli.cli import ui
from nanogpt_cli.cli.options import print_json
from nanogpt_cli.data.prepare import PrepareOptions
from nanogpt_cli.text import duration, printable

if TYPE_CHECKING:
    from nanogpt_cli.training.compare_tokenizers import Tried


def show_tokenizers(options: PrepareOptions, seconds: float, as_json: bool) -> None:
    """Try tokenizers, and print what they do to the text on stdout."""
    with ui.working("loading torch") as doing:
        from nanogpt_cli.training.compare_tokenizers import compare_tokenizers

        notes: list[str] = []
        tried = compare_tokenizers(options, seconds, doing, notes)
    for note in notes:
        ui.note(note)
    if as_json:
        print_json({"tokenizers": [one.to_dict() for one in tried]})
        return
    _print_table(tried, trained=bool(seconds))
    ui.say("head: its part of a training step, in the quick start's model")
    ui.say("cost: operations of a step per byte of text")
    if seconds:
        ui.say(f"bits/byte: on validation text, after {duration(seconds)} of training with each")
        best = min(tried, key=lambda one: one.bits_per_byte or float("inf"))
        _say_best(best, tried)
    else:
        ui.say("--time 1m trains with each for a minute, and shows the bits per byte")


def _say_best(best: "Tried", tried: "list[Tried]") -> None:
    """Say which was best, and what auto takes."""
    auto = next((one for one in tried if one.suited), best)
    also = "which auto takes too" if auto is best else f"auto takes {auto.tokenizer}"
    ui.say(f"fewest bits per byte: {printable(best.tokenizer)}; {also}")


def _print_table(tried: "list[Tried]", trained: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("tokenizer", overflow="fold")
    titles = ["vocabulary", "bytes/token", "head", "cost", *(["bits/byte"] if trained else [])]
    for title in titles:
        table.add_column(title, justify="right", no_wrap=True)
    least = min(one.operations_per_byte for one in tried)
    for one in tried:
        cells = [
            f"{one.vocab_size:,}",
            f"{one.bytes_per_token:.2f}",
            f"{one.head_share:.0%}",
            f"{one.operations_per_byte / least:.1f}x",
        ]
        if trained:
            cells.append("-" if one.bits_per_byte is None else f"{one.bits_per_byte:.3f}")
        name = ui.escape(printable(one.tokenizer)) + (" (auto)" if one.suited else "")
        table.add_row(name, *cells, style="bold" if one.suited else None)
    width = None if sys.stdout.isatty() else 10_000  # a pipe or a file has no last column
    Console(soft_wrap=True, width=width).print(table)
