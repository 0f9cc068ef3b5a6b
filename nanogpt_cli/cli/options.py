"""Flags made from the dataclasses of settings, with dashes or as nanoGPT spells them.

``--n-layer 4`` and ``--n_layer=4`` are the same flag, and so are ``--no-compile`` and
``--compile=False``. A value that was typed is distinguished from a default, because a configuration
file or a preset is stronger than the one and weaker than the other.
"""

import functools
import inspect
import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import fields
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from typer.core import TyperCommand

from nanogpt_cli.cli import ui
from nanogpt_cli.cli.complete import any_of, runs
from nanogpt_cli.cli.help import OPTIONS, show_help
from nanogpt_cli.cli.usage import in_our_words, usage
from nanogpt_cli.cli.values import COMPLETED, NUMBERS, read_setting
from nanogpt_cli.errors import MachineError, UsageError
from nanogpt_cli.setting import flag, types_of
from nanogpt_cli.text import printable

TRUE, FALSE = {"true", "1", "yes", "on"}, {"false", "0", "no", "off"}

RETIRED = {
    "--wandb-log": "write --log-to wandb; every run writes metrics.jsonl, and plot-log draws it",
    "--wandb-project": "write --log-to wandb, with WANDB_PROJECT in the environment",
    "--wandb-run-name": "name the run by its folder: --out-dir out/NAME",
}
"""nanoGPT's flags that have no meaning here, and what to use instead."""

_TYPED = "nanogpt.typed"
"""Where a command's context keeps its arguments, dashes for underscores."""
_RETIRED_NOTES = "nanogpt.retired"
"""Where a command's context keeps the notes about them, until --quiet is known."""


class Command(TyperCommand):
    """A command that accepts nanoGPT's spelling of flags too."""

    allow_extra_args = True  # so that they can be named below

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help."""
        show_help(self, ctx)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Replace nanoGPT's spellings by this program's, then parse as usual.

        Raises UsageError for what is not understood.
        """
        options = [p for p in self.params if p.param_type_name == "option"]
        known = {n for p in options for n in (*p.opts, *p.secondary_opts)} | {"-h", "--help"}
        switches = {
            name: next(iter(option.secondary_opts), "")
            for option in options
            if getattr(option, "is_flag", False)
            for name in option.opts
        }
        alone = {"-h", "--help", *switches, *switches.values()}
        notes: dict[str, str] = ctx.meta.setdefault(_RETIRED_NOTES, {})
        spelled = list(_with_dashes(args, switches, known - alone, alone, notes))
        ctx.meta[_TYPED] = tuple(spelled)
        try:
            extra = super().parse_args(ctx, spelled)
        except typer.TyperException as error:
            raise in_our_words(error, self, ctx) from None
        if extra and not ctx.resilient_parsing:
            raise UsageError(f"unexpected argument {printable(extra[0])}", usage(self, ctx))
        return extra


def _with_dashes(
    args: Iterable[str],
    switches: Mapping[str, str],
    with_value: Set[str],
    alone: Set[str],
    notes: dict[str, str],
) -> Iterator[str]:
    """Yield ``args`` with dashes for underscores and ``--switch=False`` as ``--no-switch``.

    Only options that the command knows are changed: those that stand ``alone`` and those in
    ``with_value``, whose value is passed on as it is. ``notes`` collects what there is to say about
    retired flags.
    """
    rest = deque(args)
    while rest:
        arg = rest.popleft()
        if arg == "--":
            yield from (arg, *rest)
            return
        name, equals, value = arg.partition("=")
        dashed = name.replace("_", "-") if name.startswith("--") else name
        if dashed in RETIRED:
            if not equals and rest and (dashed != "--wandb-log" or _is_boolean(rest[0])):
                value = rest.popleft()
            if value.lower() not in FALSE:
                notes.setdefault(RETIRED[dashed], f"{dashed} has no meaning here")
        elif switches.get(dashed) and not equals and rest and _is_boolean(rest[0]):
            yield dashed if rest.popleft().lower() == "true" else switches[dashed]
        elif dashed in switches and equals:
            if value.lower() not in TRUE | FALSE:
                raise UsageError(f"{dashed}={value} is neither True nor False", f"use {dashed}")
            if value.lower() in TRUE:
                yield dashed
            elif switches[dashed]:
                yield switches[dashed]
        elif dashed in with_value:
            yield dashed + equals + value
            if not equals and rest:
                yield rest.popleft()
        else:
            yield dashed if arg == name and dashed in alone else arg


def _is_boolean(text: str) -> bool:
    return text.lower() in ("true", "false")


Panel = Sequence[tuple[type, Iterable[str]]] | type
"""The settings of one panel of the help: a dataclass, or pairs of one and some of its fields."""


def with_settings(
    essential: Sequence[str] = (), **panels: Panel
) -> Callable[[Callable[..., Any]], "SettingsCommand"]:
    """Add a flag for every setting of some dataclasses to a command, and ``--quiet``.

    ``panels`` names the panels of the help. The command receives what was typed, and only that, as
    the keyword argument ``given``: a dict from field name to value; and if it has one called
    ``typed``, all of its arguments as a tuple. Where there are ``essential`` ones among its flags,
    ``--help`` shows these first, and the others have to be asked for.
    """
    return lambda function: SettingsCommand(function, panels, essential)


