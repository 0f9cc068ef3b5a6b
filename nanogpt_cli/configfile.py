"""Read settings from a TOML file, or from a configuration of nanoGPT's without running it."""

import ast
import difflib
import operator
import tomllib
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from nanogpt_cli.errors import UsageError
from nanogpt_cli.files import open_regular

_IGNORED = {"wandb_log", "wandb_project", "wandb_run_name"}
"""What nanoGPT's configurations set and nothing here reads."""

_LARGEST, _LONGEST_LINE = 2**16, 1000
"""Bytes of a configuration, and characters of its lines: tomllib takes memory for the square of a
dotted key's parts, all of which stand in one line."""

_OPERATORS = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
    ast.Div: operator.truediv, ast.FloorDiv: operator.floordiv,
}  # fmt: skip


def read_config(path: Path, known: Iterable[str]) -> dict[str, Any]:
    """Return the settings in ``path``, a ``.toml`` file or a ``.py`` file as nanoGPT has them.

    TOML keys may stand in tables, whose names are for the reader. Raises UsageError where the file
    cannot be read or names a setting that is not ``known``.
    """
    try:
        with open_regular(path) as file:
            data = file.read(_LARGEST + 1)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", "check the path") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not text", "name a .toml file of settings") from error
    if len(data) > _LARGEST or max(map(len, text.splitlines()), default=0) > _LONGEST_LINE:
        raise UsageError(
            f"{path} is too large for a configuration", "name a .toml file of settings"
        )
    known = set(known)
    values = {}
    for key, value in (_assignments if path.suffix == ".py" else _toml)(text, path):
        name = key.replace("-", "_")
        if name not in known:
            near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.4)
            raise UsageError(
                f"{path}: unknown setting {key}",
                f"did you mean {near[0]}?" if near else "nanogpt train --help lists the settings",
            )
        if name in values and path.suffix != ".py":
            raise UsageError(f"{path} sets {name} twice", "leave one of them out")
        if isinstance(value, int) and abs(value) >= 2**63:
            raise UsageError(f"{path}: {key} is out of range", "write a smaller number")
        values[name] = value
    return values


def _toml(text: str, path: Path) -> Iterator[tuple[str, Any]]:
    try:
        content = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError also covers endless integers
        end = f"line {len(text.splitlines())}, the end"  # tomllib does not count there
        what = str(error).replace("end of document", end)
        raise UsageError(f"{path}: {what}", "fix that line; a setting is: n_layer = 4") from error
    for key, value in content.items():
        yield from value.items() if isinstance(value, dict) else [(key, value)]


def _assignments(text: str, path: Path) -> Iterator[tuple[str, Any]]:
    """Yield the plain ``name = value`` lines; values are literals and arithmetic on them."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they would be about its style
            body = ast.parse(text).body
    except SyntaxError as error:
        raise UsageError(
            f"{path}, line {error.lineno}: {error.msg}", "a setting is: n_layer = 4"
        ) from error
    except (ValueError, RecursionError, MemoryError) as error:  # NUL bytes, brackets without end
        raise UsageError(f"{path} is not a configuration", "a setting is: n_layer = 4") from error
    for node in body:
        match node:
            case ast.Import() | ast.Expr(value=ast.Constant()):
                pass
            case ast.Assign(targets=[ast.Name(id=name)]):
                if name not in _IGNORED:
                    yield name, _value(node.value, path)
            case _:
                raise UsageError(
                    f"{path}, line {node.lineno}: only lines such as n_layer = 4 are read",
                    "write the settings to a TOML file; code in it is never run",
                )


def _value(node: ast.expr, path: Path) -> Any:
    """Work out a literal, or arithmetic on numbers; nothing here can run code or fill memory."""
    try:
        match node:
            case ast.Constant(value=value):
                return value
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -_number(operand, path)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                return _OPERATORS[type(op)](_number(left, path), _number(right, path))
    except (ArithmeticError, RecursionError) as error:
        raise UsageError(f"{path}, line {node.lineno}: {error}", "write a number") from error
    raise UsageError(
        f"{path}, line {node.lineno}: this is neither a number nor text",
        "write the value itself; code in a configuration is never run",
    )


def _number(node: ast.expr, path: Path) -> int | float:
    value = _value(node, path)
    if not isinstance(value, int | float):
        raise UsageError(f"{path}, line {node.lineno}: {value!r} is not a number", "write a number")
    return value
