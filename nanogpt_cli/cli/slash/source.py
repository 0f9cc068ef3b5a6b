"""``/source``."""

from nanogpt_cli.cli import ui
from nanogpt_cli.cli.slash.base import Chat, SlashCommand
from nanogpt_cli.errors import DataError, UsageError
from nanogpt_cli.text import counted, printable

_AROUND = 60
"""Bytes of the training text that are shown on both sides."""


def run(chat: Chat, arguments: list[str]) -> None:
    """Show the longest part of the last reply that stands verbatim in the training text."""
    from nanogpt_cli.evaluation.index_file import open_index
    from nanogpt_cli.evaluation.memorisation import copies
    from nanogpt_cli.evaluation.studies import training_data

    session = chat.session
    if session.last is None or not session.last.text:
        raise UsageError("there is no reply to look for", "write a message first")
    with ui.working("opening the training data") as working:
        dataset, why = training_data(session.loaded)
        if dataset is None:
            raise DataError(
                f"the training data is not at hand: {why}", "chat where the model was trained"
            )
        index = open_index(dataset, ui.note, lambda doing, done=0, total=None: working(doing))
        found = copies(session.last.text.encode(errors="replace"), index, dataset)
        longest = found.longest
        exact = longest.text.encode() if longest else b""
        _, first = index.occurrences(exact) if longest else (0, -1)
        around, before = index.context(first, len(exact), _AROUND) if first >= 0 else (exact, 0)
    if longest is None:
        ui.say("no character of the reply stands in the training text")
        return
    ui.say(
        f"  {counted(longest.characters, 'character')} of {found.characters} stand verbatim in the "
        f"training text, {'once' if longest.count == 1 else f'{longest.count:,} times'}"
    )
    where = longest.place or f"{dataset.folder} (the files it was made of do not show it)"
    ui.say(f"  first at {printable(where)}")
    _show_span(around, before, len(exact))
    if found.characters >= 20:
        ui.say(f"  {found.shares[20]:.0%} of the reply lies in such spans of 20 characters or more")


def _show_span(around: bytes, before: int, length: int) -> None:
    """Show a span of the training text, marked, with what stands around it."""
    from rich.text import Text

    parts = (around[:before], around[before : before + length], around[before + length :])
    shown = [printable(part.decode(errors="ignore").replace("\n", " ")) for part in parts]
    if ui.console().color_system is None:
        ui.say(f"  {shown[0]}>>>{shown[1]}<<<{shown[2]}")
    else:
        ui.show(Text.assemble("  ", (shown[0], "dim"), (shown[1], "bold green"), (shown[2], "dim")))


COMMAND = SlashCommand("source", "/source", "where the reply stands in the training text", run)
