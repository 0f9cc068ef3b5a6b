"""Flags made from the settings' dataclasses, in our spelling and in nanoGPT's.

``--n-layer 4`` and ``--n_layer=4`` are the same flag, and so are ``--no-compile`` and
``--compile=False``. What was typed is told apart from what is a default, because a configuration
file or a preset may stand between the two.
"""

import functools
import inspect
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import fields
from typing import Annotated, Any, get_type_hints

import typer
from typer.core import TyperCommand

from nanogpt_cli.cli import ui
from nanogpt_cli.config import flag, parse_duration
from nanogpt_cli.errors import UsageError

TRUE, FALSE = {"true", "1", "yes", "on"}, {"false", "0", "no", "off"}

RETIRED = {
    "--wandb-log": "every run writes metrics.jsonl; `nanogpt plot-log` draws it",
    "--wandb-project": "every run writes metrics.jsonl; `nanogpt plot-log` draws it",
    "--wandb-run-name": "name the run by its folder: --out-dir out/NAME",
}
"""nanoGPT's flags that mean nothing here, and what to use instead."""

_RETIRED_NOTES = "nanogpt.retired"
"""Where a command's context keeps what to say of them, until --quiet is known."""


class Command(TyperCommand):
    """A command that reads nanoGPT's spelling of flags too."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Bring nanoGPT's spellings into ours, then parse as always."""
        options = [p for p in self.params if p.param_type_name == "option"]
        known = {n for p in options for n in (*p.opts, *p.secondary_opts)} | {"-h", "--help"}
        switches = {
            name: next(iter(option.secondary_opts), "")
            for option in options
            if getattr(option, "is_flag", False)
            for name in option.opts
        }
        alone = {"-h", "--help", *switches, *switches.values()}
        notes: dict[str, None] = ctx.meta.setdefault(_RETIRED_NOTES, {})
        return super().parse_args(
            ctx, list(_our_spelling(args, switches, known - alone, alone, notes))
        )


def _our_spelling(
    args: Iterable[str],
    switches: Mapping[str, str],
    takers: Set[str],
    alone: Set[str],
    notes: dict[str, None],
) -> Iterator[str]:
    """Yield ``args`` with dashes for underscores and ``--switch=False`` as ``--no-switch``.

    Only options that the command knows are touched: those that stand ``alone`` and the ``takers``
    of a value, which passes unseen. ``notes`` collects what is to be said of retired flags.
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
                notes[f"{dashed} is not part of nanogpt: {RETIRED[dashed]}"] = None
        elif switches.get(dashed) and not equals and rest and _is_boolean(rest[0]):
            yield dashed if rest.popleft().lower() == "true" else switches[dashed]
        elif dashed in switches and equals:
            if value.lower() not in TRUE | FALSE:
                raise UsageError(f"{dashed}={value} is neither True nor False", f"write {dashed}")
            if value.lower() in TRUE:
                yield dashed
            elif switches[dashed]:
                yield switches[dashed]
        elif dashed in takers:
            yield dashed + equals + value
            if not equals and rest:
                yield rest.popleft()
        else:
            yield dashed if arg == name and dashed in alone else arg


def _is_boolean(word: str) -> bool:
    return word.lower() in ("true", "false")


def with_settings(
    **panels: Sequence[tuple[type, Iterable[str]]] | type,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command a flag for every setting of some dataclasses, and ``--quiet``.

    ``panels`` names the help panels: each is a dataclass, or pairs of a dataclass and the names of
    some of its fields. The command receives what was typed, and only that, as the keyword argument
    ``given``: a dict from field name to value.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        own = [p for p in inspect.signature(function).parameters.values() if p.name != "given"]
        flags = [
            _parameter(config, name, title.replace("_", " "))
            for title, content in panels.items()
            for config, names in ([(content, None)] if isinstance(content, type) else content)
            for name in (names or _setting_names(config))
        ]
        names = [p.name for p in flags]

        @functools.wraps(function)
        def command(context: typer.Context, quiet: bool, **kwargs: Any) -> Any:
            ui.console().quiet = quiet
            for text in context.meta.get(_RETIRED_NOTES, ()):
                ui.note(text)
            values = {name: kwargs.pop(name) for name in names}
            if names:
                kwargs["given"] = {
                    name: value
                    for name, value in values.items()
                    if context.get_parameter_source(name).name != "DEFAULT"  # type: ignore[union-attr]
                }
            return function(**kwargs)

        shared = [_keyword("context", typer.Context), _keyword("quiet", QuietFlag, False)]
        command.__signature__ = inspect.Signature([*own, *flags, *shared])  # type: ignore[attr-defined]
        return command

    return decorate


def _setting_names(config: type) -> list[str]:
    return [f.name for f in fields(config) if "help" in f.metadata]


def _parameter(config: type, name: str, panel: str) -> inspect.Parameter:
    """Turn the field ``name`` of ``config`` into a keyword parameter that typer understands."""
    field = next(f for f in fields(config) if f.name == name)
    kind = get_type_hints(config)[name]
    dashed = flag(name)
    declaration = f"{dashed}/--no-{dashed[2:]}" if kind in (bool, bool | None) else dashed
    special: dict[str, dict[str, Any]] = {
        "time": {"parser": parse_duration, "metavar": "TIME"},
        "save_every": {"metavar": "STEPS|TIME"},
    }
    extra = special.get(name, {})
    if field.default is None:
        extra["show_default"] = False
    option = typer.Option(
        declaration, help=field.metadata["help"], rich_help_panel=panel.capitalize(), **extra
    )
    return _keyword(name, Annotated[kind, option], field.default)


def _keyword(name: str, kind: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)


QuietFlag = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")]


JsonFlag = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else there.")
]


def print_json(document: object) -> None:
    """Print a document of the JSON contract on stdout; numbers that are not finite become null."""
    import json

    from nanogpt_cli.logs.events import finite

    print(json.dumps(finite(document), ensure_ascii=False, indent=2, allow_nan=False))