class SettingsCommand:
    """A function as a command with settings; typer reads its flags from its signature.

    The signature is made whenever it is asked for, so that it offers what is registered by then.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        panels: Mapping[str, Panel],
        essential: Sequence[str],
    ) -> None:
        functools.update_wrapper(self, function)
        self._function, self._essential = function, essential
        self._settings = [
            (config, name, OPTIONS if name in essential else title.replace("_", " ").capitalize())
            for title, content in panels.items()
            for config, names in ([(content, None)] if isinstance(content, type) else content)
            for name in (names or _setting_names(config))
        ]

    @property
    def __signature__(self) -> inspect.Signature:
        parameters = inspect.signature(self._function).parameters.values()
        own = [p for p in parameters if p.name not in ("given", "typed")]
        flags = [_parameter(*setting) for setting in self._settings]
        shared = [_keyword("context", typer.Context), _keyword("quiet", QuietFlag, False)]
        if self._essential:
            shared.append(_keyword("help_all", _HelpAllFlag, False))
            flags += [p for p in own if p.kind is p.KEYWORD_ONLY]
            own = [p for p in own if p.kind is not p.KEYWORD_ONLY]
            flags.sort(key=lambda p: (*self._essential, p.name).index(p.name))
        return inspect.Signature([*own, *flags, *shared])

    def __call__(self, context: typer.Context, quiet: bool, **kwargs: Any) -> Any:
        """Run the command with what typer has parsed."""
        kwargs.pop("help_all", None)
        ui.console().quiet = quiet
        _check_working_folder()
        for instead, text in context.meta.get(_RETIRED_NOTES, {}).items():
            ui.note(f"{text}: {instead}")
        if self._settings:
            values = {name: kwargs.pop(name) for _, name, _ in self._settings}
            kwargs["given"] = {
                name: ",".join(value) if isinstance(value, list | tuple) else value
                for name, value in values.items()
                if context.get_parameter_source(name).name != "DEFAULT"  # type: ignore[union-attr]
            }
        if "typed" in inspect.signature(self._function).parameters:
            kwargs["typed"] = context.meta[_TYPED]
        return self._function(**kwargs)


def _check_working_folder() -> None:
    """Raise MachineError where the working folder was removed: torch could not even be loaded."""
    try:
        os.getcwd()
    except OSError as error:
        raise MachineError(
            "the folder in which nanogpt was started is gone", "change to a folder that exists: cd"
        ) from error


def _setting_names(config: type) -> list[str]:
    return [f.name for f in fields(config) if "help" in f.metadata]


def _parameter(config: type, name: str, panel: str) -> inspect.Parameter:
    """Return the field ``name`` of ``config`` as a keyword parameter that typer understands.

    A field with ``choices`` in its metadata, the names in a registry say, takes one of them; one
    with ``several`` can be repeated.
    """
    field = next(f for f in fields(config) if f.name == name)
    kind, help = types_of(config)[name], field.metadata["help"]
    choices = field.metadata.get("choices", get_args(kind) if get_origin(kind) is Literal else ())
    help += _not_mentioned(choices, help)
    dashed = flag(name)
    if several := field.metadata.get("several"):
        option = typer.Option(
            dashed,
            help=help + _not_mentioned(several, help),
            rich_help_panel=panel,
            show_default=False,
            metavar="NAME",
            autocompletion=any_of(*several),
        )
        return _keyword(name, Annotated[list[str], option], [])
    if kind in (bool, bool | None):
        option = typer.Option(
            f"{dashed}/--no-{dashed[2:]}",
            help=help,
            rich_help_panel=panel,
            show_default=field.default is not None,
        )
        return _keyword(name, Annotated[kind, option], field.default)
    number = next((n for n in (int, float) if kind in (n, n | None)), None)
    metavars = {"time": "TIME", "save_every": "STEPS|TIME"}
    option = typer.Option(
        dashed,
        help=help,
        rich_help_panel=panel,
        show_default=field.default is not None,
        metavar=metavars.get(name, "NAME" if choices else NUMBERS[number][0] if number else None),
        parser=functools.partial(read_setting, config, name, number),
        autocompletion=any_of(*choices) if choices else COMPLETED.get(name),
    )
    return _keyword(name, Annotated[number or str, option], field.default)


def _not_mentioned(choices: Iterable[str], help: str) -> str:
    """Return a sentence with the choices that a help text does not explain, or nothing."""
    others = [name for name in choices if not re.search(rf"\b{re.escape(name)}\b", help)]
    return f" Also: {', '.join(others)}." if others else ""


def _keyword(name: str, kind: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)


def _show_all(context: typer.Context, wanted: bool) -> None:
    if wanted:
        show_help(context.command, context, everything=True)
        raise typer.Exit


_HelpAllFlag = Annotated[
    bool,
    typer.Option("--help-all", callback=_show_all, is_eager=True, help="Show every option."),
]

QuietFlag = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]

ModelArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="MODEL",
        help="A run by name or folder, or a checkpoint; by default the newest run.",
        autocompletion=runs,
    ),
]

DeviceFlag = Annotated[
    str, typer.Option(help="auto, cpu, mps, cuda or cuda:N.", autocompletion=COMPLETED["device"])
]

JsonFlag = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on stdout, and nothing else there.")
]


def print_json(document: object) -> None:
    """Print a document of the JSON contract on stdout; numbers that are not finite become null.

    Characters that a terminal would obey, or not show, are escaped.
    """
    import json

    from nanogpt_cli.logs.events import finite

    text = json.dumps(finite(document), ensure_ascii=False, indent=2, allow_nan=False)
    print("".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text))
