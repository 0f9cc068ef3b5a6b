"""What is said about a command line that the parser does not understand."""

from typing import Any

import typer

from nanogpt_cli.cli.help import placeholder, usage_pieces
from nanogpt_cli.errors import UsageError
from nanogpt_cli.text import nearest, printable


def in_our_words(error: typer.TyperException, command: Any, context: Any) -> UsageError:
    """Return an error of the parser as one with a hint."""
    see = f"see `{context.command_path} --help`"
    options = [p for p in command.get_params(context) if p.param_type_name == "option"]
    name = getattr(error, "option_name", None)
    if hasattr(error, "possibilities"):
        near = nearest(str(name), [n for p in options for n in (*p.opts, *p.secondary_opts)])
        return UsageError(f"unknown option {name}", f"did you mean {near}?" if near else see)
    if name:
        (option,) = (p for p in options if name in (*p.opts, *p.secondary_opts))
        return UsageError(f"{name} needs a value", f"write {name} {placeholder(option)}")
    if isinstance(error, typer.BadParameter) and error.param:
        param = error.param
        shown = param.opts[-1] if param.param_type_name == "option" else param.metavar
        if hasattr(error, "param_type"):
            return UsageError(f"{shown} is missing", usage(command, context))
        return UsageError(f"invalid {shown}: {error.message.removeprefix('Value error, ')}", see)
    return UsageError(printable(error.message).rstrip("."), see)


def usage(command: Any, context: Any) -> str:
    """Return how a command is written."""
    return " ".join(["write", context.command_path, *usage_pieces(command, context)])
