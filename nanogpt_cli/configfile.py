"""Read settings from a TOML file, or from a configuration of nanoGPT's without running it."""

import ast
import difflib
import operator
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nanogpt_cli.errors import UsageError

_IGNORED = {"wandb_log", "wandb_project", "wandb_run_name", "time"}
"""What nanoGPT's configurations set and nothing here reads."""

_OPERATORS = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
    ast.Div: operator.truediv, ast.FloorDiv: operator.floordiv,
}  # fmt: skip


def read_config(path: Path, known: Iterable[str]) -> dict[str, Any]:
    """Give the settings in ``path``, a ``.toml`` file or a ``.py`` file as nanoGPT has them.

    TOML keys may stand in tables, whose names are for the reader. Raises UsageError where the file
    cannot be read or names a setting that is not ``known``.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}", "check the path") from error
    values = _assignments(text, path) if path.suffix == ".py" else _toml(text, path)
    values = {key.replace("-", "_"): value for key, value in values.items()}
    known = sorted(known)
    for key in values.keys() - set(known):
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.4)
        raise UsageError(
            f"{path}: there is no setting {key}",
            f"did you mean {near[0]}?" if near else "nanogpt train --help lists the settings",
        )
    return values


def _toml(text: str, path: Path) -> dict[str, Any]:
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: {error}", "mend that line; a setting is: n_layer = 4") from error
    flat: dict[str, Any] = {}
    for key, value in content.items():
        flat |= value if isinstance(value, Mapping) else {key: value}
    return flat


def _assignments(text: str, path: Path) -> dict[str, Any]:
    """Give the plain ``name = value`` lines; values are literals and arithmetic on them."""
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError) as error:
        raise UsageError(f"{path}: {error}", "a setting is: n_layer = 4") from error
    values = {}
    for node in body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)]) if name not in _IGNORED:
                values[name] = _value(node.value, path)
            case ast.Assign(targets=[ast.Name()]) | ast.Import() | ast.Expr(value=ast.Constant()):
                pass
            case _:
                raise UsageError(
                    f"{path}, line {node.lineno}: only lines such as n_layer = 4 are read",
                    "write the settings to a TOML file; code in it is never run",
                )
    return values


def _value(node: ast.expr, path: Path) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, path)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            try:
                return _OPERATORS[type(op)](_value(left, path), _value(right, path))
            except (TypeError, ZeroDivisionError, MemoryError, OverflowError) as error:
                raise UsageError(
                    f"{path}, line {node.lineno}: {error}", "write a number"
                ) from error
    raise UsageError(
        f"{path}, line {node.lineno}: this is neither a number nor a text",
        "write the value itself; code in a configuration is never run",
    )
