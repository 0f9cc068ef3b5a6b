"""How ``--help`` is written: a flag and, beside it, what it means, wrapped between words.

A command that has many options shows the essential ones, and the rest with ``--help-all``.
"""

import inspect
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

Row = tuple[str, str]
"""What is typed, and what it means."""

OPTIONS = "Options"
"""The section of the essential options."""
WIDEST = 100
"""Columns that are used of a wide terminal."""
_UNBROKEN = "\u00a0"


def show_help(command: Any, context: Any, everything: bool = False) -> None:
    """Print the help of a command on stdout."""
    from rich.console import Console
    from rich.text import Text

    out = Console(highlight=False, emoji=False, soft_wrap=True)
    for line in help_lines(command, context, min(out.width, WIDEST), everything):
        is_title = line.endswith(":") and not line.startswith(" ")
        out.print(Text(line, "bold" if is_title else ""))


def help_lines(command: Any, context: Any, width: int, everything: bool) -> Iterator[str]:
    """Yield the lines of a command's help, at most ``width`` wide where words permit that."""
    usage = ["usage:", context.command_path, *usage_pieces(command, context)]
    yield from _wrapped(" ".join(usage), width, "       ")
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        yield ""
        yield from _wrapped(paragraph, width)
    sections, is_whole = _sections(command, context, everything)
    column = _column([typed for rows in sections.values() for typed, _ in rows], width)
    for title, rows in sections.items():
        yield ""
        yield f"{title}:"
        for typed, meaning in rows:
            yield from _row(typed, meaning, column, width)
    if not is_whole:
        yield ""
        yield from _wrapped(f"All options: {context.command_path} --help-all", width)
    if command.epilog:
        yield ""
        yield from _wrapped(command.epilog, width)


def usage_pieces(command: Any, context: Any) -> list[str]:
    """Return what may follow a command's name."""
    pieces = ["[OPTIONS]"]
    for param in command.get_params(context):
        if param.param_type_name == "argument":
            name = placeholder(param)
            pieces.append((name if param.required else f"[{name}]") + "..." * (param.nargs != 1))
    return [*pieces, "COMMAND ..."] if hasattr(command, "commands") else pieces


def placeholder(param: Any) -> str:
    """Return what stands for a value: ``N`` or ``DIR``."""
    return str(param.metavar or param.name.rpartition("_")[2].upper())


def flags(option: Any) -> str:
    """Return how an option is typed: ``-p, --prompt TEXT`` or ``--[no-]bias``."""
    names = sorted(option.opts, key=len)
    if option.secondary_opts:
        return f"--[no-]{names[-1][2:]}"
    return ", ".join(names) + ("" if option.is_flag else f" {placeholder(option)}")


def _sections(command: Any, context: Any, everything: bool) -> tuple[dict[str, list[Row]], bool]:
    """Return the rows of each section, and whether these are all that there are."""
    arguments: list[Row] = []
    options: dict[str, list[Row]] = {OPTIONS: []}
    for param in command.get_params(context):
        if param.param_type_name == "argument":
            arguments.append((placeholder(param), param.help or ""))
        elif not param.hidden:
            rows = options.setdefault(param.rich_help_panel or OPTIONS, [])
            rows.append((flags(param), (param.help or "") + _default(param)))
    is_long = any(param.name == "help_all" for param in command.params)
    if is_long and not everything:
        options = {OPTIONS: options[OPTIONS]}
    commands = [
        (name, inspect.cleandoc(sub.help or "").split("\n\n")[0])
        for name, sub in getattr(command, "commands", {}).items()
    ]
    sections = {"Commands": commands, "Arguments": arguments, **options}
    return {k: v for k, v in sections.items() if v}, everything or not is_long


def _default(option: Any) -> str:
    value = option.default
    if not option.show_default or value is None or value is False or value == "":
        return ""
    shown = "on" if value is True else f"{value:g}" if isinstance(value, float) else value
    return f" [default:{_UNBROKEN}{shown}]"


def _column(typed: Iterable[str], width: int) -> int:
    """Return where meanings begin: beside all flags that leave them two thirds of the line."""
    return 4 + max((len(t) for t in typed if len(t) <= width // 3), default=width // 3)


def _row(typed: str, meaning: str, column: int, width: int) -> Iterator[str]:
    lines = _wrapped(meaning, width - column) or [""]
    if 2 + len(typed) + 2 > column:
        yield f"  {typed}"
    else:
        yield f"{f'  {typed}':<{column}}{lines.pop(0)}".rstrip()
    yield from (f"{'':{column}}{line}" for line in lines)


def _wrapped(text: str, width: int, indent: str = "") -> list[str]:
    lines = textwrap.wrap(
        text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return [line.replace(_UNBROKEN, " ") for line in lines]
