"""What a setting is: how a field of a configuration is declared, checked, and read from text.

A value passes the same check wherever it comes from: a flag, a file, a stored checkpoint or a call.
This module does not know which settings there are.
"""

import difflib
import math
import re
from collections.abc import Collection
from contextlib import suppress
from dataclasses import field, fields
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

from nanogpt_cli.errors import UsageError
from nanogpt_cli.text import shortened, whole_number

MOST = 10**12
"""The largest count of steps, tokens or the like that means anything."""
LONGEST = 1e9
"""The longest time in seconds, 31 years."""


def setting(
    default: Any,
    help: str,
    *,
    min: float | None = None,
    max: float | None = None,
    above: float | None = None,
    below: float | None = None,
    choices: Collection[str] | None = None,
    several: Collection[str] | None = None,
) -> Any:
    """Declare a field with its default, its help text and its range.

    ``min`` and ``max`` belong to the range, ``above`` and ``below`` do not. ``choices`` are the
    names that a text may be; those of a registry grow with it. ``several`` are names of which a
    text holds any number, with commas.
    """
    bounds = {"min": min, "max": max, "above": above, "below": below}
    names = {"choices": choices, "several": several}
    given = {key: value for key, value in names.items() if value is not None}
    return field(default=default, metadata={"help": help, "bounds": bounds, **given})


def flag(name: str) -> str:
    """Return the command-line flag of a field: ``n_layer`` is ``--n-layer``."""
    return "--" + name.replace("_", "-")


@cache
def types_of(config: type) -> dict[str, Any]:
    """Return the type of each field of ``config``, as it is annotated."""
    return get_type_hints(config)


def check_setting(config: type, name: str, value: Any) -> None:
    """Check a value against the range and the choices that its field of ``config`` declares.

    Raises UsageError that names the flag and the value.
    """
    declared, kind = next(f for f in fields(config) if f.name == name), types_of(config)[name]
    choices = declared.metadata.get(
        "choices", get_args(kind) if get_origin(kind) is Literal else None
    )
    if choices is not None and value not in choices:
        near = difflib.get_close_matches(shortened(value), map(str, choices), n=1)
        names = ", ".join(map(str, choices))
        hint = f"did you mean {near[0]}?" if near else f"choose one of: {names}"
        raise UsageError(f"unknown {flag(name)} {shortened(value)}", hint)
    if kind not in (int, float, int | None) or (value is None and declared.default is None):
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        shown = shortened(repr(value) if isinstance(value, str) else value)
        raise UsageError(f"{flag(name)} cannot be {shown}", "it is a number")
    bounds = {k: v for k, v in declared.metadata.get("bounds", {}).items() if v is not None}
    finite = math.isfinite(value) if isinstance(value, float) else abs(value) < 2**63
    inside = finite and (
        value >= bounds.get("min", -math.inf)
        and value <= bounds.get("max", math.inf)
        and value > bounds.get("above", -math.inf)
        and value < bounds.get("below", math.inf)
    )
    if not inside:
        words = {"min": "at least", "max": "at most", "above": "above", "below": "below"}
        must = " and ".join(f"{words[k]} {_plain(v)}" for k, v in bounds.items())
        if not finite or not must:
            must = f"a finite number{must and ', '}{must}"
        raise UsageError(f"{flag(name)} {shortened(value)} is out of range", f"it must be {must}")


def _plain(bound: float) -> str:
    """Write a whole number with all its digits, where they can be counted."""
    return str(int(bound)) if bound == int(bound) and abs(bound) < 1e15 else f"{bound:g}"


def check_ranges(config: Any) -> None:
    """Check each number and each choice against what its field declares."""
    for f in fields(config):
        check_setting(type(config), f.name, getattr(config, f.name))


def check_device(name: str) -> None:
    """Raise UsageError where ``name`` is not what a device of some machine is called."""
    if not re.fullmatch(r"auto|(cpu|mps)(:0)?|cuda(:\d{1,3})?", name, re.ASCII):
        raise UsageError(
            f"unknown --device {shortened(name)}", "choose auto, cpu, mps, cuda or cuda:N"
        )


def parse_duration(text: str | float) -> float:
    """Read ``90``, ``90s``, ``20m`` or ``1.5h`` as seconds. Raises UsageError for anything else."""
    found = re.fullmatch(r"(\d+\.?\d*|\.\d+)([smh]?)", str(text).strip().lower(), re.ASCII)
    if not found:
        raise UsageError(f"invalid --time {shortened(text)}", "write 90s, 20m or 1.5h")
    number, unit = found.groups()
    return float(number) * {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}[unit]


def parse_interval(text: str) -> tuple[int, float]:
    """Read how often to save: ``500`` is (500, 0.0), in steps, and ``5m`` (0, 300.0), in seconds.

    Raises UsageError for anything else: a number that is not whole needs a unit.
    """
    written = text.strip()
    steps = whole_number(written, MOST)
    if steps is not None:
        return steps, 0.0
    with suppress(UsageError):
        seconds = parse_duration(written)
        if written[-1].isalpha() and seconds <= LONGEST:
            return 0, seconds
    raise UsageError(
        f"invalid --save-every {shortened(text)}", "write steps (500) or a time (30s, 5m)"
    )


def parse_columns(text: str) -> dict[str, str]:
    """Read ``human=Q,bot=A`` as what is read -> the column that holds it; no text is no column.

    Raises UsageError for anything that is neither a text nor what a conversation has.
    """
    pairs = [part.partition("=") for part in text.split(",")] if text else []
    columns = {what.strip().lower(): name.strip() for what, _, name in pairs}
    known = {"text"} if "text" in columns else {"human", "bot", "context", "emotion"}
    whole = len(columns) == len(pairs) and all(columns.values())
    spoken = not columns or columns.keys() & {"text", "human", "bot"}
    if not whole or not spoken or not columns.keys() <= known:
        raise UsageError(
            f"invalid --columns {shortened(text)}",
            "write human=Q,bot=A with your names for Q and A, or text=BODY",
        )
    return columns
