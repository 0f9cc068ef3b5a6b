"""From the text after a flag to a value, and what a shell offers there."""

from collections.abc import Callable, Sequence
from typing import Any

from nanogpt_cli.cli.complete import any_of
from nanogpt_cli.errors import UsageError
from nanogpt_cli.setting import check_setting, flag, parse_duration
from nanogpt_cli.text import nearest, shortened

NUMBERS = {int: ("N", "a whole number"), float: ("X", "a number")}
"""What stands for a number in the help, and what a text that is none should be."""
COMPLETED = {"device": any_of("auto", "cpu", "mps", "cuda")}


def read_setting(config: type, name: str, number: Callable[[str], Any] | None, text: Any) -> Any:
    """Return the value that a text gives a field of ``config``. Raises UsageError for none."""
    value = text
    if name == "time":
        value = parse_duration(text)
    elif number and isinstance(text, str):
        try:
            value = number(text)
        except ValueError:
            raise UsageError(
                f"invalid {flag(name)} {shortened(text)}",
                f"write {NUMBERS[number][1]}",  # type: ignore[index]
            ) from None
    check_setting(config, name, value)
    return value


def choice(name: str, choices: Sequence[str]) -> dict[str, Any]:
    """Return the arguments of ``typer.Option`` for a flag that takes one of some names."""

    def read(text: str) -> str:
        if text not in choices:
            near = nearest(text, choices)
            hint = f"did you mean {near}?" if near else f"choose one of: {', '.join(choices)}"
            raise UsageError(f"unknown {name} {shortened(text)}", hint)
        return text

    return {"metavar": "NAME", "parser": read, "autocompletion": any_of(*choices)}
